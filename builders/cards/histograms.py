"""Counted values as equal bins and percentiles: exact, and small whatever the number of rows."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

MOST_BINS = 20
# Widths that a reader can add up: 1, 2, 5, 10, 20, 50, ...
_NICE = (1, 2, 5)


def series_of(counted: Mapping[str, Mapping[int, int]]) -> list[dict[str, Any]]:
    """One entry a name: bins [from, to), the same for all names, and the 10th, 50th and 90th percentile.

    The last bin goes on to the largest value, so that a few very large ones do not press the rest together.
    """
    everything: dict[int, int] = {}
    for counts in counted.values():
        for value, count in counts.items():
            everything[value] = everything.get(value, 0) + count
    if not everything:
        return []
    edges = _edges(everything)
    return [
        {
            "name": name,
            "bins": _bins(counts, edges),
            **{f"p{share}": percentile(counts, share / 100) for share in (10, 50, 90)},
        }
        for name, counts in sorted(counted.items())
    ]


def percentile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that at least this share of the counted are at or below."""
    values = sorted(counts)
    needed = share * sum(counts.values())
    return next(v for v, below in zip(values, accumulate(counts[v] for v in values), strict=True) if below >= needed)


def _edges(counts: Mapping[int, int]) -> list[int]:
    low, high, most = min(counts), percentile(counts, 0.99), max(counts)
    width = _width(high - low + 1)
    low -= low % width
    edges = list(range(low, high + width + 1, width))[: MOST_BINS + 1]
    return [*edges[:-1], max(edges[-1], most + 1)]


def _width(span: int) -> int:
    """The smallest nice width of which MOST_BINS - 1 cover the span: the first may begin below it."""
    scale = 1
    while True:
        for nice in _NICE:
            if nice * scale * (MOST_BINS - 1) >= span:
                return nice * scale
        scale *= 10


def _bins(counts: Mapping[int, int], edges: Sequence[int]) -> list[dict[str, int]]:
    return [
        {"from": start, "to": end, "count": sum(n for value, n in counts.items() if start <= value < end)}
        for start, end in pairwise(edges)
    ]
