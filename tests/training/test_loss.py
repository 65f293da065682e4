"""The loss: by hand, against plain loops, and against sentence-transformers."""

import math
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import cosine_similarity

from builders.cli.errors import UserError
from drama_train.training.known import Identity, Known, excluded
from drama_train.training.loss import Masks, Objective, contrastive_loss, spread_out_loss

NONE = torch.zeros((2, 3), dtype=torch.bool)


def _vectors(count: int, dim: int, seed: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_two_queries_and_three_documents_by_hand() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    documents = torch.tensor([[3.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    half = math.sqrt(0.5)
    e = math.exp
    first = -math.log(e(2) / (e(2) + e(0) + e(2 * half)))  # cosines 1, 0, 0.707 at temperature 0.5
    second = -math.log(e(2) / (e(0) + e(2) + e(2 * half)))
    masks = Masks(torch.tensor([[0, 2], [1, 2]]), NONE)
    assert float(contrastive_loss(queries, documents, masks, Objective(0.5))) == pytest.approx(first + second)
    alone = Masks(torch.tensor([[0, 2], [1, 2]]), torch.tensor([[False, True, False], [True, False, True]]))
    expected = -math.log(e(2) / (e(2) + e(2 * half)))  # the second query has its positive alone: 0
    assert float(contrastive_loss(queries, documents, alone, Objective(0.5))) == pytest.approx(expected)


def test_a_positive_is_never_excluded() -> None:
    queries, documents = _vectors(2, 4, 0), _vectors(3, 4, 1)
    own = torch.tensor([[0], [2]])
    everything = Masks(own, torch.ones((2, 3), dtype=torch.bool))
    assert float(contrastive_loss(queries, documents, everything, Objective())) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dims": (8, 4, 2), "weights": (1.0, 0.5, 2.0)},
        {"score_margin": 0.1},
        {"hardness": 5.0},
        {"distillation": 0.7, "teacher_temperature": 0.3},
        {"dims": (8, 3), "score_margin": 0.0, "hardness": 2.0, "distillation": 1.0},
    ],
)
def test_the_loss_equals_plain_loops(options: dict[str, Any]) -> None:
    objective = Objective(temperature=0.2, **options)
    queries, documents = _vectors(5, 8, 2), _vectors(15, 8, 3)
    own = torch.arange(15).view(5, 3)
    mask = torch.rand(5, 15, generator=torch.Generator().manual_seed(4)) < 0.3
    teacher = _vectors(5, 3, 5)
    teacher[1, 2] = math.nan  # a row that the teacher did not score
    found = contrastive_loss(queries, documents, Masks(own, mask, teacher), objective)
    assert float(found) == pytest.approx(_by_loops(queries, documents, own, mask, teacher, objective), abs=1e-10)


def _by_loops(queries: Tensor, documents: Tensor, own: Tensor, mask: Tensor, teacher: Tensor, o: Objective) -> float:
    total = 0.0
    for dim, weight in zip(o.dims or (8,), o.weights or (1.0,) * max(1, len(o.dims)), strict=True):
        for i in range(len(queries)):
            cosine = [float(cosine_similarity(queries[i, :dim], d[:dim], dim=0)) for d in documents]
            positive, hard = int(own[i, 0]), own[i, 1:].tolist()
            sum_ = 0.0
            for j, value in enumerate(cosine):
                too_near = o.score_margin is not None and value > cosine[positive] + o.score_margin
                if j != positive and (mask[i, j] or too_near):
                    continue
                sum_ += math.exp(value / o.temperature + (o.hardness * value if j in hard else 0))
            total -= weight * (cosine[positive] / o.temperature - math.log(sum_))
            if o.distillation and torch.isfinite(teacher[i]).all():
                student = torch.tensor([cosine[j] for j in own[i].tolist()], dtype=torch.float64) / o.temperature
                p = torch.softmax(teacher[i] / o.teacher_temperature, 0)
                total += weight * o.distillation * float((p * (p.log() - torch.log_softmax(student, 0))).sum())
    return total


def test_fixed_scores_carry_no_gradient() -> None:
    """hardness and score_margin look at cosines that are held fixed."""
    queries, documents = _vectors(2, 4, 6).requires_grad_(), _vectors(4, 4, 7)
    own = torch.tensor([[0, 1], [2, 3]])
    masks = Masks(own, torch.zeros((2, 4), dtype=torch.bool))
    contrastive_loss(queries, documents, masks, Objective(0.5, hardness=3.0)).backward()
    found = queries.grad.clone()
    fixed = torch.nn.functional.cosine_similarity(queries.detach()[:, None], documents[None], dim=2)
    queries.grad = None
    scores = torch.nn.functional.cosine_similarity(queries[:, None], documents[None], dim=2) / 0.5
    scores = scores + torch.zeros_like(scores).scatter(1, own[:, 1:], 3.0 * fixed.gather(1, own[:, 1:]))
    torch.nn.functional.cross_entropy(scores, own[:, 0], reduction="sum").backward()
    torch.testing.assert_close(found, queries.grad)


def test_spread_out_equals_all_pairs() -> None:
    documents = _vectors(6, 8, 8)
    objective = Objective(dims=(8, 3), weights=(1.0, 2.0), spread_out=0.5)
    expected = 0.0
    for dim, weight in ((8, 1.0), (3, 2.0)):
        pairs = [
            float(cosine_similarity(documents[i, :dim], documents[j, :dim], dim=0)) ** 2
            for i in range(6)
            for j in range(6)
            if i != j
        ]
        expected += 0.5 * weight * sum(pairs) / len(pairs)
    assert float(spread_out_loss(documents, objective)) == pytest.approx(expected)


def test_a_dimension_wider_than_the_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="dimension 16 of a vector of 8"):
        Objective(dims=(16,)).slices(8)
    with pytest.raises(UserError, match="1 --weights for 2"):
        Objective(dims=(4, 8), weights=(1.0,))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"temperature": math.nan}, "temperature of 0 or less"),
        ({"temperature": math.inf}, "temperature of 0 or less"),
        ({"teacher_temperature": math.nan}, "temperature of 0 or less"),
        ({"dims": (8,), "weights": (math.nan,)}, "one that is not above 0"),
        ({"dims": (8, 4, 8)}, "hold one twice"),
        ({"hardness": math.nan}, "--hardness nan cannot be used"),
        ({"distillation": -1.0}, "--distillation -1 cannot be used"),
        ({"spread_out": -1.0}, "--spread-out -1 cannot be used"),
        ({"score_margin": math.nan}, "--score-margin nan is no difference"),
    ],
)
def test_what_cannot_be_minimised_is_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault) as raised:
        Objective(**given)
    assert raised.value.exit_code == 2


def test_known_positives_and_their_twins_are_no_negatives() -> None:
    columns = Identity(
        document=torch.tensor([1, 2, 3, 1, -1]),
        text=torch.tensor([10, 20, 30, 10, 40]),
        cluster=torch.tensor([7, 8, 7, 9, -1]),
    )
    known = Known(*(torch.tensor(rows) for rows in ([0, 1, 1], [1, 2, 3], [10, -1, -1], [7, -1, -1])))
    own = torch.tensor([[0], [1]])
    found = excluded(known, columns, own, repeats=False)
    assert found.tolist() == [[True, False, True, True, False], [False, True, True, False, False]]


def test_a_text_that_stands_twice_counts_once_and_the_own_copy_stays() -> None:
    text = torch.tensor([5, 6, 5, 7, 6])
    columns = Identity(torch.arange(5), text, torch.full((5,), -1))
    nothing = torch.zeros(0, dtype=torch.long)
    own = torch.tensor([[0, 1], [2, 4]])
    found = excluded(Known(nothing, nothing, nothing, nothing), columns, own, repeats=True)
    assert found.tolist() == [[False, False, True, False, True], [True, True, False, False, False]]


@pytest.mark.parametrize("dims", [(), (32, 16, 4)])
def test_the_loss_equals_that_of_sentence_transformers(dims: tuple[int, ...]) -> None:
    from sentence_transformers.sentence_transformer import losses

    queries, documents = _vectors(4, 32, 9).float(), _vectors(12, 32, 10).float()
    model = SentenceTransformer(modules=[torch.nn.Identity()], device="cpu")
    plain = losses.MultipleNegativesRankingLoss(model, scale=50.0)
    total = 0.0
    for dim in dims or (32,):
        columns = [documents[at::3, :dim] for at in range(3)]
        total += float(plain.compute_loss_from_embeddings([queries[:, :dim], *columns], torch.empty(0)))
    own = torch.arange(12).view(4, 3)
    masks = Masks(own, torch.zeros((4, 12), dtype=torch.bool))
    found = float(contrastive_loss(queries, documents, masks, Objective(0.02, dims))) / 4
    assert found == pytest.approx(total, rel=1e-5)
