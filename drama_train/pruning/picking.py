"""The four ways to pick units; each gives a model, what of it to keep, and the gates it learned, if it did."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from builders.cli.errors import UserError
from builders.cli.progress import Progress
from drama_train.pruning.masks import Keep, Masks, Scores, choose, masks_of
from drama_train.pruning.shape import Shape, expansion, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from drama_train.pretraining.tokens import Tokens
    from drama_train.pruning.l0 import GatedModel, L0Plan
    from drama_train.training.mixture import Stream

Method = Literal["importance", "l0", "magnitude", "random"]
METHODS = get_args(Method)
SAMPLE, TOKENS_AT_ONCE = 128, 2048  # tokens: of a text that importance reads, and of a forward pass


@dataclass(frozen=True)
class Picked:
    """model: the source, its kv heads expanded as the target needs, trained where l0 did; gates: soft ones of l0."""

    model: Any
    keep: Keep
    gates: Masks | None = None


@dataclass(frozen=True)
class Learning:
    """How l0 learns. None: derived, and shown."""

    steps: int = 3200
    """Steps of l0, the paper's number; a tenth of them can do for a small model."""
    batch: int | None = None
    """Blocks of text a step, over all processes. None: 32, as published; on a CPU 1 a process."""
    lr: float = 1e-4
    """Of the weights, which learn beside the gates."""
    mask_lr: float = 0.4
    """Of the gates."""
    sparsity_warmup: float = 0.2
    """The part of the steps in which the targets rise from 0."""
    budget: int = 4096
    """Tokens of a micro-batch: memory and speed, and not the result."""
    checkpoint_every: int = 100
    """Steps between checkpoints; a run that was stopped goes on from the last."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr", "mask_lr", "budget", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UserError(
                    f"The --{name.replace('_', '-')} {value} cannot be used: give more than 0.", exit_code=2
                )
        if not 0 < self.sparsity_warmup <= 0.9:
            raise UserError(
                f"The --sparsity-warmup {self.sparsity_warmup} cannot be used: give more than 0 and at most 0.9.",
                exit_code=2,
            )


@dataclass(frozen=True)
class Pick:
    """method, target, and what it is made from. samples: texts whose activations importance reads."""

    method: Method
    target: Shape
    samples: int
    learning: Learning
    seed: int


def pick(made: Pick, model: Any, tokens: "Tokens", streams: "Sequence[Stream]", folder: Path, facts: Any) -> Picked:
    """The units that stay. folder: where l0 keeps its checkpoints and log; facts: what its weights depend on.

    UserError where the target doesn't fit the model, or l0 cannot reach it.
    """
    from drama_train.pruning import importance, plain_scores
    from drama_train.pruning.gqa import expanded

    source = shape_of(model.config)
    factor = expansion(source, made.target)
    kv_heads = source.kv_heads * factor
    if made.method == "l0":
        return _learned(made, model, tokens, streams, folder, facts)
    if made.method == "importance":
        scores = importance.importance(model, _batches(made, tokens, streams), kv_heads)
    elif made.method == "magnitude":
        scores = plain_scores.magnitude(model, kv_heads)
    else:
        scores = plain_scores.random(model.config, kv_heads, made.seed)
    _check_scores(made.method, scores)
    return Picked(expanded(model, factor), choose(scores, source, made.target, kv_heads))


def _check_scores(method: Method, scores: Scores) -> None:
    """UserError where one is no number: it could not be compared with the others."""
    bad = next((field.name for field in fields(scores) if not getattr(scores, field.name).isfinite().all()), None)
    if bad is not None:
        raise UserError(
            f"The {method} of some {bad} is NaN or infinite: the model overflows on these texts; give other texts, or "
            "another model."
        )


def _batches(made: Pick, tokens: "Tokens", streams: "Sequence[Stream]") -> "Iterator[Tensor]":
    """As many texts as there are samples, mixed by language: pieces of blocks."""
    import numpy as np
    import torch

    from drama_train.training.mixture import Mixture
    from drama_train.training.processes import tell

    length = min(SAMPLE, tokens.block)
    pieces = tokens.block // length
    if made.samples > (most := pieces * sum(len(one.rows) for one in streams)):
        tell(f"There are only {most:,} texts of {length} tokens, and --samples {made.samples:,} reads some again.")
    mixture = Mixture(streams, 1, made.seed, homogeneous=False)
    size = max(1, TOKENS_AT_ONCE // (pieces * length))
    with Progress("importance", made.samples, unit="texts") as progress:
        while progress.done < made.samples:
            drawn = [mixture.next()[0] for _ in range(size)]
            rows = [tokens.blocks(mixture.streams[draw.stream].name, [draw.row])[0] for draw in drawn]
            ids = torch.as_tensor(np.stack(rows)[:, : pieces * length]).reshape(-1, length)
            ids = ids[: made.samples - progress.done]
            yield ids
            progress.step(len(ids))


def l0_plan(learning: Learning, device: str, seed: int) -> "L0Plan":
    """What is not given, derived.

    UserError where the gates would not reach their targets in so few steps, or processes cannot share a step.
    """
    from drama_train.pruning.l0 import L0Plan
    from drama_train.training.processes import world_size

    batch = learning.batch or (world_size() if device.startswith("cpu") else 32)
    if batch % world_size():
        raise UserError(
            f"A step of {batch} blocks cannot be shared by {world_size()} processes: give a --batch that can.",
            exit_code=2,
        )
    return L0Plan(
        learning.steps,
        batch,
        seed,
        lr=learning.lr,
        mask_lr=learning.mask_lr,
        sparsity_warmup=learning.sparsity_warmup,
        budget=learning.budget,
    )


def gated_of(model: Any, target: Shape, seed: int) -> "GatedModel":
    """The model, its kv heads expanded as the target needs, under fresh gates."""
    from drama_train.pruning.gates import Gates
    from drama_train.pruning.gqa import expanded
    from drama_train.pruning.l0 import GatedModel

    source = shape_of(model.config)
    factor = expansion(source, target)
    gates = Gates(source, target, source.kv_heads * factor, seed)
    return GatedModel(expanded(model, factor), gates).to(model.device)


def _learned(made: Pick, model: Any, tokens: "Tokens", streams: "Sequence[Stream]", folder: Path, facts: Any) -> Picked:
    from drama_train.pruning.learning import L0Work, learn
    from drama_train.training.mixture import Mixture

    plan = l0_plan(made.learning, model.device.type, made.seed)
    gated = gated_of(model, made.target, made.seed)
    mixture = Mixture(streams, plan.batch, made.seed, homogeneous=False)
    learn(L0Work(folder, plan, gated, tokens, mixture, facts, made.learning.checkpoint_every))
    keep = gated.gates.keep()
    return Picked(gated.model, keep, masks_of(keep, gated.model.config, gated.gates.soft()))
