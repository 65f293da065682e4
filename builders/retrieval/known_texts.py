"""Which texts have a vector already, and where: found by the hash of the text over every folder of one identity."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 16
STORED = np.dtype("<f2")
Hashes = NDArray[np.void]
# New shards are looked through one by one until there are this many; then they join the sorted whole.
_RECENT = 32


def hashes_of(texts: Sequence[str]) -> Hashes:
    """(n,) BLAKE2b-128 of each text, as text_hash gives it in hexadecimal."""
    joined = b"".join(blake2b(text.encode(), digest_size=HASH_BYTES).digest() for text in texts)
    return np.frombuffer(joined, dtype=f"V{HASH_BYTES}")


def stored_shard(hashes: Path, vectors: Path) -> tuple[Hashes, NDArray[Any]] | None:
    """A finished shard's hashes, and its vectors, mapped; None where a file is missing, damaged or not the other's."""
    try:
        found = np.load(hashes), np.load(vectors, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if not all(isinstance(each, np.ndarray) for each in found):  # np.load reads archives too
        return None
    fits = found[0].dtype == f"V{HASH_BYTES}" and found[1].ndim == 2 and found[1].dtype == STORED
    if not fits or len(found[0]) != len(found[1]):
        return None
    return (
        found
        if all(np.isfinite(found[1][at : at + _CHECKED]).all() for at in range(0, len(found[1]), _CHECKED))
        else None
    )


# Rows that are looked at together: a few MB.
_CHECKED = 8192


class KnownTexts:
    """Places of texts by hash. 16 bytes for each text in memory, so 400 MB for 25 million."""

    def __init__(self) -> None:
        self._files: list[tuple[Path, Path]] = []
        self._whole = _Sorted(np.empty(0, np.uint64), np.empty(0, np.uint64))
        self._recent: list[_Sorted] = []

    def add(self, hashes: Path, vectors: Path) -> None:
        """A finished shard: its hashes, and its vectors in the same order. One that is damaged is left out."""
        stored = stored_shard(hashes, vectors)
        if stored is None:
            return
        keys = _keys(stored[0])
        places = (np.uint64(len(self._files)) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
        self._files.append((hashes, vectors))
        self._recent.append(_sorted(keys, places))
        if len(self._recent) >= _RECENT:
            parts = [self._whole, *self._recent]
            joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("keys", "places")]
            self._whole, self._recent = _sorted(*joined), []

    def fill(self, hashes: Hashes, vectors: NDArray[Any]) -> NDArray[np.bool_]:
        """Puts the vectors of known texts into `vectors` (n, dim). True for each text that was found."""
        keys = _keys(hashes)
        found = np.zeros(len(keys), dtype=bool)
        places = np.zeros(len(keys), dtype=np.uint64)
        for part in (self._whole, *self._recent):
            at = np.minimum(np.searchsorted(part.keys, keys), max(len(part.keys) - 1, 0))
            if len(part.keys):
                hit = (part.keys[at] == keys) & ~found
                places[hit], found[hit] = part.places[at[hit]], True
        files = (places >> np.uint64(32)).astype(np.int64)
        rows = (places & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        for file in np.unique(files[found]):
            mine = np.flatnonzero(found & (files == file))
            stored_hashes, stored = (np.load(path, mmap_mode="r") for path in self._files[file])
            if stored.shape[1] != vectors.shape[1]:
                found[mine] = False  # of a server that has changed its model; the caller says so
                continue
            # Half of the hash found the place; the whole of it decides.
            same = np.asarray(stored_hashes[rows[mine]]) == hashes[mine]
            vectors[mine[same]] = stored[rows[mine[same]]]
            found[mine[~same]] = False
        return found


class _Sorted:
    def __init__(self, keys: NDArray[np.uint64], places: NDArray[np.uint64]) -> None:
        self.keys, self.places = keys, places


def _sorted(keys: NDArray[np.uint64], places: NDArray[np.uint64]) -> _Sorted:
    order = np.argsort(keys, kind="stable")
    return _Sorted(keys[order], places[order])


def _keys(hashes: Hashes) -> NDArray[np.uint64]:
    """The first half of each hash."""
    pairs: NDArray[np.uint64] = np.ascontiguousarray(hashes).view(np.uint64).reshape(len(hashes), 2)[:, 0]
    return pairs.copy()
