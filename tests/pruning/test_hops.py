"""Halfway there: between both shapes, as far from either; and two cuts are one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from builders.cli.errors import UserError
from drama_train.pruning.hops import composed, halfway
from drama_train.pruning.masks import everything
from drama_train.pruning.shape import FIELDS, PRESETS, Shape, check_openable, expansion, shape_of
from drama_train.pruning.slicing import sliced
from tests.pruning.making import SHAPE, ids_of, make_model, random_keep

LLAMA_1B, SMOLLM2 = Shape(16, 2048, 32, 8, 8192), Shape(30, 576, 9, 3, 1536)


@pytest.mark.parametrize(
    ("source", "target", "half"),
    [
        (SMOLLM2, PRESETS["demo"], Shape(11, 472, 8, 8, 1255)),  # sqrt(576 * 384) is 470.3
        (LLAMA_1B, PRESETS["0.1b"], Shape(14, 1260, 20, 20, 5017)),
        (SMOLLM2, Shape(12, 384, 6, 3, 1024), Shape(19, 477, 9, 3, 1255)),
        (SMOLLM2, SMOLLM2, SMOLLM2),
    ],
)
def test_halfway_by_hand(source: Shape, target: Shape, half: Shape) -> None:
    assert halfway(source, target, source.kv_heads * expansion(source, target)) == half


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Shape, Shape]:
    """Both such that transformers opens them as Llamas."""
    kv_heads, group = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    heads = kv_heads * group
    source = Shape(
        draw(st.integers(1, 40)), heads * draw(st.integers(1, 90)), heads, kv_heads, draw(st.integers(1, 9000))
    )
    kept, of_each = draw(st.integers(1, kv_heads)), draw(st.integers(1, group))
    most = source.hidden // (kept * of_each)
    target = Shape(
        draw(st.integers(1, source.layers)),
        kept * of_each * draw(st.integers(1, most)),
        kept * of_each,
        kept,
        draw(st.integers(1, source.intermediate)),
    )
    return source, target


@given(_pairs())
def test_both_hops_can_be_made(pair: tuple[Shape, Shape]) -> None:
    """Or there is no multiple of the heads between both, which the command refuses."""
    source, target = pair
    half = halfway(source, target, source.kv_heads * expansion(source, target))
    if half.hidden < target.hidden:
        assert not [n for n in range(target.hidden, source.hidden + 1) if n % half.heads == 0]
        with pytest.raises(UserError, match="pruning only takes away"):
            expansion(half, target)
        return
    check_openable(half, "llama")
    for before, after in ((source, half), (half, target)):
        assert before.kv_heads * expansion(before, after) >= after.kv_heads
        assert all(getattr(after, name) <= getattr(before, name) for name in FIELDS if name != "kv_heads")


def test_two_cuts_are_one(wide_norms: None) -> None:
    model, ids = make_model(), ids_of()
    first = random_keep(model.config, Shape(3, 20, 8, 4, 30), 4, seed=1)
    between = sliced(model, first)
    second = random_keep(between.config, Shape(2, 11, 4, 2, 13), 4, seed=2)
    both = composed(first, second)
    twice, once = sliced(between, second), sliced(model, both)
    assert shape_of(once.config) == shape_of(twice.config) == Shape(2, 11, 4, 2, 13)
    with torch.no_grad():
        assert torch.equal(once(ids).logits, twice(ids).logits)
    assert composed(everything(model.config), both) == both
    assert composed(first, everything(between.config)) == first and SHAPE.layers == 3
