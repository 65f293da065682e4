"""Magnitudes by hand, for one unit of each family; random scores by their seed."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from drama_train.pruning.masks import Scores
from drama_train.pruning.plain_scores import magnitude, random
from tests.pruning.making import HEAD_DIM, SHAPE, make_model

NAMES = [field.name for field in fields(Scores)]
SIZES = {"layer": (3,), "hidden": (24,), "group": (3, 4), "head": (3, 8), "intermediate": (3, 40)}


def _weights(model: Any, number: int) -> dict[str, torch.Tensor]:
    return {name.split(".")[-2]: p.detach() for name, p in model.model.layers[number].named_parameters()}


def _norm(*parts: torch.Tensor) -> float:
    return float(torch.cat([one.flatten() for one in parts]).norm())


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_magnitudes_are_norms_of_what_a_unit_has(tied: bool, dtype: torch.dtype) -> None:
    model = make_model(tied=tied, dtype=dtype)
    found = magnitude(model, SHAPE.kv_heads)
    assert {name: tuple(getattr(found, name).shape) for name in NAMES} == SIZES
    model = model.double()
    own = _weights(model, 1)
    rows = slice(5 * HEAD_DIM, 6 * HEAD_DIM)  # of head 5, whose kv head is 2
    assert float(found.head[1, 5]) == pytest.approx(_norm(own["q_proj"][rows], own["o_proj"][:, rows]))
    two, kv = slice(4 * HEAD_DIM, 6 * HEAD_DIM), slice(2 * HEAD_DIM, 3 * HEAD_DIM)
    of_group = (own["q_proj"][two], own["o_proj"][:, two], own["k_proj"][kv], own["v_proj"][kv])
    assert float(found.group[1, 2]) == pytest.approx(_norm(*of_group))
    of_dim = (own["gate_proj"][7], own["up_proj"][7], own["down_proj"][:, 7])
    assert float(found.intermediate[1, 7]) == pytest.approx(_norm(*of_dim))
    assert float(found.layer[1]) == pytest.approx(_norm(*own.values()))
    parts = [model.model.embed_tokens.weight.detach()[:, 3], *([] if tied else [model.lm_head.weight.detach()[:, 3]])]
    for number in range(SHAPE.layers):
        own = _weights(model, number)
        parts += [own[f"{name}_proj"][:, 3] for name in ("q", "k", "v", "gate", "up")]
        parts += [own[f"{name}_proj"][3] for name in ("o", "down")]
    assert float(found.hidden[3]) == pytest.approx(_norm(*parts))


def test_a_kv_head_that_is_repeated_counts_for_each_of_its_copies() -> None:
    model = make_model()
    found, own = magnitude(model, 8), _weights(model, 0)
    assert found.group.shape == (3, 8)
    rows, kv = slice(3 * HEAD_DIM, 4 * HEAD_DIM), slice(1 * HEAD_DIM, 2 * HEAD_DIM)
    parts = (own["q_proj"][rows], own["o_proj"][:, rows], own["k_proj"][kv], own["v_proj"][kv])
    assert float(found.group[0, 3]) == pytest.approx(_norm(*parts))


def test_a_model_of_one_layer_has_scores_of_one() -> None:
    found = magnitude(make_model(shape=replace(SHAPE, layers=1)), SHAPE.kv_heads)
    sizes = {name: tuple(getattr(found, name).shape) for name in NAMES}
    assert sizes == {name: (24,) if name == "hidden" else (1, *size[1:]) for name, size in SIZES.items()}


def test_random_scores_are_uniform_and_of_their_seed() -> None:
    config = make_model(shape=replace(SHAPE, intermediate=4000)).config
    one, again, other = (random(config, 4, seed) for seed in (1, 1, 2))
    for name in NAMES:
        first, second, third = (getattr(scores, name) for scores in (one, again, other))
        assert tuple(first.shape) == ((3, 4000) if name == "intermediate" else SIZES[name])
        assert torch.equal(first, second) and not torch.equal(first, third)
    assert one.intermediate.mean() == pytest.approx(0.5, abs=0.01)
    assert 0 <= one.intermediate.min() < 0.01 and 0.99 < one.intermediate.max() < 1
