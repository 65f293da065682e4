"""What a pre-training run does at each step: given by flags, or derived here from the model, the texts, the device."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from builders.cli.errors import UserError
from drama_train.pretraining.perplexity import HELDOUT_BLOCKS
from drama_train.training.plan import check_rates, derived_lr, unusable

PAPER_TOKENS = 2**20  # a step, 256 x 4096, of Sheared LLaMA's stage 2 (arXiv 2310.06694, A.1), as DRAMA's
FINAL = 0.1  # of the highest rate, where the cosine ends
_FEWEST_STEPS = 200  # in a pass over few texts


@dataclass(frozen=True)
class Schedule:
    """How much of what at each step. None: derived from the model, the texts and the device, and shown."""

    batch: int | None = None
    """Blocks a step, over all processes. None: the paper's 2^20 tokens, 4096 on a CPU, fewer where texts are few."""
    steps: int | None = None
    """Optimizer steps. None: as many as --tokens are, or one pass over the texts."""
    tokens: int | None = None
    """Tokens to train on, instead of --steps."""
    lr: float | None = None
    """The highest learning rate of AdamW. None: by the model's size, 1e-4 at 0.1B."""
    warmup: float = 0.03
    """The part of the steps in which the rate rises from 0; after it the rate falls to a tenth, on a cosine."""
    weight_decay: float = 0.0
    """Of matrices, not of norms."""
    clip: float = 1.0
    """The largest norm of a step's gradient."""
    evaluate_every: int | None = None
    """Steps between evaluations on held-out texts, and between checkpoints. None: a tenth of the steps."""
    heldout_blocks: int = HELDOUT_BLOCKS
    """At most so many held-out blocks of each language are evaluated during the run."""
    patience: int | None = None
    """Stop after so many evaluations without a better one. None: go on to the end."""
    budget: int | None = None
    """Tokens of a micro-batch: memory and speed, and not the result. None: 2048 on a CPU, 16384 on a GPU."""

    def __post_init__(self) -> None:
        for name in ("batch", "steps", "tokens", "evaluate_every", "heldout_blocks", "patience", "budget"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise unusable(name, value, "give 1 or more")
        if self.steps is not None and self.tokens is not None:
            raise UserError("Both --steps and --tokens say how long to train: give one of them.", exit_code=2)
        check_rates(self.lr, self.warmup, self.weight_decay, self.clip)


@dataclass(frozen=True)
class Plan:
    """Everything that the steps depend on beside the tokens and the weights, all of it settled."""

    length: int
    batch: int
    steps: int
    lr: float
    warmup_steps: int
    weight_decay: float
    clip: float
    evaluate_every: int
    heldout_blocks: int
    patience: int | None
    seed: int
    budget: int

    @property
    def tokens(self) -> int:
        """Of all steps."""
        return self.steps * self.batch * self.length

    @property
    def micro_batch(self) -> int:
        """Blocks that are computed at once, at most."""
        return max(1, self.budget // self.length)

    def rate(self, step: int) -> float:
        """The learning rate of a step, 1 being the first: up from 0 in the warm-up, then a cosine down to a tenth."""
        if step <= self.warmup_steps:
            return self.lr * step / self.warmup_steps
        part = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        return self.lr * (FINAL + (1 - FINAL) * (1 + math.cos(math.pi * part)) / 2)

    def facts(self) -> dict[str, Any]:
        """As JSON. The budget is left out: the result does not depend on it beyond rounding."""
        return {name: value for name, value in asdict(self).items() if name != "budget"}


def settle(
    given: Schedule, length: int, *, parameters: int, blocks: int, seed: int, is_cpu: bool, processes: int = 1
) -> Plan:
    """The plan, with what `given` leaves open derived.

    parameters: without embeddings; blocks: for training; processes: among which a step can be shared.
    UserError where a given batch cannot be.
    """
    most = max(1, (4096 if is_cpu else PAPER_TOKENS) // length)
    derived = max(1, min(most, blocks // _FEWEST_STEPS) // processes) * processes
    batch = given.batch or derived
    if batch % processes:
        raise UserError(
            f"A step of {batch} blocks cannot be shared by {processes} processes: give a --batch that can.", exit_code=2
        )
    passes = given.tokens / (batch * length) if given.tokens else blocks / batch
    steps = given.steps or max(1, math.ceil(passes))
    return Plan(
        length=length,
        batch=batch,
        steps=steps,
        lr=given.lr or derived_lr(parameters),
        warmup_steps=round(given.warmup * steps),
        weight_decay=given.weight_decay,
        clip=given.clip,
        evaluate_every=given.evaluate_every or max(1, math.ceil(steps / 10)),
        heldout_blocks=given.heldout_blocks,
        patience=given.patience,
        seed=seed,
        budget=given.budget or (2048 if is_cpu else 16384),
    )
