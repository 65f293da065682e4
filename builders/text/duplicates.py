"""Signatures of near-duplicates: shingles, MinHash bands, exact Jaccard (clusters are merged in clusters.py)."""

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Shingles = np.ndarray[tuple[int], np.dtype[np.uint32]]

SHINGLE_WORDS = 3
# 25 bands of 5: two texts of Jaccard 0.7 meet in a band with probability 0.99, of 0.8 with 0.9999, of 0.3 with 0.06.
BANDS, ROWS = 25, 5
MINHASH_SEED = 1
JACCARD = 0.7

# Thai, Lao, Tibetan, Myanmar, Khmer, CJK, kana: written without spaces, so every character stands for a word.
_UNSPACED = re.compile("([\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")


def words(normalised: str) -> list[str]:
    """The words of a normalised text; in scripts without spaces every character stands for one."""
    return normalised.split() if normalised.isascii() else _UNSPACED.sub(r" \1 ", normalised).split()


def shingles(normalised: str) -> list[str]:
    """Runs of three words of a normalised text (builders.text.hashes.normalise); fewer words are one shingle."""
    return word_shingles(words(normalised))


def word_shingles(units: Sequence[str]) -> list[str]:
    """The same of the words of such a text."""
    if len(units) <= SHINGLE_WORDS:
        return [" ".join(units)] if units else []
    return [" ".join(three) for three in zip(units, units[1:], units[2:], strict=False)]


def minhashes(shingle_sets: Sequence[Sequence[str]]) -> list[list[int]]:
    """One MinHash of BANDS x ROWS 32-bit numbers for each set of shingles."""
    from rensa import RMinHash

    return [list(d) for d in RMinHash.digests_from_token_sets(list(shingle_sets), BANDS * ROWS, MINHASH_SEED)]


def union_minhash(parts: Sequence[Sequence[int]]) -> list[int]:
    """The MinHash of a union of sets is the minimum of theirs: a document's from its chunks'."""
    return [min(column) for column in zip(*parts, strict=True)]


def bands(minhash: Sequence[int]) -> list[int]:
    """BANDS numbers of 63 bits: two texts are candidates where one of them is equal at the same place."""
    import numpy as np

    rows = np.asarray(minhash, dtype="<u4").reshape(BANDS, ROWS)
    return [_hash63(row.tobytes()) for row in rows]


def _hash63(content: bytes) -> int:
    return (zlib.crc32(content) << 31) ^ zlib.crc32(content[::-1], 0x9E3779B9)


def shingle_hashes(texts: Iterable[str]) -> "Shingles":
    """The sorted set of CRC-32 of the shingles of normalised texts (of a chunk, or of all chunks of a document)."""
    import numpy as np

    hashes = {zlib.crc32(s.encode()) for text in texts for s in shingles(text)}
    return np.fromiter(sorted(hashes), dtype=np.uint32, count=len(hashes))


def jaccard(a: "Shingles", b: "Shingles") -> float:
    """Size of the intersection over size of the union; two empty sets are not alike."""
    import numpy as np

    shared = np.intersect1d(a, b, assume_unique=True).size
    union = a.size + b.size - shared
    return float(shared / union) if union else 0.0
