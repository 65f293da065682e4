"""Scores of queries against one block of documents: a fast product that finds candidates, a precise one that ranks.

The fast product differs between machines, libraries and block sizes, so it never orders anything: it only says which
documents can be among the best, and a bound on its error makes sure that none is missed. Those are scored again in
float64, which is the same everywhere. So bfloat16 will do for the fast one, on a GPU and on a CPU that multiplies it
(190 GFLOP/s a core against 77 in float32); what its 8 bits lose is computed from the vectors, not assumed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval.rankings import DECIMALS

Rows = NDArray[np.int64]
# Pairs scored at a time: on a CPU, what stays in the cache (3 times faster than 4,096).
_CPU_PAIRS, _GPU_PAIRS = 512, 65_536
# More candidates than this many times k, on average, are thinned by the block's own k-th score first.
MANY = 4
# Two scores this far apart may be rounded to the same.
ROUNDING = 10.0**-DECIMALS
# A product given in bfloat16 is off by at most this share of itself; on a GPU it is given in float32.
_BFLOAT16 = 2.0**-8
_BITS = np.int16(0x7FFF)


class DocumentBlock:
    """Documents at hand, float32 (rows, dim), for torch: on a GPU, or in bfloat16 on a CPU (float_scores: in float32).

    Its methods may be called from several threads at once.
    """

    def __init__(self, documents: NDArray[np.float32], longest: float, device: str, *, half: bool) -> None:
        import torch

        self._torch: Any = torch
        self._device, self._half, self._longest = device, half, longest
        self._on_gpu = device != "cpu"
        self._host = documents
        self._documents: Any = torch.as_tensor(documents, device=device)
        self._coarse = self._documents.bfloat16() if half else self._documents
        self._lost = float(_rounding(self._documents, self._coarse).max())
        self._share = _BFLOAT16 if half and not self._on_gpu else 0.0

    def candidates(
        self, queries: NDArray[np.float32], known: NDArray[np.float32], k: int
    ) -> Iterator[tuple[Rows, Rows]]:
        """(which, rows), sorted by query, once: every document that may be among a query's best k.

        known: (n, k), the rounded scores of the best that each query has so far, best first; -inf where it has fewer.
        """
        # Of two that are rounded to the same, the lower index wins.
        floor = known[:, -1].astype(np.float64) - ROUNDING
        sent = self._torch.as_tensor(queries, device=self._device)
        coarse = sent.bfloat16() if self._half else sent
        scores = self._product(coarse)
        slack = self._slack(sent, coarse)
        width, unknown = scores.shape[1], np.flatnonzero(np.isneginf(floor))
        if width > k and len(unknown):
            floor[unknown] = self._own_kth(scores[unknown], k, slack[unknown])
        which, rows = self._above(scores, floor - slack)
        if width > k and len(which) > MANY * k * len(queries):
            which, rows = self._above(scores, np.maximum(floor, self._own_kth(scores, k, slack)) - slack)
        yield which, rows

    def precise(self, queries: NDArray[np.float32], which: Rows, rows: Rows) -> NDArray[np.float64]:
        """The precise scores of pairs: query which[i] against row rows[i]."""
        scores = np.empty(len(rows))
        size = _GPU_PAIRS if self._on_gpu else _CPU_PAIRS
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            if self._on_gpu:
                left, of = self._torch.as_tensor(queries[which[part]], device=self._device), rows[part]
                right = self._documents[self._torch.as_tensor(of, device=self._device)]
                scores[part] = (left.double() * right.double()).sum(1).cpu().numpy()
            else:
                right = self._host[rows[part]].astype(np.float64)
                scores[part] = np.einsum("ij,ij->i", right, queries[which[part]].astype(np.float64))
        return scores

    def _product(self, coarse: Any) -> Any:
        if self._half and self._on_gpu:  # in float32, and no sum of parts in bfloat16
            return self._torch.mm(coarse, self._coarse.T, out_dtype=self._torch.float32)
        return coarse @ self._coarse.T

    def _slack(self, queries: Any, coarse: Any) -> NDArray[np.float64]:
        """(n,): the most by which a product, before its result is rounded, can differ from the precise score.

        |q.d - q'.d'| <= |q - q'| |d| + |q'| |d - d'|, and |q'| is at most (1 + 2**-8) |q|. Then the sum in float32, in
        whatever order: (dim + 8) 2**-24 |q'| |d'| (Higham 2002, equation 3.5).
        """
        sizes = queries.norm(dim=1).double() * (1 + 1e-4)
        summing = 1.02 * (queries.shape[1] + 8) * 2.0**-24 * self._longest
        bound = _rounding(queries, coarse) * self._longest + (1.01 * self._lost + summing) * sizes
        found: NDArray[np.float64] = bound.cpu().numpy()
        return found

    def _own_kth(self, scores: Any, k: int, slack: NDArray[np.float64]) -> NDArray[np.float64]:
        """A score that k documents of the block reach, whatever was lost."""
        kth: NDArray[np.float64] = scores.topk(k, dim=1).values[:, -1].double().cpu().numpy()
        return kth - 1.01 * self._share * np.abs(kth) - slack - ROUNDING

    def _above(self, scores: Any, lowest: NDArray[np.float64]) -> tuple[Rows, Rows]:
        """Where the scores are `lowest` (n,) or more before they are rounded.

        Rounding keeps the order, so what is at least `lowest` is given as at least `lowest` rounded down.
        """
        single = np.nextafter(lowest.astype(np.float32), np.float32(-np.inf))
        if self._on_gpu:
            limit = self._torch.as_tensor(single, device=self._device)[:, None]
            which, rows = (scores >= limit).nonzero(as_tuple=True)
            return which.cpu().numpy(), rows.cpu().numpy()
        # numpy has no bfloat16, but floats are ordered like their bits: as they stand above zero, inverted below.
        bits, limits = scores.view(self._torch.int16).numpy(), _down_to_bfloat16(single)
        if (limits <= 0).any():
            bits, limits = bits ^ ((bits >> 15) & _BITS), limits ^ ((limits >> 15) & _BITS)
        reached = bits >= limits[:, None]
        which, rows = np.divmod(np.flatnonzero(reached), reached.shape[1])
        return which, rows


def _rounding(exact: Any, coarse: Any) -> Any:
    """(n,): the length of what rounding took from each vector."""
    return (exact - coarse.float()).norm(dim=1).double() * (1 + 1e-4)


def _down_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """The bits of bfloat16 numbers that are not above the values."""
    bits = values.view(np.uint32)
    # Cutting bits off moves towards zero, which for negative numbers is up.
    up = (bits & np.uint32(0xFFFF) != 0) & (values < 0)
    kept: NDArray[np.int16] = ((bits >> np.uint32(16)) + up).astype(np.uint16).view(np.int16)
    return kept


def lengths(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,): Euclidean lengths; not finite where the vector is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares: NDArray[Any] = np.einsum("ij,ij->i", vectors, vectors)
    return np.sqrt(squares.astype(np.float64))


def checked_lengths(vectors: NDArray[np.float32], indices: Rows, what: str) -> NDArray[np.float64]:
    """`lengths`; UserError with count and first indices where a vector holds NaN or infinity."""
    found = lengths(vectors)
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        first = ", ".join(str(indices[row]) for row in bad[:5])
        raise UserError(
            f"{len(bad)} of {len(vectors)} {what} vectors hold NaN or infinity (the first at {first}): encode these "
            "texts again, in float32 if it was a half precision that overflowed."
        )
    return found
