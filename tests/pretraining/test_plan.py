"""What a pre-training run does is derived in sight, and what cannot be is refused."""

from dataclasses import replace
from itertools import pairwise

import pytest

from builders.cli.errors import UserError
from drama_train.pretraining.plan import Plan, Schedule, settle
from tests.pretraining.runs import PLAN


def _settled(given: Schedule, *, blocks: int = 100_000, is_cpu: bool = True, processes: int = 1) -> Plan:
    return settle(given, 512, parameters=113_000_000, blocks=blocks, seed=3, is_cpu=is_cpu, processes=processes)


def test_the_rate_rises_and_falls_on_a_cosine_to_a_tenth() -> None:
    plan = replace(PLAN, steps=110, warmup_steps=10, lr=1.0)
    rates = [plan.rate(step) for step in range(1, 111)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[9] == 1.0 and rates[-1] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(rates[9:]))
    assert plan.rate(60) == pytest.approx(0.55)  # half of the way


def test_a_gpu_takes_the_papers_step_and_a_cpu_a_small_one() -> None:
    assert _settled(Schedule(), is_cpu=False, blocks=10**7).batch * 512 == 2**20
    assert _settled(Schedule()).batch * 512 == 4096
    assert _settled(Schedule(), processes=3).batch == 6
    few = _settled(Schedule(), is_cpu=False, blocks=1000)
    assert (few.batch, few.steps) == (5, 200)
    assert _settled(Schedule(), blocks=7).batch == 1
    assert _settled(Schedule(), blocks=7, processes=2).batch == 2


def test_how_long_is_a_pass_or_as_many_tokens_or_steps() -> None:
    assert _settled(Schedule()).steps == 100_000 / 8
    assert _settled(Schedule(steps=7)).steps == 7
    plan = _settled(Schedule(tokens=1_000_000))
    assert plan.tokens - 4096 < 1_000_000 <= plan.tokens
    assert plan.evaluate_every == 25 and plan.warmup_steps == 7 and plan.lr == pytest.approx(1e-4, rel=0.01)


def test_micro_batches_hold_whole_blocks() -> None:
    assert [replace(PLAN, budget=budget).micro_batch for budget in (1, 32, 64, 95)] == [1, 1, 2, 2]
    assert "budget" not in PLAN.facts() and PLAN.facts()["seed"] == 0


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"steps": 0}, "--steps 0 cannot be used"),
        ({"tokens": -1}, "--tokens -1 cannot be used"),
        ({"steps": 1, "tokens": 1}, "Both --steps and --tokens"),
        ({"lr": 1.5}, "--lr 1.5 cannot be used"),
        ({"lr": float("nan")}, "--lr nan cannot be used"),
        ({"warmup": 1.0}, "--warmup 1.0 cannot be used"),
        ({"clip": 0.0}, "a --clip above 0"),
        ({"heldout_blocks": 0}, "--heldout-blocks 0 cannot be used"),
    ],
)
def test_schedules_that_cannot_be_used(given: dict[str, float], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        Schedule(**given)  # type: ignore[arg-type]


def test_a_step_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match="A step of 5 blocks cannot be shared by 2 processes"):
        _settled(Schedule(batch=5), processes=2)
