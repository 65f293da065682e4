"""What a run does at each step: given by flags, or derived here from the model, the rows and the device."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from builders.cli.errors import UserError
from drama_train.training.loss import Objective

_FEWEST_STEPS, _FEWEST_QUERIES = 500, 32  # what a derived batch leaves of few rows, and the least that it has


@dataclass(frozen=True)
class Schedule:
    """How much of what at each step. None: derived from the model, the rows and the device, and shown."""

    batch: int | None = None
    """Queries a step, over all processes. None: the paper's (2048, 1024 or 256 by the model's size), 64 on a CPU; fewer
    where rows are few, down to 32, so that there are 500 steps."""
    negatives: int | None = None
    """Hard negatives of each query. None: the paper's (7; 3 for models of 1B)."""
    steps: int | None = None
    """Optimizer steps. None: as many as pass over the rows --epochs times."""
    epochs: float = 3.0
    """Passes over the rows, each with other positives and negatives of a row."""
    lr: float | None = None
    """The highest learning rate of AdamW. None: by the model's size, 1e-4 at 0.1B."""
    warmup: float = 0.05
    """The part of the steps in which the rate rises from 0; after it the rate falls to 0, on a line."""
    weight_decay: float = 0.01
    """Of matrices, not of norms."""
    clip: float = 1.0
    """The largest norm of a step's gradient."""
    evaluate_every: int | None = None
    """Steps between evaluations on the held-out split, and between checkpoints. None: a tenth of the steps."""
    patience: int | None = None
    """Stop after so many evaluations without a better one. None: go on to the end."""
    budget: int | None = None
    """Tokens of a micro-batch, padding included: memory and speed, and not the result. None: 1024 on a CPU, 16384 on a
    GPU, where 65536 took 46 GB with 24 layers of 512."""

    def __post_init__(self) -> None:
        for name in ("batch", "negatives", "steps", "epochs", "evaluate_every", "patience", "budget"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise unusable(name, value, "give a number above 0")
        check_rates(self.lr, self.warmup, self.weight_decay, self.clip)


@dataclass(frozen=True)
class Plan:
    """Everything that the steps depend on beside the rows and the weights, all of it settled."""

    batch: int
    negatives: int
    steps: int
    lr: float
    warmup_steps: int
    weight_decay: float
    clip: float
    evaluate_every: int
    patience: int | None
    objective: Objective
    mask_repeats: bool
    seed: int
    budget: int

    def rate(self, step: int) -> float:
        """The learning rate of a step, 1 being the first: up from 0 in the warm-up, then down to 0."""
        if step <= self.warmup_steps:
            return self.lr * step / self.warmup_steps
        return self.lr * (self.steps - step + 1) / (self.steps - self.warmup_steps)

    def facts(self) -> dict[str, Any]:
        """As JSON. The budget is left out: the result does not depend on it beyond rounding."""
        return {name: value for name, value in asdict(self).items() if name != "budget"}


def settle(
    given: Schedule, objective: Objective, *, parameters: int, width: int, rows: int, is_cpu: bool, processes: int = 1
) -> tuple[Objective, dict[str, Any]]:
    """The objective with its dimensions, and the fields of a Plan that `given` leaves open.

    parameters: without embeddings; width: of a vector; rows: for training; processes: among which a step can be shared.
    """
    large, huge = parameters > 2e8, parameters > 6e8  # the paper's 0.3B and 1B (DRAMA A.4)
    most = 64 if is_cpu else 256 if huge else 1024 if large else 2048
    # few rows in large steps would be few steps: AdamW and its warm-up need hundreds
    enough = max(_FEWEST_QUERIES, int(given.epochs * rows / _FEWEST_STEPS))
    batch = given.batch or max(1, min(most, enough, rows) // processes) * processes
    steps = given.steps or max(1, math.ceil(given.epochs * rows / batch))
    if not objective.dims:
        objective = replace(objective, dims=nested_dims(width))
    try:
        objective.slices(width)
    except ValueError as fault:
        raise UserError(f"The --dims do not fit the model ({fault}): give dimensions up to {width}.") from None
    return objective, {
        "batch": batch,
        "negatives": given.negatives or (3 if huge else 7),
        "steps": steps,
        "lr": given.lr or derived_lr(parameters),
        "warmup_steps": round(given.warmup * steps),
        "weight_decay": given.weight_decay,
        "clip": given.clip,
        "evaluate_every": given.evaluate_every or max(1, math.ceil(steps / 10)),
        "patience": given.patience,
        "budget": given.budget or (1024 if is_cpu else 16384),
    }


def nested_dims(width: int) -> tuple[int, ...]:
    """The vector and its powers of two down to 64: 768, 512, 256, 128, 64 for the paper's 0.1B."""
    powers = [2**power for power in range(6, 20) if 2**power < width]
    return (width, *reversed(powers))


def derived_lr(parameters: int) -> float:
    """1e-4 at 0.1B, by the square root of the size, at most 5e-4. Ours: the paper states none."""
    return round(min(5e-4, 1e-4 * math.sqrt(1.13e8 / max(parameters, 1))), 6)


def check_rates(lr: float | None, warmup: float, weight_decay: float, clip: float) -> None:
    """UserError where one of them cannot be used; an lr of None is derived later."""
    if lr is not None and not 0 < lr < 1:
        raise unusable("lr", lr, "give a rate between 0 and 1")
    if not 0 <= warmup < 1:
        raise unusable("warmup", warmup, "give a part of the steps, from 0 to below 1")
    if not (0 <= weight_decay < 1 and 0 < clip < math.inf):
        raise UserError("A --weight-decay is from 0 to below 1, and a --clip above 0.", exit_code=2)


def unusable(name: str, value: float, advice: str) -> UserError:
    return UserError(f"The --{name.replace('_', '-')} {value} cannot be used: {advice}.", exit_code=2)
