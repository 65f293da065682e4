"""Bootstrap intervals over queries, of a mean and of the difference of two systems on the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 10_000
_BLOCK = 500  # resamples at once: 40 MB for 10,000 queries


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95% interval. fewest: queries of the language that has the fewest."""

    mean: float
    low: float
    high: float
    fewest: int

    @property
    def is_resolved(self) -> bool:
        """Whether the interval leaves out zero: for a difference, whether it has a sign at this size.

        One query alone does not vary when it is drawn again, so that no interval is known where a language has one.
        """
        return self.fewest > 1 and (self.low > 0 or self.high < 0)


def bootstrap(values: "NDArray[Any]", seed: int = 0, *, strata: "Sequence[str] | None" = None) -> Interval:
    """The mean of (Q,) values and the 2.5% and 97.5% quantiles of the means of 10,000 resamples of the queries.

    strata: the language of each query; then the mean is that of the languages' means, and queries are drawn within
    their language. Paired: give the differences of two systems, query by query. ValueError where there is no value.
    """
    return bootstrap_columns(values[:, None], seed, strata=strata)[0]


def bootstrap_columns(
    values: "NDArray[Any]", seed: int = 0, *, strata: "Sequence[str] | None" = None
) -> list[Interval]:
    """The same of each column of (Q, C), from one set of resamples."""
    import numpy as np

    if not len(values):
        raise ValueError("no query to resample")
    draw = np.random.default_rng(seed)
    parts = [values[rows] for rows in rows_by_stratum(strata, len(values))]
    resampled = np.mean([_resampled_means(part, draw) for part in parts], axis=0)  # (RESAMPLES, C)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    means = np.mean([part.mean(0) for part in parts], axis=0)
    fewest = min(map(len, parts))
    columns = zip(means.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Interval(mean, lowest, highest, fewest) for mean, lowest, highest in columns]


def rows_by_stratum(strata: "Sequence[str] | None", count: int) -> "list[NDArray[Any]]":
    """The rows of each stratum, in the order of their names; all `count` where None."""
    import numpy as np

    if strata is None:
        return [np.arange(count)]
    named = np.array(strata)
    return [np.flatnonzero(named == name) for name in np.unique(named)]


def _resampled_means(values: "NDArray[Any]", draw: Any) -> "NDArray[Any]":
    """(Q, C) -> (RESAMPLES, C): how often each query was drawn, times the values, so that a draw serves all columns."""
    import numpy as np

    queries, found = len(values), []
    for start in range(0, RESAMPLES, _BLOCK):
        rows = min(_BLOCK, RESAMPLES - start)
        drawn = draw.integers(0, queries, (rows, queries)) + queries * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * queries).reshape(rows, queries)
        found.append(times @ values.astype(np.float64) / queries)
    return np.concatenate(found)
