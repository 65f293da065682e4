"""The four picks: each is exactly the target; those that look at the model drop what it does not use."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.pruning import importance
from drama_train.pruning.hooks import masked
from drama_train.pruning.masks import masks_of
from drama_train.pruning.picking import METHODS, Learning, Method, Pick, Picked, gated_of, l0_plan, pick
from drama_train.pruning.shape import Shape, shape_of
from drama_train.pruning.slicing import sliced
from drama_train.training import processes
from tests.pruning.learning import any_steps
from tests.pruning.making import HEAD_DIM, SHAPE, ids_of, make_model, make_tokens

LEARNING = Learning(steps=10, batch=2, mask_lr=2.5, sparsity_warmup=0.5)
GROUPED, WHOLE, HALF = Shape(2, 15, 4, 2, 21), Shape(2, 15, 5, 5, 21), Shape(3, 24, 6, 6, 40)


def _picked(method: Method, target: Shape, folder: Path, model: Any = None, **more: Any) -> Picked:
    tokens = make_tokens()
    made = Pick(method, target, more.get("samples", 16), more.get("learning", LEARNING), more.get("seed", 0))
    model = model or make_model(dtype=torch.float32)
    with any_steps():
        return pick(made, model, more.get("tokens", tokens), tokens.streams(None, 1.0), folder, {"facts": 1})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [GROUPED, WHOLE], ids=["grouped", "expanded"])
def test_every_pick_is_exactly_the_target(method: Method, target: Shape, tmp_path: Path) -> None:
    picked = _picked(method, target, tmp_path)
    assert shape_of(picked.model.config) == replace(SHAPE, kv_heads=8 if target is WHOLE else 4)
    small = sliced(picked.model, picked.keep)
    assert shape_of(small.config) == target
    with torch.no_grad(), masked(picked.model, masks_of(picked.keep, picked.model.config)):
        torch.testing.assert_close(small(ids_of()).logits, picked.model(ids_of()).logits, atol=1e-4, rtol=1e-4)
    assert (picked.gates is not None) is (method == "l0")


@pytest.mark.parametrize("method", METHODS)
def test_a_pick_is_of_its_seed_alone(method: Method, tmp_path: Path) -> None:
    keeps = [_picked(method, GROUPED, tmp_path / str(at), seed=seed).keep for at, seed in enumerate((3, 3, 4))]
    assert keeps[0] == keeps[1]
    assert (keeps[0] == keeps[2]) is (method == "magnitude")


@pytest.mark.parametrize("method", ["importance", "magnitude"])
def test_what_does_nothing_is_dropped(method: Method, tmp_path: Path) -> None:
    """Dimensions and heads of zeros, by layer, and a layer that adds nothing."""
    model, draw = make_model(dtype=torch.float32), torch.Generator().manual_seed(4)
    dims = [sorted(torch.randperm(40, generator=draw)[:19].tolist()) for _ in range(3)]
    with torch.no_grad():
        for number, layer in enumerate(model.model.layers):
            for name in ("gate_proj", "up_proj"):
                getattr(layer.mlp, name).weight[dims[number]] = 0
            layer.mlp.down_proj.weight[:, dims[number]] = 0
            group = (number + 1) % 4
            for name, size in (("q_proj", 2 * HEAD_DIM), ("v_proj", HEAD_DIM), ("k_proj", HEAD_DIM)):
                getattr(layer.self_attn, name).weight[group * size : (group + 1) * size] = 0
            layer.self_attn.o_proj.weight[:, group * 2 * HEAD_DIM : (group + 1) * 2 * HEAD_DIM] = 0
        model.model.layers[1].self_attn.o_proj.weight.zero_()
        model.model.layers[1].mlp.down_proj.weight.zero_()
    keep = _picked(method, Shape(2, 24, 6, 3, 21), tmp_path, model).keep
    assert keep.layers == (0, 2)
    for place, number in enumerate(keep.layers):
        assert list(keep.intermediate[place]) == [dim for dim in range(40) if dim not in dims[number]]
        assert {head // 2 for head in keep.heads[place]} == {0, 1, 2, 3} - {(number + 1) % 4}


@pytest.mark.parametrize(("samples", "sizes"), [(16, [16]), (3, [3]), (700, [170] * 4 + [20])])
def test_importance_reads_so_many_blocks_of_all_languages(
    samples: int,
    sizes: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """2,048 tokens at once, of blocks of 12; one longer than 128 is cut into pieces of that."""
    seen: list[torch.Tensor] = []
    own = importance.importance

    def remembered(model: Any, batches: Any, kv_heads: int) -> Any:
        seen.extend(batches)
        return own(model, seen[:1], kv_heads)

    monkeypatch.setattr(importance, "importance", remembered)
    _picked("importance", GROUPED, tmp_path, samples=samples)
    assert [len(one) for one in seen] == sizes and all(one.shape[1] == 12 for one in seen)
    tokens = make_tokens()
    blocks = {name: {tuple(row) for row in one.train.tolist()} for name, one in tokens.languages.items()}
    read = {tuple(row) for one in seen for row in one.tolist()}
    assert read <= blocks["de"] | blocks["en"] and all(read & of_language for of_language in blocks.values())
    assert ("There are only 48 texts of 12 tokens, and --samples 700 reads some again" in capsys.readouterr().err) is (
        samples > 48
    )


def test_scores_that_are_no_numbers_are_told_in_a_sentence(tmp_path: Path) -> None:
    model = make_model(dtype=torch.float32)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.fill_(3e38)
    with pytest.raises(
        UserError, match=r"^The importance of some \w+ is NaN or infinite: the model overflows on these"
    ):
        _picked("importance", GROUPED, tmp_path, model)


def test_learned_weights_are_those_that_are_cut(tmp_path: Path) -> None:
    """Of the expanded model, trained; the gates are soft, and 0 where a unit goes."""
    source = make_model(dtype=torch.float32)
    before = {name: one.detach().clone() for name, one in source.named_parameters()}
    picked = _picked("l0", WHOLE, tmp_path, source)
    assert all(
        not torch.equal(one, before[name])
        for name, one in picked.model.named_parameters()
        if not name.endswith(("k_proj.weight", "v_proj.weight"))
    )
    gates = picked.gates
    assert gates is not None and gates.hidden is not None and gates.head is not None
    assert (gates.hidden > 0).nonzero().flatten().tolist() == list(picked.keep.hidden)
    assert (gates.head[picked.keep.layers[1]] > 0).nonzero().flatten().tolist() == list(picked.keep.heads[1])
    assert float(gates.hidden.max()) < 1
    folded = sliced(picked.model, picked.keep, gates)
    with torch.no_grad(), masked(picked.model, gates):
        torch.testing.assert_close(folded(ids_of()).logits, picked.model(ids_of()).logits, atol=1e-4, rtol=1e-4)


def test_gates_are_of_the_expanded_model() -> None:
    gated = gated_of(make_model(), HALF, 0)
    assert gated.gates.kv_heads == 8 == shape_of(gated.model.config).kv_heads and gated.gates.families == ["group"]
    assert all(one.dtype == torch.float32 for one in gated.gates.parameters())


def test_what_is_not_given_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a step 32 blocks as published, on a CPU one for each process."""
    learning = Learning(lr=2e-4, budget=77, sparsity_warmup=0.3)
    plan = l0_plan(learning, "cuda", 5)
    assert (plan.steps, plan.batch, plan.seed, plan.lr, plan.budget, plan.sparsity_steps) == (
        3200,
        32,
        5,
        2e-4,
        77,
        960,
    )
    assert l0_plan(learning, "cpu", 5).batch == 1 and l0_plan(replace(learning, batch=9), "cpu", 5).batch == 9
    monkeypatch.setattr(processes, "world_size", lambda: 3)
    assert l0_plan(learning, "cpu", 5).batch == 3
    with pytest.raises(UserError, match="A step of 32 blocks cannot be shared by 3 processes: give a --batch that can"):
        l0_plan(learning, "cuda", 5)


@pytest.mark.parametrize("name", ["steps", "batch", "lr", "mask_lr", "budget", "checkpoint_every"])
@pytest.mark.parametrize("value", [0, -3, math.nan, math.inf])
def test_settings_that_cannot_be_used_are_named(name: str, value: float) -> None:
    flag = name.replace("_", "-")
    with pytest.raises(UserError, match=rf"^The --{flag} {value} cannot be used: give more than 0\.$") as found:
        Learning(**{name: value})  # type: ignore[arg-type]
    assert found.value.exit_code == 2


@pytest.mark.parametrize("value", [0.0, 0.91, math.nan, -0.2])
def test_a_warmup_that_cannot_be_used_is_named(value: float) -> None:
    with pytest.raises(UserError, match=rf"^The --sparsity-warmup {value} cannot be used"):
        Learning(sparsity_warmup=value)


def test_methods_are_those_of_the_command() -> None:
    assert get_args(Method) == METHODS and len(METHODS) == 4
