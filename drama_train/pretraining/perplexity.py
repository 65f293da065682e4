"""Held-out loss by language, and which languages it says are lost (DRAMA 6.4)."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from drama_train.pretraining.tokens import Tokens

HELDOUT_BLOCKS = 16  # of each language, where a run does not say
COUNTED = 2**22  # tokens of a language, whose frequencies are enough
# A language of which so much less is kept than the others keep is lost. Ours: the paper tells scores of retrieval (a
# language unseen in pruning fell from 51.1 to 32.4), and no losses.
LOST = 0.25
_LEAST = 0.1  # nats that the source knows of a language, below which there is nothing to keep


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


@dataclass(frozen=True)
class Known:
    """What the model that was pruned knows of each language.

    source: its losses; unigram: nats a token of a model that knows how often each token occurs, and nothing else.
    """

    source: Mapping[str, LanguageLoss]
    unigram: Mapping[str, float]
    trained: Collection[str] = ()
    """The languages that are trained on, with which the others are compared; () for all."""

    def kept(self, losses: Mapping[str, LanguageLoss]) -> dict[str, float]:
        """The part of it that a model of these losses has: 1 where it does as the source, 0 where as the frequencies.

        Of how far it is between these two, because nats themselves do not compare: a language that is cut into more
        tokens has less to know in each. No less than 0, where all are lost alike.
        """
        found = {}
        for name, one in losses.items():
            if name in self.source and self.unigram[name] - self.source[name].loss > _LEAST:
                part = (self.unigram[name] - one.loss) / (self.unigram[name] - self.source[name].loss)
                found[name] = max(0.0, part)
        return found

    def lost(self, losses: Mapping[str, LanguageLoss]) -> dict[str, float]:
        """{language: the part of it that is kept} of those that keep less by LOST than the median of the others.

        Of the others that are trained on: where one language is, all else may go, and the median with it.
        """
        kept = self.kept(losses)
        trained = {name: part for name, part in kept.items() if name in (self.trained or kept)}
        others = {name: [part for other, part in trained.items() if other != name] for name in kept}
        return {name: part for name, part in kept.items() if others[name] and median(others[name]) - part > LOST}


def known(source: Mapping[str, LanguageLoss], tokens: "Tokens", trained: Collection[str] = ()) -> Known:
    """The unigram losses are counted on the texts for training. trained: the languages of these; () for all."""
    unigram = {name: _entropy(tokens.languages[name].train) for name in source if name in tokens.languages}
    return Known(source, unigram, tuple(trained))


def _entropy(blocks: "NDArray[Any]") -> float:
    """Nats a token."""
    import numpy as np

    counts = np.bincount(blocks[: max(1, COUNTED // blocks.shape[1])].reshape(-1).astype(np.int64))
    parts = counts[counts > 0] / counts.sum()
    return float(-(parts * np.log(parts)).sum())


def lost_told(found: Mapping[str, float]) -> str:
    """In words, of what `Known.lost` found."""
    told = ", ".join(f"{name} {part:.0%}" for name, part in found.items())
    return f"lost: kept of what the source knows, far less than of the others: {told}"
