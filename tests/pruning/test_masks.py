"""The choice by scores is exact, and masks are of what it keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drama_train.pruning.masks import Keep, Masks, Scores, best, choose, everything, kept_groups, masks_of
from drama_train.pruning.shape import Shape, shape_of
from tests.pruning.making import SHAPE, make_model, random_keep, soft_gates


@st.composite
def _cuts(draw: st.DrawFn) -> tuple[Shape, Shape, int, Scores]:
    """(source, target, kv heads after expansion, scores of few values, so that many are equal)."""
    kv_heads, group = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    source = Shape(
        draw(st.integers(1, 4)), draw(st.integers(1, 9)), kv_heads * group, kv_heads, draw(st.integers(1, 9))
    )
    kept, of_each = draw(st.integers(1, kv_heads)), draw(st.integers(1, group))
    target = Shape(
        draw(st.integers(1, source.layers)),
        draw(st.integers(1, source.hidden)),
        kept * of_each,
        kept,
        draw(st.integers(1, source.intermediate)),
    )
    drawn = torch.Generator().manual_seed(draw(st.integers(0, 2**30)))

    def scores(*size: int) -> torch.Tensor:
        return torch.randint(-2, 3, size, generator=drawn).float()

    layers = source.layers
    made = Scores(
        scores(layers),
        scores(source.hidden),
        scores(layers, kv_heads),
        scores(layers, source.heads),
        scores(layers, source.intermediate),
    )
    return source, target, kv_heads, made


@settings(max_examples=150)
@given(_cuts())
def test_the_choice_has_exactly_as_many_as_the_target(cut: tuple[Shape, Shape, int, Scores]) -> None:
    source, target, kv_heads, scores = cut
    keep = choose(scores, source, target, kv_heads)
    assert (len(keep.layers), len(keep.hidden)) == (target.layers, target.hidden)
    assert len(keep.heads) == len(keep.intermediate) == target.layers
    group = source.heads // kv_heads
    for heads, dims in zip(keep.heads, keep.intermediate, strict=True):
        assert (len(heads), len(dims)) == (target.heads, target.intermediate)
        counts = [sum(head // group == number for head in heads) for number in range(kv_heads)]
        assert sorted(counts) == [0] * (kv_heads - target.kv_heads) + [target.group] * target.kv_heads
        assert len(kept_groups(heads, group)) == target.kv_heads
    for numbers in (keep.layers, keep.hidden, *keep.heads, *keep.intermediate):
        assert list(numbers) == sorted(set(numbers))
    assert max(keep.layers) < source.layers and max(keep.hidden) < source.hidden


@settings(max_examples=150)
@given(_cuts())
def test_nothing_that_is_left_out_scores_higher(cut: tuple[Shape, Shape, int, Scores]) -> None:
    """And of equal ones those with the lower numbers stay: by brute force, over (score, number)."""
    source, target, kv_heads, scores = cut
    keep = choose(scores, source, target, kv_heads)

    def brute(values: list[float], k: int) -> list[int]:
        return sorted(sorted(range(len(values)), key=lambda at: (-values[at], at))[:k])

    assert list(keep.layers) == brute(scores.layer.tolist(), target.layers)
    assert list(keep.hidden) == brute(scores.hidden.tolist(), target.hidden)
    group = source.heads // kv_heads
    for place, layer in enumerate(keep.layers):
        assert list(keep.intermediate[place]) == brute(scores.intermediate[layer].tolist(), target.intermediate)
        groups = brute(scores.group[layer].tolist(), target.kv_heads)
        heads = scores.head[layer].tolist()
        expected = [n * group + at for n in groups for at in brute(heads[n * group : (n + 1) * group], target.group)]
        assert list(keep.heads[place]) == expected


def test_scores_in_half_precision_and_infinite_ones_are_compared_as_they_are() -> None:
    assert best(torch.tensor([1.0, float("inf"), -float("inf"), 1.0], dtype=torch.bfloat16), 2) == [0, 1]


def test_of_many_equal_scores_the_first_are_kept() -> None:
    """As at the start of l0, where all gates are at their bound."""
    assert best(torch.full((5_000,), 4.6), 100) == list(range(100))


def test_a_score_that_is_no_number_is_refused() -> None:
    """It would sort above all others, and be kept."""
    with pytest.raises(ValueError, match="a score is no number"):
        best(torch.tensor([1.0, float("nan"), 3.0]), 1)


def test_masks_are_1_or_the_gate_where_a_unit_stays() -> None:
    config = make_model().config
    target = Shape(2, 9, 4, 2, 11)
    keep = random_keep(config, target, SHAPE.kv_heads)
    hard, gates = masks_of(keep, config), soft_gates(config)
    soft = masks_of(keep, config, gates)
    for name, count in {"layer": 2, "hidden": 9, "head": 2 * 4, "intermediate": 2 * 11}.items():
        mask, gate, ones = getattr(soft, name), getattr(gates, name), getattr(hard, name)
        assert int(ones.sum()) == count and set(ones.flatten().tolist()) == {0.0, 1.0}
        assert torch.equal(mask, gate * ones) and mask.dtype == torch.float64 and ones.dtype == torch.float32
    assert hard.layer is not None and hard.hidden is not None and hard.head is not None
    assert hard.layer.nonzero().flatten().tolist() == list(keep.layers)
    assert hard.hidden.nonzero().flatten().tolist() == list(keep.hidden)
    assert hard.head[keep.layers[1]].nonzero().flatten().tolist() == list(keep.heads[1])


def test_a_family_without_gates_is_hard_and_of_the_type_and_place_of_the_others() -> None:
    """The meta device stands for a GPU."""
    config = make_model().config
    gates = Masks(hidden=torch.ones(SHAPE.hidden, dtype=torch.float64, device="meta"))
    made = masks_of(everything(config), config, gates)
    for one in (made.layer, made.hidden, made.head, made.intermediate):
        assert one is not None and (one.device.type, one.dtype) == ("meta", torch.float64)


def test_everything_is_all_units_and_told_as_json() -> None:
    config = make_model().config
    keep = everything(config)
    assert keep.facts()["layers"] == [0, 1, 2] and keep.facts()["heads"] == [list(range(8))] * 3
    assert Keep(**{n: _tuples(v) for n, v in keep.facts().items()}) == keep  # type: ignore[arg-type]
    assert (len(keep.hidden), len(keep.intermediate[2])) == (shape_of(config).hidden, shape_of(config).intermediate)


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def test_kv_heads_of_heads() -> None:
    assert kept_groups([0, 3, 4, 7], 2) == [0, 1, 2, 3]
    assert kept_groups([4, 5, 8, 9, 6, 10], 4) == [1, 2]
    with pytest.raises(ValueError, match=r"unequal numbers of heads: \{0: 2, 1: 1\}"):
        kept_groups([0, 1, 2], 2)
