"""Rankings: the best documents of each query, put in order by one rule that every retriever shares.

The rule: scores rounded to 6 decimals, highest first; equal ones by the document's index, lowest first. The caller
numbers the documents in the order of their ids, so that ties do not depend on shards, blocks or machines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DECIMALS = 6
NO_DOCUMENT = -1
# A ranked document is one integer, smaller for better: the score's order above, the document's index below.
INDEX_BITS = 32
INDEX = np.uint64(0xFFFF_FFFF)
EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_SIGN = np.uint32(0x8000_0000)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ranking:
    """Best first. A query with fewer than k documents ends in index -1 with score -inf."""

    scores: NDArray[np.float32]  # (n, k), rounded to 6 decimals
    indices: NDArray[np.int64]  # (n, k)

    def found(self) -> NDArray[np.int64]:
        """(n,): how many documents each query has."""
        found: NDArray[np.int64] = (self.indices != NO_DOCUMENT).sum(axis=1)
        return found


def rounded(scores: Floats) -> NDArray[np.float32]:
    """The scores as they are ordered, stored and compared. Minus zero becomes zero."""
    return (np.round(scores.astype(np.float64), DECIMALS) + 0.0).astype(np.float32)


def pack(scores: Floats, indices: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One integer for each (score, document): sorting them is the rule. Indices below 2**32 - 1, scores finite."""
    bits = rounded(scores).view(np.uint32)
    # IEEE floats are ordered like their bits once negative ones are inverted; inverting all puts the highest first.
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    packed: NDArray[np.uint64] = ((~rising).astype(np.uint64) << np.uint64(INDEX_BITS)) | indices.astype(np.uint64)
    return packed


def unpack(packed: NDArray[np.uint64]) -> Ranking:
    """The ranking in packed (n, k), whose rows are sorted."""
    empty = packed == EMPTY
    return Ranking(unpack_scores(packed), np.where(empty, NO_DOCUMENT, (packed & INDEX).astype(np.int64)))


def unpack_scores(packed: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The rounded scores in packed integers; -inf where there is none."""
    rising = ~(packed >> np.uint64(INDEX_BITS)).astype(np.uint32)
    bits = np.where(rising & _SIGN, rising & ~_SIGN, ~rising)
    return np.where(packed == EMPTY, np.float32(-np.inf), bits.view(np.float32))


def merge(kept: NDArray[np.uint64], more: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The k best of kept (n, k) and more (n, c), sorted: (n, k)."""
    k = kept.shape[1]
    both = np.concatenate([kept, more], axis=1)
    if both.shape[1] > k:
        both.partition(k - 1, axis=1)
    best = np.sort(both[:, :k], axis=1)
    return best


def fuse(rankings: "list[Ranking]", k: int, *, constant: int = 60) -> Ranking:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): a document scores the sum of 1 / (constant + rank).

    All rankings are of the same queries and documents; ranks start at 1. Scores of different retrievers need no scale.
    """
    n = len(rankings[0].indices)
    indices = np.concatenate([r.indices for r in rankings], axis=1)  # (n, sum of k)
    each = [1.0 / (constant + 1 + np.arange(r.indices.shape[1])) for r in rankings]
    shares = np.broadcast_to(np.concatenate(each), indices.shape)
    order = np.argsort(indices, axis=1, kind="stable")
    indices, shares = np.take_along_axis(indices, order, 1), np.take_along_axis(shares, order, 1)
    packed = np.full((n, max(k, indices.shape[1])), EMPTY)
    if not indices.size:
        return unpack(packed[:, :k])
    first = np.ones(indices.shape, dtype=bool)
    first[:, 1:] = indices[:, 1:] != indices[:, :-1]  # equal documents of one query stand together
    sums = np.add.reduceat(shares.ravel(), np.flatnonzero(first))
    real = indices[first] != NO_DOCUMENT
    rows, columns = np.nonzero(first)
    packed[rows[real], columns[real]] = pack(sums[real], indices[first][real])
    return unpack(np.sort(packed, axis=1)[:, :k])
