"""Vectors of a table version, stored in shards beside it: each text is encoded once and never again.

    data/vectors/IDENTITY/identity.json                     what determines the vectors
    data/vectors/IDENTITY/TABLE-VERSION-COLUMNS/00000.npy   one for each shard of the version, in the order of its rows
                                                00000.hashes.npy, 00000.part (of a shard that is not finished)

float16: half of float32's space (19 GB for 25 million documents of 384), and what it rounds (2e-5 in a score) is less
than the 1e-3 by which bfloat16 models differ from float32 ones. Top-k is exact over the vectors that are stored.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.retrieval.document_blocks import Block
from builders.retrieval.encoders import Encoder, Role, UnusableVectors
from builders.retrieval.known_texts import HASH_BYTES, STORED, Hashes, KnownTexts, hashes_of, stored_shard
from builders.store.locks import locked
from builders.store.parquet import write_bytes
from builders.store.schemas import canonical, key_column
from builders.store.versions import Version, read_rows, read_table

if TYPE_CHECKING:
    import pyarrow as pa

# Texts between two writes: what kill -9 can cost.
_PIECE = 512
# Rows that are mapped at a time: 12 MB of 384 float16 numbers.
_MAPPED = 16_384


@dataclass(frozen=True)
class Vectors:
    """The stored vectors of one version. `encoded`, `reused` and `truncated` count texts of the call that made it."""

    folder: Path
    shard_rows: tuple[int, ...]
    dim: int
    encoded: int = 0
    reused: int = 0
    truncated: int = 0

    @property
    def rows(self) -> int:
        return sum(self.shard_rows)

    def shard(self, number: int) -> NDArray[Any]:
        """(rows, dim) float16, mapped."""
        mapped: NDArray[Any] = np.load(self.folder / f"{number:05d}.npy", mmap_mode="r")
        return mapped

    def blocks(self, indices: NDArray[np.int64] | None = None) -> Iterator[Block]:
        """What top_k reads. indices: each row's number in the order of the ids (document_order); None: the row's own.

        Each block is a mapping of its own, so that what is read of one leaves memory with it.
        """
        first = 0
        for number, rows in enumerate(self.shard_rows):
            for start in range(0, rows, _MAPPED):
                part = self.shard(number)[start : start + _MAPPED]
                at = slice(first + start, first + start + len(part))
                yield (at.start if indices is None else indices[at]), part
            first += rows


def encode_version(
    encoder: Encoder, role: Role, data: Path, version: Version, columns: Sequence[str] = ("text",)
) -> Vectors:
    """The vectors of every row of the version: those that are stored already, and the rest encoded now.

    A row's text is its columns, one a line, without empty ones. Shards are written in one step; of an unfinished one
    no more than 512 texts are encoded twice after a kill. UserError where vectors are unusable (count, first ids).
    """
    shards = version.shards()

    def read(number: int) -> tuple[list[str], list[str]]:
        key = key_column(version.record)
        rows = read_rows(shards[number], [key, *columns])
        return [row[key] for row in rows], ["\n".join(row[c] for c in columns if row[c]) for row in rows]

    name = f"{version.table}-{version.name}-{'-'.join(columns)}"
    return encode_shards(encoder, role, data, name, len(shards), read, total=version.manifest["rows"]["out"])


def encode_shards(
    encoder: Encoder,
    role: Role,
    data: Path,
    name: str,
    shards: int,
    read: Callable[[int], tuple[list[str], list[str]]],
    *,
    total: int | None = None,
) -> Vectors:
    """The same for any texts in shards: `read(number)` gives ids and texts. total: of texts, where it is known."""
    identity = {**encoder.identity(role), "stored": STORED.str}
    home = data / "vectors" / blake2b(canonical(identity), digest_size=8).hexdigest()
    folder = home / name
    with locked(folder / "lock", f"vectors of {name}"):
        write_bytes(home / "identity.json", json.dumps(identity, indent=1, ensure_ascii=False).encode())
        known = KnownTexts()
        for hashes in sorted(home.glob("*/*.hashes.npy")):
            known.add(hashes, hashes.with_name(hashes.name.replace(".hashes", "")))
        cut = encoder.truncated
        counts: list[tuple[int, int]] = []
        with Progress(f"vectors of {name}", total, unit="texts") as progress:
            for number in range(shards):
                counts.append(_one_shard(encoder, role, folder, number, known, read, progress))
        rows = tuple(len(np.load(folder / f"{number:05d}.npy", mmap_mode="r")) for number in range(shards))
        dims = {np.load(folder / f"{number:05d}.npy", mmap_mode="r").shape[1] for number in range(shards)} - {0}
        dims |= set() if dims else {encoder.dim}
        if len(dims) > 1:
            raise UserError(
                f"The vectors in {folder} have {' and '.join(map(str, sorted(dims)))} dimensions: the server changed "
                f"its model; delete {home}, then run this again with a --revision of its own."
            )
        encoded, reused = sum(made for made, _ in counts), sum(kept for _, kept in counts)
        return Vectors(folder, rows, dims.pop(), encoded, reused, encoder.truncated - cut)


def _one_shard(
    encoder: Encoder,
    role: Role,
    folder: Path,
    number: int,
    known: KnownTexts,
    read: Callable[[int], tuple[list[str], list[str]]],
    progress: Progress,
) -> tuple[int, int]:
    """Writes the shard unless it is there. Texts encoded and texts reused."""
    paths = folder / f"{number:05d}.hashes.npy", folder / f"{number:05d}.npy"
    ids, texts = read(number)
    hashes = hashes_of(texts)
    stored = stored_shard(*paths)
    if stored is not None and np.array_equal(stored[0], hashes):
        progress.skip(len(texts))
        return 0, len(texts)
    if stored is None and paths[1].exists():
        say(f"The stored vectors {paths[1]} are damaged: they are made again.")
    if not texts:
        _write(paths, hashes, np.empty((0, 0), STORED))
        return 0, 0
    part = folder / f"{number:05d}.part"
    first: dict[bytes, int] = {}
    for row, value in enumerate(hashes):
        first.setdefault(value.tobytes(), row)
    distinct = np.fromiter(first.values(), np.int64)
    vectors = np.empty((len(distinct), encoder.dim), STORED)
    have = known.fill(hashes[distinct], vectors)
    have |= _resumed(part, hashes[distinct], vectors)
    # Longest first, so that a batch needs little padding and what does not fit into memory shows at once.
    missing = sorted(np.flatnonzero(~have).tolist(), key=lambda at: -len(texts[distinct[at]]))
    progress.skip(len(texts) - len(missing))
    with part.open("ab", buffering=0) as journal:
        for start in range(0, len(missing), _PIECE):
            piece = missing[start : start + _PIECE]
            rows = distinct[piece]
            vectors[piece] = _encoded(encoder, role, [texts[row] for row in rows], [ids[row] for row in rows])
            journal.write(_records(hashes[rows], vectors[piece]).tobytes())
            progress.step(len(piece))
    place = {value: at for at, value in enumerate(first)}
    _write(paths, hashes, vectors[[place[value.tobytes()] for value in hashes]])
    part.unlink()
    known.add(*paths)
    return len(missing), len(texts) - len(missing)


def _encoded(encoder: Encoder, role: Role, texts: list[str], ids: list[str]) -> NDArray[np.float32]:
    try:
        return encoder.encode(texts, role)
    except UnusableVectors as fault:
        named = ", ".join(ids[row] for row in fault.rows[:5])
        raise UserError(
            f"The model {encoder.model.id} made vectors that hold NaN or infinity, or are zero, for "
            f"{len(fault.rows)} of {len(texts)} texts (the first: {named}): try --dtype float32, or mend these rows."
        ) from None


def _records(hashes: Hashes, vectors: NDArray[Any]) -> NDArray[Any]:
    made = np.empty(len(hashes), dtype=_record(vectors.shape[1]))
    made["hash"], made["vector"] = hashes, vectors
    return made


def _record(dim: int) -> np.dtype[Any]:
    return np.dtype([("hash", f"V{HASH_BYTES}"), ("vector", STORED, (dim,))])


def _resumed(part: Path, hashes: Hashes, vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Puts what a killed run had encoded into `vectors`. Drops a record that was cut short."""
    found = np.zeros(len(hashes), dtype=bool)
    if not part.exists():
        return found
    records = np.fromfile(part, dtype=_record(vectors.shape[1]))
    os.truncate(part, records.nbytes)
    at = {value.tobytes(): row for row, value in enumerate(hashes)}
    for record in records:
        row = at.get(record["hash"].tobytes())
        if row is not None:
            vectors[row], found[row] = record["vector"], True
    return found


def _write(paths: tuple[Path, Path], hashes: Hashes, vectors: NDArray[Any]) -> None:
    """The hashes, then the vectors, each in one step: a shard is finished when its vectors are there."""
    paths[1].unlink(missing_ok=True)
    for path, values in zip(paths, (hashes, vectors), strict=True):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            np.save(file, values)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def document_order(version: Version) -> "tuple[pa.Array[Any], NDArray[np.int64]]":
    """(ids, numbers): every id of the version, sorted as Python sorts them, and for each row its id's place there.

    The ids are large_string, as offsets of 32 bits end at 2 GB; rows are in the order of shards. For 4 million ids of
    25 characters: 6 s and 320 MB at the peak (strings of Python: 10 s, 565 MB), 145 MB of which stay.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    key = key_column(version.record)
    ids = pa.chunked_array([_ids(shard, key) for shard in version.shards()], pa.large_string()).combine_chunks()
    # By bytes of UTF-8, which is by code points, as Python compares strings.
    order = pc.array_sort_indices(ids)
    numbers = np.empty(len(ids), np.int64)
    numbers[order.to_numpy()] = np.arange(len(ids))
    return ids.take(order), numbers


def _ids(shard: Path, key: str) -> "pa.Array[Any]":
    import pyarrow as pa

    return read_table(shard, [key]).column(key).cast(pa.large_string()).combine_chunks()
