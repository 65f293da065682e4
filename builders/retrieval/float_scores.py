"""Scores of queries against one block in float32, by numpy's BLAS: for processors without bfloat16.

The contract is DocumentBlock's: a fast product finds candidates, a bound on its error makes sure that none is missed,
and float64 ranks them. What costs time differs. float32 loses little, so nearly all candidates of a product would be
ranked, which was a quarter of the work; here they wait until the block's end, when a higher floor throws most out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from builders.retrieval.block_scores import MANY, ROUNDING, Rows

# Documents in a product: with 512 queries its result is 4 MB, and stays in the cache.
TILE = 2048
Floats = NDArray[np.float32]
_Found = tuple[Rows, Rows, Floats]


class FloatBlock:
    """Documents at hand, float32 (rows, dim). Its methods may be called from several threads at once."""

    def __init__(self, documents: Floats, longest: float) -> None:
        self._documents, self._longest = documents, longest

    def candidates(self, queries: Floats, known: Floats, k: int) -> Iterator[tuple[Rows, Rows]]:
        """(which, rows), sorted by query, once or more: together every document that may be among a query's best k.

        known: (n, k), the rounded scores of the best that each query has so far; -inf where it has fewer.
        """
        n, width = len(queries), min(TILE, len(self._documents))
        slack = self._slack(queries)
        best = known.astype(np.float64)
        held, reached = np.empty(n * width, np.float32), np.empty(n * width, bool)
        waiting: list[_Found] = []
        raised = 0  # how many of those that wait are in `best`
        for start in range(0, len(self._documents), TILE):
            part = self._documents[start : start + TILE]
            scores = held[: n * len(part)].reshape(n, len(part))
            np.matmul(queries, part.T, out=scores)
            found = _reaching(scores, _floor(best), slack, k, reached[: scores.size])
            waiting.append((found[0], found[1] + start, found[2]))
            # A few new ones would raise the floor by little.
            if 4 * sum(len(each[0]) for each in waiting[raised:]) > k * n:
                best, raised = _raised(best, waiting[raised:], slack), len(waiting)
            if sum(len(each[0]) for each in waiting) > MANY * k * n:
                best = _raised(best, waiting[raised:], slack)
                waiting = [_kept(waiting, _floor(best) - slack)]
                raised = 1
                if len(waiting[0][0]) > MANY * k * n // 2:
                    yield waiting.pop()[:2]
                    raised = 0
        best = _raised(best, waiting[raised:], slack)
        yield _kept(waiting, _floor(best) - slack)[:2]

    def precise(self, queries: Floats, which: Rows, rows: Rows) -> NDArray[np.float64]:
        """The precise scores of pairs: query which[i] against row rows[i]; `which` is sorted."""
        scores = np.empty(len(rows))
        starts = np.searchsorted(which, np.arange(len(queries) + 1))
        counts = np.diff(starts)
        # Filled again and again, so that they stay in the cache: half the time of new arrays for 512 pairs.
        single = np.empty((counts.max(initial=0), queries.shape[1]), np.float32)
        double = np.empty(single.shape)
        for query in np.flatnonzero(counts):
            pairs, count = slice(starts[query], starts[query + 1]), counts[query]
            np.take(self._documents, rows[pairs], axis=0, out=single[:count], mode="clip")
            double[:count] = single[:count]
            np.dot(double[:count], queries[query].astype(np.float64), out=scores[pairs])
        return scores

    def _slack(self, queries: Floats) -> NDArray[np.float64]:
        """(n,): the most by which a sum in float32 is off, in whatever order: (dim + 8) 2**-24 |q| |d|.

        Higham 2002, equation 3.5. The 8 more are for what rounding to float32 takes from scores and floors.
        """
        lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
        found: NDArray[np.float64] = 1.02 * (queries.shape[1] + 8) * 2.0**-24 * self._longest * lengths
        return found


def _floor(best: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,): what a document has to score. Two scores this far apart may be rounded to the same; then the index wins."""
    lowest: NDArray[np.float64] = best.min(axis=1) - ROUNDING
    return lowest


def _reaching(
    scores: Floats, floor: NDArray[np.float64], slack: NDArray[np.float64], k: int, reached: NDArray[np.bool_]
) -> _Found:
    """(which, rows, scores), sorted: those that may reach the floor, and be among these documents' own best k."""
    width, unknown = scores.shape[1], np.flatnonzero(np.isneginf(floor))
    if width > k and len(unknown):
        floor[unknown] = _own_kth(scores[unknown], k) - slack[unknown] - ROUNDING
    found = _at_least(scores, floor - slack, reached)
    if width > k and len(found) > MANY * k * len(scores):
        own = _own_kth(scores, k) - slack - ROUNDING
        found = _at_least(scores, np.maximum(floor, own) - slack, reached)
    which, rows = np.divmod(found, width)
    return which, rows, scores.ravel()[found]


def _own_kth(scores: Floats, k: int) -> NDArray[np.float64]:
    at = scores.shape[1] - k
    return np.partition(scores, at, axis=1)[:, at].astype(np.float64)


def _at_least(scores: Floats, lowest: NDArray[np.float64], reached: NDArray[np.bool_]) -> Rows:
    """The places in the flattened scores. Into an array that is there already: half the time of a new one."""
    np.greater_equal(scores, _down(lowest)[:, None], out=reached.reshape(scores.shape))
    return np.flatnonzero(reached)


def _down(values: NDArray[np.float64]) -> Floats:
    """float32 numbers that are not above the values."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def _raised(best: NDArray[np.float64], new: list[_Found], slack: NDArray[np.float64]) -> NDArray[np.float64]:
    """The k best of what each query is known to reach and of what new pairs are sure to reach: (n, k), in any order."""
    which, _, scores = _joined(new)
    if not len(which):
        return best
    counts = np.bincount(which, minlength=len(best))
    more = np.full((len(best), counts.max()), -np.inf)
    more[which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)] = scores - slack[which]
    both = np.concatenate([best, more], axis=1)
    drop = more.shape[1]
    return np.partition(both, drop, axis=1)[:, drop:]


def _kept(found: list[_Found], lowest: NDArray[np.float64]) -> _Found:
    """Those that are still high enough, sorted by query."""
    which, rows, scores = _joined(found)
    high = np.flatnonzero(scores >= _down(lowest)[which])
    return which[high], rows[high], scores[high]


def _joined(found: list[_Found]) -> _Found:
    """One after the other, then sorted by query."""
    if len(found) == 1:
        return found[0]
    which = np.concatenate([np.empty(0, np.int64), *(each[0] for each in found)])
    rows = np.concatenate([np.empty(0, np.int64), *(each[1] for each in found)])
    scores = np.concatenate([np.empty(0, np.float32), *(each[2] for each in found)])
    order = np.argsort(which, kind="stable")
    return which[order], rows[order], scores[order]
