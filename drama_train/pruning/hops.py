"""A far target in two hops: cut half of the way, recover, cut again (Minitron's advice beyond half)."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from drama_train.language_model import LanguageModel, load_language_model
from drama_train.pruning.masks import Keep
from drama_train.pruning.shape import Shape, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drama_train.pretraining.tokens import Tokens
    from drama_train.training.mixture import Stream


def halfway(source: Shape, target: Shape, kv_heads: int) -> Shape:
    """The geometric mean of both, rounded up; a target of it is as far as it is of the source.

    kv_heads: of the source, after expansion. A kv head keeps the source's heads until the second hop. Heads divide the
    hidden dimensions, or transformers would open no such Llama.
    """
    group = source.heads // kv_heads
    for kept_kv in range(_mean(kv_heads, target.kv_heads), kv_heads + 1):
        hidden = _multiple(_mean(source.hidden, target.hidden), kept_kv * group, source.hidden)
        if hidden >= target.hidden:
            break
    return Shape(
        _mean(source.layers, target.layers),
        hidden,
        kept_kv * group,
        kept_kv,
        _mean(source.intermediate, target.intermediate),
    )


def _multiple(size: int, of: int, most: int) -> int:
    """The first multiple from `size` on, or the last before it where that is more than the most."""
    found = math.ceil(size / of) * of
    return found if found <= most else size // of * of


def _mean(source: int, target: int) -> int:
    return math.ceil(math.sqrt(source * target))


def recovered(
    small: LanguageModel, tokens: "Tokens", streams: "Sequence[Stream]", steps: int, seed: int, folder: Path
) -> None:
    """Train the model for so many steps on next tokens, in place; a run that was stopped goes on in `folder`.

    small: as the first hop left it, or of the last checkpoint.
    """
    from drama_train.pretraining.plan import Schedule, settle
    from drama_train.pretraining.trainer import Work, pretrain
    from drama_train.training.mixture import Mixture
    from drama_train.training.processes import tell, world_size

    plan = settle(
        Schedule(steps=steps),
        tokens.block,
        parameters=counted(small.model)["blocks"],
        blocks=sum(len(one.rows) for one in streams),
        seed=seed,
        is_cpu=small.model.device.type == "cpu",
        processes=world_size(),
    )
    tell(f"recovery between the hops: {plan.steps:,} steps of {plan.batch} blocks")
    pretrain(Work(folder, plan, small, tokens, Mixture(streams, plan.batch, seed, homogeneous=False)))


def reached(folder: Path, device: str) -> LanguageModel | None:
    """The model of the recovery's last checkpoint; None before the first."""
    from drama_train.training.checkpoints import MODEL, find

    last = find(folder / "checkpoints", "last")
    return load_language_model(str(last / MODEL), device=device) if last else None


def composed(first: Keep, second: Keep) -> Keep:
    """What both cuts together keep, by the source's numbers. second: of the model that the first left."""
    return Keep(
        tuple(first.layers[layer] for layer in second.layers),
        tuple(first.hidden[dim] for dim in second.hidden),
        tuple(
            tuple(first.heads[layer][head] for head in heads)
            for layer, heads in zip(second.layers, second.heads, strict=True)
        ),
        tuple(
            tuple(first.intermediate[layer][dim] for dim in dims)
            for layer, dims in zip(second.layers, second.intermediate, strict=True)
        ),
    )
