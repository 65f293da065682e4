"""Shapes halfway: transformers opens them, and both hops reach."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from drama_train.pruning.hops import composed, halfway
from drama_train.pruning.masks import everything
from drama_train.pruning.shape import PRESETS, Shape, expansion, shape_of
from drama_train.pruning.slicing import sliced
from tests.pruning.making import SHAPE, ids_of, make_model, random_keep

SMOLLM2, LLAMA_1B = Shape(30, 576, 9, 3, 1536), Shape(16, 2048, 32, 8, 8192)


@st.composite
def shapes(draw: st.DrawFn, within: Shape | None = None) -> Shape:
    """A Llama's: heads divide the hidden dimensions, kv heads the heads."""
    most = within or Shape(32, 70 * 32, 32, 32, 999)
    heads = draw(st.integers(1, most.heads))
    kv_heads = draw(st.sampled_from([number for number in range(1, heads + 1) if heads % number == 0]))
    assume(most.hidden >= heads)
    hidden = heads * draw(st.integers(1, min(70, most.hidden // heads)))
    return Shape(draw(st.integers(1, most.layers)), hidden, heads, kv_heads, draw(st.integers(1, most.intermediate)))


@pytest.mark.parametrize(
    ("source", "target", "half"),
    [
        (SMOLLM2, PRESETS["demo"], "11x472x8x8x1255"),
        (SMOLLM2, Shape(12, 384, 6, 2, 1024), "19x477x9x3x1255"),
        (LLAMA_1B, PRESETS["0.1b"], "14x1260x20x20x5017"),
    ],
)
def test_halfway_is_the_geometric_mean_with_hidden_rounded_to_the_heads(
    source: Shape, target: Shape, half: str
) -> None:
    assert str(halfway(source, target, source.kv_heads * expansion(source, target))) == half


@given(st.data())
def test_both_hops_reach_and_transformers_opens_what_is_between(data: st.DataObject) -> None:
    source = data.draw(shapes())
    target = data.draw(shapes(source))
    within = target.group == 1 or (target.group <= source.group and target.kv_heads <= source.kv_heads)
    assume(within)
    factor = expansion(source, target)
    half = halfway(source, target, source.kv_heads * factor)
    assert half.hidden % half.heads == 0
    assert expansion(source, half) == factor and expansion(half, target) == 1  # and neither refuses


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
