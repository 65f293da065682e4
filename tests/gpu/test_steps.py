"""On a GPU a step is a CPU's: in float32 to rounding, in bfloat16 to what its 8 bits hold."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drama_train.pretraining.lm_loss import next_token_loss
from drama_train.pruning.hooks import masked
from drama_train.pruning.importance import importance
from drama_train.pruning.l0 import L0Plan, l0_step, make_optimizer
from drama_train.pruning.masks import masks_of
from drama_train.pruning.picking import gated_of
from drama_train.pruning.shape import Shape
from drama_train.pruning.slicing import sliced
from drama_train.retriever import load_retriever
from drama_train.training import cached
from drama_train.training.cached import Compute, cached_step
from drama_train.training.loss import Objective
from tests.pruning.making import SHAPE, ids_of, make_model, random_keep
from tests.training.making import gradients, make_batch, tiny_model

DEVICE = "cuda"
OBJECTIVE = Objective(0.1, dims=(16, 8, 4), weights=(1.0, 0.5, 0.25), distillation=0.3, hardness=1.0, spread_out=0.2)
STEP = (OBJECTIVE, Compute(budget=40, device=DEVICE))


def _apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """How long the difference of all gradients is, as a part of the second ones' length."""
    flat = [torch.cat([one[name].flatten().double().cpu() for name in sorted(one)]) for one in (one, other)]
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


@pytest.mark.parametrize("budget", [12, 10_000])
def test_a_cached_step_is_the_cpus(budget: int) -> None:
    batch, models = make_batch(5, seed=1), [tiny_model(dtype=torch.float32) for _ in range(3)]
    exact = cached_step(models[0], batch, OBJECTIVE, Compute(budget=budget))
    found = cached_step(models[1].to(DEVICE), batch, OBJECTIVE, Compute(budget=budget, device=DEVICE))
    half = Compute(budget=budget, device=DEVICE, autocast=torch.bfloat16)
    rounded = cached_step(models[2].to(DEVICE), batch, OBJECTIVE, half)
    assert found.loss == pytest.approx(exact.loss, abs=1e-5) and rounded.loss == pytest.approx(exact.loss, abs=0.05)
    expected = gradients(models[0])
    for name, gradient in gradients(models[1]).items():
        torch.testing.assert_close(gradient.cpu(), expected[name], atol=2e-5, rtol=0)
    assert _apart(gradients(models[2]), expected) < 0.1


def test_dropout_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second forward draws what the first drew; and dropout did something."""
    passes: list[Tensor] = []
    original = cached._Pass.encode

    def remembered(self: cached._Pass) -> Tensor:
        vectors = original(self)
        passes.append(vectors.detach().clone())
        return vectors

    monkeypatch.setattr(cached._Pass, "encode", remembered)
    for dropout in (0.3, 0.0):
        cached_step(tiny_model(dtype=torch.float32, dropout=dropout).to(DEVICE), make_batch(5, seed=3), *STEP)
    dropped, plain = passes[: len(passes) // 2], passes[len(passes) // 2 :]
    half = len(dropped) // 2  # of the last one, in the middle, the first graph was kept
    assert half > 2 and len(dropped) == 2 * half + 1
    for first, second in zip(dropped[:half], reversed(dropped[half + 1 :]), strict=True):
        torch.testing.assert_close(first, second)
    assert not torch.allclose(torch.cat(dropped), torch.cat(plain), atol=0.01)


@pytest.mark.parametrize("chunk", [5, None])
def test_the_chunked_loss_is_cross_entropy_in_bfloat16(chunk: int | None) -> None:
    draw = torch.Generator().manual_seed(0)
    states, head = (torch.randn(*size, generator=draw, dtype=torch.float64) for size in ((3, 9, 32), (40, 32)))
    ids = torch.randint(40, (3, 9), generator=draw)
    exact = [one.clone().requires_grad_() for one in (states, head)]
    logits = exact[0] @ exact[1].T
    plain = functional.cross_entropy(logits[:, :-1].reshape(-1, 40), ids[:, 1:].reshape(-1))
    single = [one.float().to(DEVICE).requires_grad_() for one in (states, head)]
    with torch.autocast(DEVICE, torch.bfloat16):
        found = next_token_loss(*single, ids.to(DEVICE), chunk=chunk)
    assert float(found.detach()) == pytest.approx(float(plain.detach()), rel=0.01)
    plain.backward()
    found.backward()
    for one, other in zip(single, exact, strict=True):
        assert one.grad is not None and other.grad is not None
        assert _apart({"": one.grad}, {"": other.grad}) < 0.02


def test_masked_is_sliced_and_importance_is_the_cpus() -> None:
    model, ids = make_model(dtype=torch.float32), ids_of(4)
    keep = random_keep(model.config, Shape(2, 15, 2, 2, 21), SHAPE.kv_heads)
    on_cpu, device_model = importance(model, [ids], SHAPE.kv_heads), make_model(dtype=torch.float32).to(DEVICE)
    on_gpu = importance(device_model, [ids], SHAPE.kv_heads)
    for one, other in zip(vars(on_gpu).values(), vars(on_cpu).values(), strict=True):
        torch.testing.assert_close(one.cpu(), other, atol=1e-4, rtol=1e-4)
    with torch.no_grad(), masked(device_model, masks_of(keep, device_model.config)):
        expected = device_model(ids.to(DEVICE)).logits
    small = sliced(device_model, keep)
    with torch.no_grad():
        torch.testing.assert_close(small.to(DEVICE)(ids.to(DEVICE)).logits, expected, atol=1e-4, rtol=1e-4)


def test_l0_steps_move_all_that_is_learned() -> None:
    """Weights, gates and multipliers, all of them on the GPU; the loss is a number."""
    gated = gated_of(make_model(dtype=torch.float32).to(DEVICE), Shape(2, 15, 2, 2, 21), 0)
    before = {name: one.detach().clone() for name, one in gated.named_parameters()}
    assert {one.device.type for one in before.values()} == {DEVICE}
    plan = L0Plan(45, 4, 0, lr=1e-3, mask_lr=2.5, sparsity_warmup=0.9)
    optimizer = make_optimizer(gated, plan)
    losses = [
        l0_step(gated, gated, optimizer, plan, step, ids_of(4, seed=step).to(DEVICE)).loss for step in range(1, 6)
    ]
    assert np.isfinite(losses).all()
    still = [name for name, one in gated.named_parameters() if torch.equal(one, before[name])]
    assert not still


def test_vectors_are_the_cpus(tiny_folder: Any) -> None:
    """Also those that are padded, and in micro-batches of their own."""
    texts = [" ".join(["river"] * count) + " of the north" for count in (1, 40, 3, 90)]
    on_cpu, on_gpu = (load_retriever(str(tiny_folder), device=device) for device in ("cpu", DEVICE))
    exact = on_cpu.encode(texts, "document")
    assert (exact @ exact.T).min() < 0.98  # the texts differ
    for budget in (None, 1):
        assert (exact * on_gpu.encode(texts, "document", budget=budget)).sum(1).min() > 0.999
