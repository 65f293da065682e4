"""Hard-concrete gates: their formulas against many samples, their bounds, and what they are gates of."""

import math
from dataclasses import replace

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.pruning.gates import BETA, GAMMA, LIMIT, ZETA, Gates, alive, bounds, check_reachable, sampled, soft
from drama_train.pruning.masks import Keep
from drama_train.pruning.shape import PRESETS, Shape
from tests.pruning.making import SHAPE

LLAMA_1B = Shape(16, 2048, 32, 8, 8192)
TARGET = Shape(2, 9, 4, 2, 11)
SAMPLES = 200_000


@pytest.mark.parametrize("log_odds", [-LIMIT, -2.398, -1.0, 0.0, 0.7, 3.0, LIMIT])
def test_gates_are_open_as_often_as_the_formula_says(log_odds: float) -> None:
    """Within 4.5 standard errors; and, by the same reasoning, as often 1."""
    z = sampled(torch.full((SAMPLES,), log_odds), torch.Generator().manual_seed(3))
    assert float(z.min()) >= 0 and float(z.max()) <= 1
    wholly = 1 / (1 + math.exp(BETA * math.log((1 - GAMMA) / (ZETA - 1)) - log_odds))
    for share, p in (((z > 0).float().mean(), float(alive(torch.tensor(log_odds)))), ((z == 1).float().mean(), wholly)):
        assert float(share) == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / SAMPLES))
    assert ((z > 0) & (z < 1)).any()


def test_a_sample_is_the_stretched_sigmoid_of_its_noise() -> None:
    log_odds = torch.linspace(-4, 4, 50)
    u = torch.rand(50, generator=torch.Generator().manual_seed(7)) * (1 - 2e-6) + 1e-6
    expected = [
        min(1, max(0, 1.2 / (1 + math.exp(-(math.log(v) - math.log1p(-v) + a) * 1.5)) - 0.1))
        for v, a in zip(u.tolist(), log_odds.tolist(), strict=True)
    ]
    found = sampled(log_odds, torch.Generator().manual_seed(7))
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)
    assert 0 < sum(0 < one < 1 for one in expected) < 50


def test_sparsity_is_bounded() -> None:
    """0.2 % to 95.3 %: p(a) is 0.998, 0.832 and 0.047 at the upper bound, at 0 and at the lower one."""
    assert bounds() == pytest.approx((0.002, 0.953), abs=5e-4)
    for log_odds, p in ((LIMIT, 0.998), (0.0, 0.832), (-LIMIT, 0.047)):
        assert float(alive(torch.tensor(log_odds))) == pytest.approx(p, abs=6e-4)
    assert float(soft(torch.tensor(LIMIT))) == pytest.approx(0.996, abs=1e-3)
    assert float(soft(torch.tensor(0.5))) == pytest.approx(1 / (1 + math.exp(-0.6)))


def test_log_odds_are_clamped_and_begin_at_the_upper_bound() -> None:
    gates = Gates(SHAPE, TARGET, 4, seed=0)
    for name, one in gates.log_odds.items():
        assert bool((one == LIMIT).all()) and one.dtype == torch.float32, name
    with torch.no_grad():
        for one in gates.log_odds.values():
            one.copy_(torch.linspace(-9, 9, one.numel()).view_as(one))
    gates.clamp()
    for one in gates.log_odds.values():
        assert float(one.detach().min()) == pytest.approx(-LIMIT) and float(one.detach().max()) == pytest.approx(LIMIT)
        assert one.requires_grad and (one.detach().abs() < LIMIT - 0.1).any()


def test_there_are_gates_of_what_the_target_makes_smaller_and_of_nothing_else() -> None:
    assert set(Gates(SHAPE, TARGET, 4, 0).families) == {"layer", "hidden", "group", "intermediate"}
    assert Gates(SHAPE, replace(SHAPE, heads=4), 4, 0).families == ["head"]
    assert Gates(SHAPE, replace(SHAPE, heads=2, kv_heads=2), 4, 0).families == ["group", "head"]  # by name
    assert Gates(SHAPE, SHAPE, 4, 0).families == []
    masks = Gates(SHAPE, replace(SHAPE, intermediate=7), 4, 0).sample(torch.Generator())
    assert (masks.layer, masks.hidden, masks.head) == (None, None, None) and masks.intermediate is not None
    sizes = {name: tuple(one.shape) for name, one in Gates(SHAPE, TARGET, 4, 0).log_odds.items()}
    assert sizes == {"layer": (3,), "hidden": (24,), "group": (3, 4), "intermediate": (3, 40)}


def test_targets_are_those_of_gates_that_are_open_or_shut() -> None:
    """Of Llama-3.2-1B to the paper's 0.1B: a quarter of the layers goes, five eighths of all others.

    Heads go with their own kv heads, of which there are 32 then.
    """
    least, most = bounds()
    found = Gates(LLAMA_1B, PRESETS["0.1b"], 32, 0).targets()
    far = 5 / 8 * most + 3 / 8 * least
    assert found == pytest.approx({"layer": most / 4 + 3 / 4 * least, "hidden": far, "group": far, "intermediate": far})
    grouped = Gates(LLAMA_1B, Shape(16, 2048, 12, 6, 8192), 8, 0)
    assert grouped.targets() == pytest.approx({"group": most / 4 + 3 / 4 * least, "head": (most + least) / 2})
    with torch.no_grad():
        grouped.log_odds["group"][:, [1, 5]] = -LIMIT
        grouped.log_odds["head"][:, ::2] = -LIMIT
    for name, sparsity in grouped.sparsity().items():
        assert sparsity.tolist() == pytest.approx([grouped.targets()[name]] * 16, abs=1e-6)


def test_sparsity_is_told_by_layer_where_every_layer_has_the_family() -> None:
    gates = Gates(SHAPE, TARGET, 4, 0)
    with torch.no_grad():
        gates.log_odds["group"][1] = torch.tensor([0.0, LIMIT, -LIMIT, 1.0])
    found = gates.sparsity()
    assert {name: tuple(one.shape) for name, one in found.items()} == {
        "layer": (),
        "hidden": (),
        "group": (3,),
        "intermediate": (3,),
    }
    p = [1 / (1 + math.exp(-(2 / 3) * math.log(11) - a)) for a in (0.0, LIMIT, -LIMIT, 1.0)]
    assert found["group"].tolist() == pytest.approx([0.0021, 1 - sum(p) / 4, 0.0021], abs=2e-4)


def test_a_head_is_gated_by_its_own_gate_and_its_kv_heads() -> None:
    gates = Gates(SHAPE, replace(SHAPE, heads=2, kv_heads=2), 4, 0)
    with torch.no_grad():
        for seed, one in enumerate(gates.log_odds.values()):
            one.uniform_(-3, 3, generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(5)
    group, head = (sampled(gates.log_odds[name], generator) for name in ("group", "head"))
    masks = gates.sample(torch.Generator().manual_seed(5))
    assert masks.head is not None and masks.head.shape == (3, 8)
    expected = torch.stack([group[:, number // 2] * head[:, number] for number in range(8)], dim=1)
    assert torch.equal(masks.head, expected) and 0 < int((expected > 0).sum()) < 24
    masks.head.sum().backward()  # type: ignore[no-untyped-call]
    assert all(one.grad is not None and bool(one.grad.any()) for one in gates.log_odds.values())


def test_another_seed_draws_another_sample() -> None:
    gates = Gates(SHAPE, TARGET, 4, 0)
    with torch.no_grad():
        gates.log_odds["intermediate"].zero_()
    first, again, other = (gates.sample(torch.Generator().manual_seed(seed)).intermediate for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_cut_is_exactly_the_target_whatever_the_sparsity() -> None:
    """At the start all gates are open and equal: the first units stay, by their numbers."""
    gates = Gates(SHAPE, TARGET, 4, 0)
    assert gates.keep() == Keep((0, 1), tuple(range(9)), ((0, 1, 2, 3),) * 2, (tuple(range(11)),) * 2)
    with torch.no_grad():
        gates.log_odds["layer"][0] = -1.0
        gates.log_odds["hidden"][:5] = -2.0
        gates.log_odds["group"][:, 1] = 0.0
    keep = gates.keep()
    assert keep.layers == (1, 2) and keep.hidden == tuple(range(5, 14)) and keep.heads == ((0, 1, 4, 5),) * 2


def test_soft_gates_are_of_all_units_and_never_0() -> None:
    gates = Gates(SHAPE, TARGET, 4, 0)
    with torch.no_grad():
        gates.log_odds["hidden"][0] = -LIMIT
    masks = gates.soft()
    assert masks.hidden is not None and not masks.hidden.requires_grad
    assert masks.hidden[:2].tolist() == pytest.approx([1 - 0.99603, 0.99603], abs=1e-4)
    assert masks.head is not None and masks.head.shape == (3, 8)


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (replace(LLAMA_1B, hidden=64), r"takes away 96\.9% of hidden, and gates reach 0\.2% to 95\.3%: cut in --hops"),
        (replace(LLAMA_1B, intermediate=8191), r"takes away 0\.0% of intermediate, and gates reach 0\.2%"),
        (LLAMA_1B, "takes nothing away, so that l0 has nothing to learn"),
    ],
)
def test_what_gates_do_not_reach_is_refused(target: Shape, fault: str) -> None:
    with pytest.raises(UserError, match=fault) as found:
        check_reachable(LLAMA_1B, target, 8)
    assert found.value.exit_code == 2


def test_what_gates_reach_is_not_refused() -> None:
    for target in (PRESETS["0.1b"], PRESETS["0.3b"], replace(LLAMA_1B, hidden=100), replace(LLAMA_1B, hidden=2040)):
        check_reachable(LLAMA_1B, target, 32)
