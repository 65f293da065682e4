"""What is derived: the paper's sizes, the rate of each step, dimensions; and what is refused."""

from itertools import pairwise

import pytest

from builders.cli.errors import UserError
from drama_train.training.loss import Objective
from drama_train.training.plan import Plan, Schedule, nested_dims, settle


def _plan(**given: object) -> Plan:
    objective, fields = settle(
        Schedule(**given), Objective(), parameters=113_000_000, width=768, rows=10_000, is_cpu=False
    )
    return Plan(**fields, objective=objective, mask_repeats=True, seed=0)


@pytest.mark.parametrize(
    ("parameters", "batch", "negatives"), [(113_000_000, 2048, 7), (268_000_000, 1024, 7), (973_000_000, 256, 3)]
)
def test_the_papers_sizes_are_derived(parameters: int, batch: int, negatives: int) -> None:
    _, fields = settle(Schedule(), Objective(), parameters=parameters, width=768, rows=10**7, is_cpu=False)
    assert (fields["batch"], fields["negatives"]) == (batch, negatives)
    assert settle(Schedule(), Objective(), parameters=parameters, width=768, rows=10**7, is_cpu=True)[1]["batch"] == 64


@pytest.mark.parametrize(
    ("rows", "processes", "batch"),
    [(10**6, 6, 2046), (5, 8, 8), (20, 1, 20), (1001, 1, 32), (1001, 3, 30), (100_000, 1, 600)],
)
def test_a_derived_step_can_be_shared_by_the_processes(rows: int, processes: int, batch: int) -> None:
    given = {"parameters": 113_000_000, "width": 768, "is_cpu": False}
    assert settle(Schedule(), Objective(), rows=rows, processes=processes, **given)[1]["batch"] == batch
    assert settle(Schedule(batch=9), Objective(), rows=rows, processes=processes, **given)[1]["batch"] == 9


def test_steps_pass_over_the_rows() -> None:
    assert _plan(batch=64).steps == -(-3 * 10_000 // 64)
    assert _plan(batch=64, epochs=1.0).steps == -(-10_000 // 64)
    assert _plan(batch=64, steps=7).steps == 7
    assert (_plan().steps, _plan().evaluate_every) == (500, 50)  # of 60 queries


def test_the_rate_rises_and_falls() -> None:
    plan = _plan(steps=100, lr=0.1, warmup=0.1)
    rates = [plan.rate(step) for step in range(1, 101)]
    assert rates[:3] == pytest.approx([0.01, 0.02, 0.03])
    assert max(rates) == rates[9] == rates[10] == pytest.approx(0.1)
    assert all(a > b > 0 for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1 / 90)
    assert _plan(steps=10, lr=0.1, warmup=0.0).rate(1) == pytest.approx(0.1)


def test_dimensions_are_powers_of_two_below_the_vector() -> None:
    assert nested_dims(768) == (768, 512, 256, 128, 64)
    assert nested_dims(576) == (576, 512, 256, 128, 64)
    assert nested_dims(64) == (64,)


@pytest.mark.parametrize(
    "given", [{"batch": 0}, {"steps": -1}, {"epochs": float("nan")}, {"lr": 0.0}, {"warmup": 1.0}, {"clip": 0.0}]
)
def test_what_cannot_be_used_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UserError) as raised:
        Schedule(**given)
    assert raised.value.exit_code == 2


def test_dimensions_wider_than_the_model_are_refused() -> None:
    with pytest.raises(UserError, match="dimension 900 of a vector of 768"):
        settle(Schedule(), Objective(dims=(900,)), parameters=1, width=768, rows=9, is_cpu=True)
