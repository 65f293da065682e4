"""Masks on a stock model: all ones change nothing, gradients reach all of them, and nothing is left behind."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from drama_train.pruning.hooks import masked
from drama_train.pruning.masks import Masks, everything, masks_of
from tests.pruning.making import FAMILIES, SHAPE, Family, ids_of, make_model, random_keep, soft_gates

NAMES = [field.name for field in fields(Masks)]


def _hooks(model: Any) -> int:
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_ones_change_no_bit(family: Family, dtype: torch.dtype) -> None:
    model, ids = make_model(family, dtype=dtype), ids_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    masks = masks_of(everything(model.config), model.config)
    assert all(bool((getattr(masks, name) == 1).all()) for name in NAMES)
    with torch.no_grad():
        expected = model(ids).logits
        with masked(model, masks):
            assert _hooks(model) == 2 + SHAPE.layers * 8 + 1  # embeddings 1, norms 2 each, projections 2 each
            assert torch.equal(model(ids).logits, expected)
        with masked(model, Masks()):
            assert _hooks(model) == 0
        assert torch.equal(model(ids).logits, expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_is_as_it_was_after_a_fault_too() -> None:
    model, ids = make_model(), ids_of()
    with torch.no_grad():
        expected = model(ids).logits
        with pytest.raises(ZeroDivisionError):
            _stopped(model, ids, expected)
        assert _hooks(model) == 0
        assert torch.equal(model(ids).logits, expected)


def _stopped(model: Any, ids: Tensor, expected: Tensor) -> None:
    with masked(model, soft_gates(model.config)):
        assert not torch.allclose(model(ids).logits, expected)
        raise ZeroDivisionError


def test_masks_that_do_not_fit_leave_no_hook() -> None:
    model = make_model()
    with pytest.raises(IndexError), masked(model, Masks(layer=torch.ones(SHAPE.layers - 1))):
        pass
    assert _hooks(model) == 0


def test_a_backbone_is_masked_as_its_language_model_is() -> None:
    model, ids = make_model(), ids_of()
    gates = soft_gates(model.config)
    with torch.no_grad():
        with masked(model, gates):
            expected = model.model(ids).last_hidden_state
        with masked(model.model, gates):
            assert torch.equal(model.model(ids).last_hidden_state, expected)


def test_dead_dimensions_are_exactly_0_in_every_state() -> None:
    model = make_model(dtype=torch.float32)
    keep = random_keep(model.config, replace(SHAPE, hidden=9), SHAPE.kv_heads)
    dead = [dim for dim in range(SHAPE.hidden) if dim not in keep.hidden]
    with torch.no_grad(), masked(model, masks_of(keep, model.config)):
        states = model.model(ids_of(), output_hidden_states=True).hidden_states
    assert len(states) == SHAPE.layers + 1 and len(dead) == 15
    for one in states:
        assert not one[..., dead].any() and one[..., list(keep.hidden)].abs().min() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_every_mask_and_are_those_of_finite_differences(wide_norms: None, family: Family) -> None:
    """Of every unit, of every family. A gate of 0 has one too where it is multiplied by, and norms' live sets have none."""
    model, ids = make_model(family), ids_of(2, 7)
    gates = soft_gates(model.config)
    assert gates.head is not None and gates.intermediate is not None and gates.layer is not None
    gates.head[0, 3] = gates.intermediate[1, 5] = 0.0
    given = {name: getattr(gates, name).clone().requires_grad_() for name in NAMES}

    def loss_of(**masks: Tensor) -> Tensor:
        with masked(model, Masks(**masks)):
            logits = model(ids).logits
        found: Tensor = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        return found

    loss_of(**given).backward()  # type: ignore[no-untyped-call]
    for name, mask in given.items():
        gradient = mask.grad
        assert gradient is not None and bool((gradient != 0).all()), name
        for place in [tuple(0 for _ in mask.shape), tuple(size - 1 for size in mask.shape)]:
            ends = []
            for way in (1e-6, -1e-6):
                moved = {other: one.detach().clone() for other, one in given.items()}
                moved[name][place] += way
                with torch.no_grad():
                    ends.append(float(loss_of(**moved)))
            assert float(gradient[place]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-8)


def test_gradients_of_weights_are_those_of_the_masked_model() -> None:
    """Rows of a head that is gone get none; those of one that stays do."""
    model, ids = make_model(dtype=torch.float32), ids_of()
    head = torch.ones(SHAPE.layers, SHAPE.heads)
    head[:, 2] = 0
    with masked(model, Masks(head=head)):
        model(ids).logits.square().mean().backward()
    gradient = model.model.layers[1].self_attn.q_proj.weight.grad.view(SHAPE.heads, -1)
    assert (gradient.abs().sum(1) > 0).tolist() == [number != 2 for number in range(SHAPE.heads)]
