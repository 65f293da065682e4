"""Bootstrap intervals over queries, of a mean and of the difference of two systems on the same queries."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 10_000
_BLOCK = 500  # resamples at once: 40 MB for 10,000 queries


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95% interval."""

    mean: float
    low: float
    high: float

    @property
    def is_resolved(self) -> bool:
        """Whether the interval leaves out zero: for a difference, whether it has a sign at this size."""
        return self.low > 0 or self.high < 0


def bootstrap(values: "NDArray[Any]", seed: int = 0) -> Interval:
    """The mean of (Q,) values and the 2.5% and 97.5% quantiles of the means of 10,000 resamples of the queries.

    Paired: give the differences of two systems, query by query. ValueError where there is no value.
    """
    import numpy as np

    if not len(values):
        raise ValueError("no query to resample")
    draw = np.random.default_rng(seed)
    means = np.concatenate(
        [
            values[draw.integers(0, len(values), (min(_BLOCK, RESAMPLES - start), len(values)))].mean(1)
            for start in range(0, RESAMPLES, _BLOCK)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
