"""A step of l0: by hand, in micro-batches, in two processes; and the plan that makes it reach its targets."""

import copy
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from builders.cli.errors import UserError
from builders.text.hashes import id_number
from drama_train.pruning.gates import Gates
from drama_train.pruning.hooks import masked
from drama_train.pruning.l0 import GatedModel, L0Plan, l0_step, make_optimizer
from drama_train.pruning.lagrangian import target_at
from drama_train.pruning.shape import Shape
from tests.pruning.making import SHAPE, ids_of, make_model

PLAN = L0Plan(100, 4, 5, mask_lr=1.0, sparsity_warmup=0.4, clip=1e9)
TARGET = Shape(2, 15, 2, 2, 21)  # of 4 kv heads with 2 heads each: gates of all five families


def make_gated(dtype: torch.dtype = torch.float64, *, tied: bool = True) -> GatedModel:
    """Gates in the middle, so that most of a sample is neither 0 nor 1, and multipliers that are not 0."""
    gated = GatedModel(make_model(dtype=dtype, tied=tied), Gates(SHAPE, TARGET, SHAPE.kv_heads, 0)).to(dtype)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for one in gated.gates.parameters():
            one.uniform_(0, 3, generator=draw)
        for number, one in enumerate(gated.multipliers.parameters()):
            one.fill_((-1) ** number * (0.5 + number))
    return gated.train()


def by_hand(gated: GatedModel, ids: Tensor, step: int, rank: int = 0, plan: L0Plan = PLAN) -> tuple[float, float]:
    """(loss, penalty) by full logits of all rows, and the gradients of their sum in every parameter."""
    noise = torch.Generator().manual_seed(id_number(plan.seed, f"{step}/{rank}", "gates"))
    with masked(gated.model, gated.gates.sample(noise)):
        logits = gated.model(ids).logits
    loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    targets = target_at(step, round(plan.steps * plan.sparsity_warmup), gated.gates.targets())
    penalty = torch.zeros(())
    for name, found in gated.gates.sparsity().items():
        beside = found - targets[name]
        linear, quadratic = gated.multipliers.linear[name], gated.multipliers.quadratic[name]
        penalty = penalty + (linear * beside + quadratic * beside.square()).mean()
    (loss + penalty).backward()  # type: ignore[no-untyped-call]
    return loss.item(), penalty.item()


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    """Of every parameter; there is one, and it is not zero."""
    found = {name: one.grad.clone() for name, one in module.named_parameters() if one.grad is not None}
    assert len(found) == len(list(module.parameters())) and all(bool(one.any()) for one in found.values())
    return found


class Seen:
    """In the optimizer's place: keeps the gradients of a step, and moves nothing."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.param_groups: list[dict[str, Any]] = [{"peak": 1.0}]
        self.gradients: dict[str, Tensor] = {}

    def step(self) -> None:
        self.gradients = {
            name: one.grad.clone() for name, one in self.module.named_parameters() if one.grad is not None
        }

    def zero_grad(self, *, set_to_none: bool) -> None:
        self.module.zero_grad(set_to_none=set_to_none)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("budget", [1, 18, 27, 10_000])
def test_micro_batches_are_the_whole_and_as_by_hand(wide_norms: None, budget: int, tied: bool) -> None:
    """Rows of 9 tokens: one, two, three or all four at a time."""
    one, other, ids = make_gated(tied=tied), make_gated(tied=tied), ids_of(4)
    loss, penalty = by_hand(one, ids, 7)
    seen = Seen(other)
    found = l0_step(other, other, seen, replace(PLAN, budget=budget), 7, ids)  # type: ignore[arg-type]
    assert (found.step, found.tokens) == (7, 36)
    assert (found.loss, found.penalty) == (pytest.approx(loss, abs=1e-12), pytest.approx(penalty, abs=1e-12))
    expected = gradients(one)
    squares = [float(g.square().sum()) for name, g in expected.items() if not name.startswith("multipliers")]
    assert found.norm == pytest.approx(math.sqrt(sum(squares)))
    for name, gradient in expected.items():
        torch.testing.assert_close(seen.gradients[name], gradient, atol=1e-10, rtol=0)
    assert all(one.grad is None for one in other.parameters())
    assert set(found.sparsity) == set(found.targets) == {"layer", "hidden", "group", "head", "intermediate"}
    assert found.targets["layer"] == pytest.approx(other.gates.targets()["layer"] * 7 / 40)


def test_weights_and_gates_go_down_and_multipliers_up(wide_norms: None) -> None:
    """Adam's first step is its rate, times the schedule, against the gradient's sign; multipliers rise by their gradient."""
    gated, ids = make_gated(), ids_of(4)
    plan = replace(PLAN, lr=1e-3, mask_lr=1.5, multiplier_lr=0.25)
    hand = copy.deepcopy(gated)
    by_hand(hand, ids, 3)
    by_name = gradients(hand)
    before = {name: one.detach().clone() for name, one in gated.named_parameters()}
    l0_step(gated, gated, make_optimizer(gated, plan), plan, 3, ids)
    for name, parameter in gated.named_parameters():
        gradient, part = by_name[name], name.split(".")[0]
        rate = {"model": -1e-3 * 0.3, "gates": -1.5 * 0.3, "multipliers": 0.25}[part]
        way = gradient if part == "multipliers" else gradient / (gradient.abs() + (1e-8 if part == "model" else 0))
        expected = before[name] + rate * way
        if part == "gates":
            expected = expected.clamp(-math.log(100), math.log(100))
        torch.testing.assert_close(parameter.detach(), expected, atol=abs(rate) * 1e-3, rtol=0)
    assert plan.factor(3) == pytest.approx(0.3)


def test_every_process_and_step_draws_gates_of_its_own(wide_norms: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from drama_train.training import processes

    losses = []
    for step, rank in ((1, 0), (2, 0), (1, 1), (1, 0)):
        gated = make_gated()
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        losses.append(l0_step(gated, gated, Seen(gated), PLAN, step, ids_of(4)).loss)  # type: ignore[arg-type]
    assert losses[0] == losses[3] and len(set(losses)) == 3


@pytest.mark.parametrize("part", ["weight", "gradient"])
def test_a_loss_that_is_no_number_changes_nothing(part: str) -> None:
    gated, ids = make_gated(torch.float32), ids_of(4)
    optimizer = make_optimizer(gated, PLAN)
    l0_step(gated, gated, optimizer, PLAN, 1, ids)
    if part == "weight":
        with torch.no_grad():
            gated.model.model.layers[0].mlp.up_proj.weight[3, 3] = float("nan")
    else:
        gated.model.model.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = copy.deepcopy((gated.state_dict(), optimizer.state_dict()["state"]))
    with pytest.raises(FloatingPointError, match=r"^the loss is .* and the gradient's norm (nan|inf)$"):
        l0_step(gated, gated, optimizer, PLAN, 2, ids)
    after = gated.state_dict(), optimizer.state_dict()["state"]
    torch.testing.assert_close(after, before, atol=0, rtol=0, equal_nan=True)
    assert all(one.grad is None for one in gated.parameters())
    assert all(bool(one.isfinite().all()) for name, one in after[0].items() if "up_proj" not in name)


def test_the_norm_of_the_weights_gradients_is_cut_to_the_plans() -> None:
    """Those of gates and multipliers are left as they are."""
    gated, ids = make_gated(torch.float32), ids_of(4)
    free, cut = Seen(gated), Seen(gated)
    for seen, clip in ((free, 1e9), (cut, 0.5)):
        gated = make_gated(torch.float32)
        seen.module = gated
        l0_step(gated, gated, seen, replace(PLAN, clip=clip), 1, ids)  # type: ignore[arg-type]
    norms = [
        math.sqrt(sum(float(one.square().sum()) for name, one in seen.gradients.items() if name.startswith("model")))
        for seen in (free, cut)
    ]
    assert norms[0] > 1 and norms[1] == pytest.approx(0.5, rel=1e-4)
    others = [name for name in free.gradients if not name.startswith("model")]
    assert others and all(torch.equal(free.gradients[name], cut.gradients[name]) for name in others)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (
            {"steps": 99},
            "In 99 steps, 20 of them to warm up, gates do not reach their targets: give --steps 250 or more",
        ),
        ({"steps": 199, "sparsity_warmup": 0.1}, "In 199 steps, 20 of them to warm up"),
        ({"steps": 1000, "mask_lr": 0.01}, "give --steps 10000 or more, or --pick importance"),
        ({"steps": 5}, "give --steps 250 or more"),
    ],
)
def test_too_short_a_warmup_is_refused(flags: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault) as found:
        L0Plan(batch=1, seed=0, **flags)
    assert found.value.exit_code == 2 and str(found.value).count(". ") == 0


@given(st.integers(1, 5000), st.floats(0.01, 5), st.floats(0.01, 0.9))
def test_the_steps_that_are_asked_for_are_enough(steps: int, mask_lr: float, warmup: float) -> None:
    def plan(steps: int) -> L0Plan:
        return L0Plan(steps, 1, 0, mask_lr=mask_lr, sparsity_warmup=warmup)

    try:
        plan(steps)
    except UserError as fault:
        asked = re.search(r"--steps (\d+) or more", str(fault))
        assert asked is not None and int(asked[1]) > steps
        assert plan(int(asked[1])).sparsity_steps >= 40
    else:
        assert mask_lr * steps >= 100 and plan(steps).sparsity_steps >= 40


def test_rates_rise_and_fall_to_a_tenth() -> None:
    plan = L0Plan(1000, 1, 0)
    assert [plan.factor(step) for step in (1, 50, 100)] == pytest.approx([0.01, 0.5, 1.0])
    assert [plan.factor(step) for step in (550, 1000)] == pytest.approx([0.55, 0.1])
    assert all(plan.factor(step) > plan.factor(step + 1) for step in range(100, 1000))


@pytest.mark.slow
def test_two_processes_see_one_gradient(tmp_path: Path) -> None:
    """The mean of each process's own, under its own noise; as if the rows of both had been one batch."""
    context = torch.multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(rank, tmp_path)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    hands = [make_gated(torch.float32) for _ in range(2)]
    told = [by_hand(hand, ids_of(4, seed=rank), 7, rank) for rank, hand in enumerate(hands)]
    of_ranks = [gradients(hand) for hand in hands]
    largest = max(float(one.abs().max()) for one in of_ranks[0].values())
    assert any(not torch.allclose(of_ranks[0][name], of_ranks[1][name], rtol=0.01) for name in of_ranks[0])
    for result in found:
        assert result["loss"] == pytest.approx((told[0][0] + told[1][0]) / 2, rel=1e-5)
        assert result["tokens"] == 72
        for name, gradient in result["gradients"].items():
            mean = (of_ranks[0][name] + of_ranks[1][name]) / 2
            torch.testing.assert_close(gradient, mean, atol=1e-5 * largest, rtol=0)
    assert found[0]["gradients"].keys() == of_ranks[0].keys()
    for name, one in found[0]["stepped"].items():
        assert torch.equal(one, found[1]["stepped"][name]), name


def _worker(rank: int, folder: Path) -> None:
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    gated, ids = make_gated(torch.float32), ids_of(4, seed=rank)
    module, seen = DistributedDataParallel(gated), Seen(gated)
    plan = replace(PLAN, budget=9 if rank else 18)  # other micro-batches: gradients are exchanged at the last one alone
    found = l0_step(module, gated, seen, plan, 7, ids)  # type: ignore[arg-type]
    optimizer = make_optimizer(gated, plan)
    for step in range(8, 11):
        l0_step(module, gated, optimizer, plan, step, ids)
    told = {"loss": found.loss, "tokens": found.tokens, "gradients": seen.gradients}
    torch.save(told | {"stepped": gated.state_dict()}, folder / f"{rank}.pt")
    dist.destroy_process_group()
