"""InfoNCE over all documents of the global batch, Matryoshka, and what may be switched on beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """What is minimised. The defaults are DRAMA's (4.4), whose paper leaves the temperature open."""

    temperature: float = 0.02
    """Cosines are divided by it; 0.02 is usual in small retrievers."""
    dims: tuple[int, ...] = ()
    """Matryoshka: the loss is summed over the first so many dimensions; () is the whole vector alone."""
    weights: tuple[float, ...] = ()
    """The weight of each of `dims`; () is 1 each."""
    score_margin: float | None = None
    """Leave out negatives whose cosine is above the positive's by more than this (Qwen3-Embedding: 0.1)."""
    hardness: float = 0.0
    """exp(hardness * cosine) weighs a query's own hard negatives, the cosine held fixed (EmbeddingGemma: 5)."""
    distillation: float = 0.0
    """The weight of KL(teacher || student) over a query's own documents."""
    teacher_temperature: float = 0.02
    """The teacher's scores are divided by it."""
    spread_out: float = 0.0
    """The weight of the mean squared cosine of two different documents of the batch."""

    def __post_init__(self) -> None:
        if not all(0 < one < math.inf for one in (self.temperature, self.teacher_temperature)):
            raise UserError(
                "A temperature of 0 or less, or without end, divides nothing: give one above 0.", exit_code=2
            )
        if self.weights and len(self.weights) != len(self.dims):
            raise UserError(
                f"There are {len(self.weights)} --weights for {len(self.dims)} --dims: give one each.", exit_code=2
            )
        if not all(0 < weight < math.inf for weight in self.weights):
            raise UserError(f"The --weights {self.weights} hold one that is not above 0.", exit_code=2)
        if len(set(self.dims)) < len(self.dims):
            raise UserError(f"The --dims {self.dims} hold one twice: give each once, with its weight.", exit_code=2)
        for name in ("hardness", "distillation", "spread_out"):
            if not 0 <= getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise UserError(f"The --{flag} {getattr(self, name):g} cannot be used: give 0 or more.", exit_code=2)
        if self.score_margin is not None and not math.isfinite(self.score_margin):
            raise UserError(
                f"The --score-margin {self.score_margin} is no difference of cosines: give 0.1, say.", exit_code=2
            )

    def slices(self, width: int) -> list[tuple[int, float]]:
        """(dimension, weight) of each part of the sum. ValueError where a dimension is wider than the vector."""
        dims = self.dims or (width,)
        if wide := [dim for dim in dims if not 0 < dim <= width]:
            raise ValueError(f"dimension {wide[0]} of a vector of {width}")
        return list(zip(dims, self.weights or (1.0,) * len(dims), strict=True))


@dataclass(frozen=True)
class Masks:
    """What is known of Q queries and C documents, beside their vectors.

    own (Q, 1 + n): the columns of each query's positive (first) and hard negatives. excluded (Q, C): what is no
    negative of that query; the positive's own column is never excluded. teacher (Q, 1 + n): a teacher's scores of
    `own`, NaN where it gave none.
    """

    own: "Tensor"
    excluded: "Tensor"
    teacher: "Tensor | None" = None


def contrastive_loss(queries: "Tensor", documents: "Tensor", masks: Masks, objective: Objective) -> "Tensor":
    """The sum over queries, a scalar: queries (Q, D), documents (C, D), neither normalised, both float32 or float64.

    For each dimension k, with s the cosine of the first k (DRAMA 4.4):
    -log exp(s+ / t) / (exp(s+ / t) + sum over documents that are not excluded of exp(s / t)).
    """
    return loss_of_units(unit_slices(queries, objective), unit_slices(documents, objective), masks, objective)


def unit_slices(vectors: "Tensor", objective: Objective) -> "list[Tensor]":
    """(R, D) -> for each dimension k the first k of every vector, at length 1: (R, k)."""
    return [_unit(vectors[:, :dim]) for dim, _ in objective.slices(vectors.shape[1])]


def loss_of_units(
    queries: "Sequence[Tensor]", documents: "Sequence[Tensor]", masks: Masks, objective: Objective
) -> "Tensor":
    """`contrastive_loss` of what `unit_slices` gives: where queries come in blocks, documents are normalised once."""
    import torch

    total = queries[0].new_zeros(())
    weights = objective.weights or (1.0,) * len(queries)
    for of_queries, of_documents, weight in zip(queries, documents, weights, strict=True):
        cosines = of_queries @ of_documents.T  # (Q, C)
        total = total + weight * _info_nce(cosines, masks, objective)
        if objective.distillation and masks.teacher is not None:
            student = torch.log_softmax(cosines.gather(1, masks.own) / objective.temperature, dim=1)
            total = total + weight * objective.distillation * _divergence(student, masks.teacher, objective)
    return total


def spread_out_loss(documents: "Tensor", objective: Objective) -> "Tensor":
    """The mean squared cosine over pairs of two different rows of documents (C, D), summed over dimensions as above.

    By the Gram matrix of the dimensions, (k, k), so that no (C, C) matrix is made.
    """
    count = len(documents)
    total = documents.new_zeros(())
    for dim, weight in objective.slices(documents.shape[1]):
        unit = _unit(documents[:, :dim])
        squares = (unit.T @ unit).square().sum() - unit.square().sum(1).square().sum()
        total = total + weight * squares / max(1, count * (count - 1))
    return objective.spread_out * total


def _unit(vectors: "Tensor") -> "Tensor":
    import torch

    return torch.nn.functional.normalize(vectors, dim=1)


def _info_nce(cosines: "Tensor", masks: Masks, objective: Objective) -> "Tensor":
    import torch

    positive = masks.own[:, :1]
    scores = cosines / objective.temperature
    if objective.hardness:
        hard = masks.own[:, 1:]
        scores = scores.scatter_add(1, hard, objective.hardness * cosines.gather(1, hard).detach())
    excluded = masks.excluded
    if objective.score_margin is not None:
        fixed = cosines.detach()
        excluded = excluded | (fixed > fixed.gather(1, positive) + objective.score_margin)
    excluded = excluded.scatter(1, positive, value=False)
    scores = scores.masked_fill(excluded, float("-inf"))
    return torch.nn.functional.cross_entropy(scores, positive.squeeze(1), reduction="sum")


def _divergence(student: "Tensor", teacher: "Tensor", objective: Objective) -> "Tensor":
    """KL(teacher || student) over the rows where the teacher scored every document."""
    import torch

    is_scored = teacher.isfinite().all(1)
    target = torch.log_softmax(teacher[is_scored].to(student.dtype) / objective.teacher_temperature, dim=1)
    return torch.nn.functional.kl_div(student[is_scored], target, reduction="sum", log_target=True)
