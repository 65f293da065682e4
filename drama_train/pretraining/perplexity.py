"""Held-out loss by language, and which languages it says are lost (DRAMA 6.4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from drama_train.pretraining.tokens import Tokens

HELDOUT_BLOCKS = 16  # of each language, where a run does not say
# Nats above what befell the other languages: a perplexity 1.65 times as high. Ours: the paper tells scores of
# retrieval, and no losses.
LOST = 0.5


@dataclass(frozen=True)
class LanguageLoss:
    """loss: nats a token, over `tokens` held-out tokens that follow another."""

    loss: float
    tokens: int

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.loss, 700))  # beyond which it is no float


def heldout_losses(
    model: Any, tokens: "Tokens", *, blocks: int, batch: int, numbers: "Tensor | None" = None
) -> dict[str, LanguageLoss]:
    """Of each language that holds a block out, over its first `blocks`, `batch` of them at a time.

    model: a causal one of transformers, or a NextToken, in FSDP2 or not. Processes share the blocks, and all must ask.
    numbers (V,): the model's number of each of the tokens, where they are not its own.
    """
    import torch

    from drama_train.pretraining.next_token import NextToken

    learner: Any = model if isinstance(model, NextToken) else NextToken(model)
    was_training = learner.model.training
    learner.eval()
    with torch.no_grad():
        found = {
            name: _language_loss(learner, one.heldout[:blocks], batch, numbers)
            for name, one in tokens.languages.items()
            if len(one.heldout)
        }
    learner.train(was_training)
    if hasattr(learner, "reshard"):  # FSDP2 keeps what it gathered until a backward, which there is none
        learner.reshard()
    return found


def _language_loss(learner: Any, blocks: "NDArray[Any]", batch: int, numbers: "Tensor | None") -> LanguageLoss:
    import numpy as np
    import torch

    from drama_train.pretraining.next_token import autocast
    from drama_train.training import processes

    device = next(learner.parameters()).device
    total = torch.zeros((), dtype=torch.float64, device=device)
    world, rank = processes.world_size(), processes.rank()
    for start in range(0, len(blocks), batch * world):
        mine = blocks[start : start + batch * world][rank::world]
        counts = len(mine) > 0
        # FSDP exchanges weights at every forward, and all processes must take part
        rows = mine if counts else blocks[:1]
        ids = torch.from_numpy(rows.astype(np.int64)).to(device)
        with autocast(device):
            loss = learner(ids if numbers is None else numbers[ids])
        total += loss.double() * len(mine)
    return LanguageLoss(float(processes.summed(total)) / len(blocks), len(blocks) * (blocks.shape[1] - 1))


def mean_loss(losses: Mapping[str, LanguageLoss], languages: Sequence[str]) -> float:
    """Over those of the languages that were evaluated, each counting the same. UserError where it is no number."""
    values = {name: losses[name].loss for name in languages if name in losses}
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise UserError(
            f"The held-out loss of {', '.join(bad)} is no number: lower --lr, or give another model where no step was "
            "made yet; the last checkpoint is of before."
        )
    return mean(values.values())


def lost(losses: Mapping[str, LanguageLoss], before: Mapping[str, LanguageLoss]) -> dict[str, float]:
    """{language: nats} of those whose loss rose by more than LOST above the median rise of the others.

    before: the losses of the model that was pruned. Losses themselves do not compare: a language cut into more tokens
    has less loss in each.
    """
    rises = {name: losses[name].loss - before[name].loss for name in losses if name in before}
    found = {}
    for name, rise in rises.items():
        others = [one for other, one in rises.items() if other != name]
        if others and rise - median(others) > LOST:
            found[name] = rise - median(others)
    return found
