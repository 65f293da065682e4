"""The mixture: shares by weight, every row once an epoch, and a resumed one that goes on as if nothing had happened."""

import json
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from drama_train.training.mixture import Draw, Mixture, Stream

STREAMS = [
    Stream("web/en", np.arange(100, 137), 2.0),
    Stream("wiki/de", np.arange(11), 1.0),
    Stream("web/th", np.arange(50, 55), 1.0),
]


def _mixture(*, homogeneous: bool = False, seed: int = 3, size: int = 8) -> Mixture:
    return Mixture(STREAMS, size, seed, homogeneous=homogeneous)


@pytest.mark.parametrize("homogeneous", [False, True])
def test_streams_are_drawn_by_weight(homogeneous: bool) -> None:
    steps = list(islice(_mixture(homogeneous=homogeneous), 500))
    counts = Counter(draw.stream for step in steps for draw in step)
    shares = [counts[n] / counts.total() for n in range(3)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.06)
    kinds = {len({draw.stream for draw in step}) for step in steps}
    assert kinds == {1} if homogeneous else max(kinds) == 3


def test_every_row_comes_once_an_epoch_in_another_order() -> None:
    draws = [draw for step in islice(_mixture(), 200) for draw in step if draw.stream == 1]
    epochs = [[d.row for d in draws if d.epoch == epoch] for epoch in range(3)]
    assert all(sorted(rows) == list(range(11)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3


@pytest.mark.parametrize("homogeneous", [False, True])
def test_resumed_equals_uninterrupted(homogeneous: bool) -> None:
    whole = list(islice(_mixture(homogeneous=homogeneous), 60))
    first = _mixture(homogeneous=homogeneous)
    assert list(islice(first, 23)) == whole[:23]
    second = _mixture(homogeneous=homogeneous)
    second.load(json.loads(json.dumps(first.state())))
    assert list(islice(second, 37)) == whole[23:]


def test_another_seed_draws_other_rows() -> None:
    assert list(islice(_mixture(), 5)) != list(islice(_mixture(seed=4), 5))


def test_a_state_of_another_mixture_is_refused() -> None:
    state = _mixture().state()
    with pytest.raises(ValueError, match="size was 8 and is 9"):
        _mixture(size=9).load(state)
    with pytest.raises(ValueError, match="streams are others"):
        Mixture(STREAMS[:2], 8, 3, homogeneous=False).load(state)


def test_a_stream_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="the stream web/xx has no rows"):
        Mixture([*STREAMS, Stream("web/xx", np.arange(0), 1.0)], 8, 3, homogeneous=False)
    with pytest.raises(ValueError, match="no stream"):
        Mixture([], 8, 3, homogeneous=False)


def test_a_draw_is_a_row_of_its_stream() -> None:
    for step in islice(_mixture(), 50):
        for draw in step:
            assert isinstance(draw, Draw)
            assert draw.row in STREAMS[draw.stream].rows
