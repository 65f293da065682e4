"""The penalty by hand, its multipliers, and gates that find units which a loss does not need."""

import pytest
import torch
from torch import Tensor

from drama_train.pruning.gates import Gates
from drama_train.pruning.l0 import L0Plan
from drama_train.pruning.lagrangian import Multipliers, target_at
from drama_train.pruning.shape import Shape


def test_the_penalty_of_two_families_by_hand() -> None:
    """hidden: 2 * (0.5 - 0.3) + 3 * 0.04; head, the mean over two layers of -1 * d + 4 * d ** 2, d being 0.1 and -0.3."""
    multipliers = Multipliers(["hidden", "head"])
    with torch.no_grad():
        for name, (linear, quadratic) in {"hidden": (2.0, 3.0), "head": (-1.0, 4.0)}.items():
            multipliers.linear[name].fill_(linear)
            multipliers.quadratic[name].fill_(quadratic)
    sparsity = {
        "hidden": torch.tensor(0.5, requires_grad=True),
        "head": torch.tensor([0.6, 0.2], requires_grad=True),
    }
    penalty = multipliers.penalty(sparsity, {"hidden": 0.3, "head": 0.5})
    assert float(penalty.detach()) == pytest.approx(0.4 + 0.12 + (-0.1 + 0.04 + 0.3 + 0.36) / 2)
    penalty.backward()  # type: ignore[no-untyped-call]
    gradients = {name: one.grad.tolist() for name, one in sparsity.items() if one.grad is not None}
    assert gradients["hidden"] == pytest.approx(2 + 2 * 3 * 0.2)
    assert gradients["head"] == pytest.approx([(-1 + 8 * 0.1) / 2, (-1 - 8 * 0.3) / 2])
    found = {name: float(one.grad) for name, one in multipliers.named_parameters() if one.grad is not None}
    assert found == pytest.approx(
        {"linear.hidden": 0.2, "linear.head": -0.1, "quadratic.hidden": 0.04, "quadratic.head": 0.05}
    )


def test_multipliers_begin_in_float32_and_hold() -> None:
    multipliers = Multipliers(["layer", "hidden"])
    assert len(list(multipliers.parameters())) == 4
    assert all(one.dtype == torch.float32 for one in multipliers.parameters())
    assert float(multipliers.penalty({"layer": torch.tensor(0.1)}, {"layer": 0.9}).detach()) == pytest.approx(
        200 * 0.64
    )


def test_targets_rise_on_a_line() -> None:
    targets = {"hidden": 0.6, "head": 0.25}
    assert target_at(1, 40, targets) == pytest.approx({"hidden": 0.015, "head": 0.00625})
    assert target_at(20, 40, targets) == pytest.approx({"hidden": 0.3, "head": 0.125})
    assert target_at(40, 40, targets) == target_at(41, 40, targets) == target_at(9999, 40, targets) == targets


def _learn(gates: Gates, multipliers: Multipliers, needed: dict[str, Tensor], steps: int) -> float:
    """Gates of what is needed cost something where they are shut; the others cost nothing. The farthest from a target."""
    plan, farthest = L0Plan(steps, 1, 0), 0.0
    optimizer = torch.optim.AdamW(
        [
            {"params": list(gates.parameters()), "peak": plan.mask_lr},
        ],
        lr=0.0,
        betas=(0.9, 0.95),
        eps=1e-15,
        weight_decay=0.0,
    )
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * plan.factor(step)
        masks = gates.sample(torch.Generator().manual_seed(step))
        loss = torch.stack([((1 - getattr(masks, name)) * cost).mean() for name, cost in needed.items()]).sum()
        (loss + multipliers.penalty(gates.sparsity(), target_at(step, plan.sparsity_steps, gates.targets()))).backward()
        optimizer.step()
        multipliers.rise(plan.multiplier_lr)
        optimizer.zero_grad()
        multipliers.zero_grad()
        gates.clamp()
        for name, target in target_at(step, plan.sparsity_steps, gates.targets()).items():
            farthest = max(farthest, abs(float(gates.sparsity()[name].detach().mean()) - target))
    return farthest


def test_multipliers_rise_while_the_constraint_is_unmet() -> None:
    """Gates that do not move stay open: with each step the penalty grows, of both multipliers."""
    gates = Gates(Shape(2, 20, 4, 4, 30), Shape(2, 10, 4, 4, 30), 4, 0)
    multipliers = Multipliers(gates.families)
    beside = float(gates.sparsity()["hidden"].detach()) - 0.5
    assert beside < -0.49
    before = (0.0, 200.0)
    for _ in range(4):
        multipliers.penalty(gates.sparsity(), gates.targets()).backward()  # type: ignore[no-untyped-call]
        multipliers.rise(0.5)
        multipliers.zero_grad()
        linear, quadratic = (one["hidden"].item() for one in (multipliers.linear, multipliers.quadratic))
        assert linear * beside > before[0] + 0.1 and quadratic > before[1] + 0.1
        before = (linear * beside, quadratic)


def test_gates_find_the_units_that_a_loss_does_not_need() -> None:
    """As many as the target, and those: of layers, hidden and intermediate dimensions, and of heads with their kv heads.

    On the way they stay nearer to the targets than under multipliers of Adam's, from 0, which go 0.31 beside them.
    """
    source, target = Shape(6, 40, 8, 4, 50), Shape(4, 24, 4, 2, 20)
    gates = Gates(source, target, 4, 0)
    draw = torch.Generator().manual_seed(1)
    needed = {
        "layer": torch.zeros(6),
        "hidden": torch.zeros(40),
        "head": torch.zeros(6, 8),
        "intermediate": torch.zeros(6, 50),
    }
    kept = {
        "layer": [sorted(torch.randperm(6, generator=draw)[:4].tolist())],
        "hidden": [sorted(torch.randperm(40, generator=draw)[:24].tolist())],
        "intermediate": [sorted(torch.randperm(50, generator=draw)[:20].tolist()) for _ in range(6)],
    }
    groups = [sorted(torch.randperm(4, generator=draw)[:2].tolist()) for _ in range(6)]
    kept["head"] = [[2 * number + at for number in of_layer for at in (0, 1)] for of_layer in groups]
    for name, units in kept.items():
        for row, numbers in zip(needed[name].view(len(units), -1), units, strict=True):
            row[numbers] = 5.0
    assert _learn(gates, Multipliers(gates.families), needed, 300) < 0.22
    for name, sparsity in gates.sparsity().items():
        assert float(sparsity.detach().mean()) == pytest.approx(gates.targets()[name], abs=0.01), name
    keep = gates.keep()
    assert list(keep.layers) == kept["layer"][0] and list(keep.hidden) == kept["hidden"][0]
    for place, layer in enumerate(keep.layers):
        assert list(keep.heads[place]) == kept["head"][layer]
        assert list(keep.intermediate[place]) == kept["intermediate"][layer]
