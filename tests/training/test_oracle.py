"""A step equals that of sentence-transformers' cached loss: the loss, and the gradient of every parameter."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from drama_train.training.cached import Batch, Compute, cached_step
from drama_train.training.known import Identity, Known
from drama_train.training.loss import Objective
from tests.llm.tiny_llama import one_thread
from tests.training.cached_oracle import columns_of, oracle_loss, oracle_step, sentence_transformer
from tests.training.making import NEGATIVES, gradients, make_batch, tiny_model

pytestmark = pytest.mark.slow  # sentence-transformers takes as long to open as all these tests

MATRYOSHKA = Objective(0.02, dims=(16, 8, 4), weights=(1.0, 0.5, 2.0))
QUERIES = 5


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def _batch() -> Batch:
    """Texts that stand twice stay in it, which we encode once; none is masked, as the oracle masks none."""
    batch = make_batch(QUERIES, seed=1)
    numbers = torch.arange(len(batch.document_tokens))
    nothing = torch.zeros(0, dtype=torch.long)
    known = Known(nothing, nothing, nothing, nothing)
    return replace(batch, identity=Identity(numbers, numbers, numbers), known=known)


def _oracle(objective: Objective, dtype: torch.dtype, **sizes: int | None) -> tuple[float, dict[str, torch.Tensor]]:
    model = tiny_model(dtype=dtype)
    value = oracle_step(oracle_loss(sentence_transformer(model), objective, **sizes), _batch())
    return value, gradients(model)


@pytest.mark.parametrize(
    "sizes",
    [{"mini_batch_size": 2}, {"mini_batch_size": 2, "mini_batch_num_tokens": 20}, {"mini_batch_size": 100}],
    ids=["by texts", "by tokens", "whole"],
)
@pytest.mark.parametrize(
    "objective",
    [Objective(0.02), replace(MATRYOSHKA, weights=()), MATRYOSHKA],
    ids=["one dimension", "dimensions", "weighted dimensions"],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_a_step_equals_that_of_sentence_transformers(
    sizes: dict[str, Any], objective: Objective, dtype: torch.dtype, tolerance: float
) -> None:
    loss, expected = _oracle(objective, dtype, **sizes)
    assert loss > 1
    biggest = max(float(one.abs().max()) for one in expected.values())
    for budget, score_block in ((1, 1), (30, 2), (10_000, 100)):
        model = tiny_model(dtype=dtype)
        compute = Compute(budget=budget, score_block=score_block, repeats=False)
        assert cached_step(model, _batch(), objective, compute).loss == pytest.approx(loss, rel=tolerance)
        found = gradients(model)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, atol=tolerance * biggest, rtol=0)


def test_the_batch_has_what_a_wrong_step_would_get_wrong() -> None:
    """Hard negatives, unequal lengths, a text that stands twice, and many micro-batches on either side."""
    batch = _batch()
    rows = [tuple(row) for row in batch.query_tokens + batch.document_tokens]
    assert NEGATIVES > 1
    assert len(set(map(len, rows))) > 5
    assert len(set(rows)) < len(rows)
    columns = columns_of(batch, 0)
    assert len(columns) == 2 + NEGATIVES
    assert int(sum(column["attention_mask"].sum() for column in columns)) == sum(map(len, rows))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(MATRYOSHKA, temperature=0.021),
        replace(MATRYOSHKA, weights=(1.0, 0.5, 2.1)),
        replace(MATRYOSHKA, dims=(16, 8, 3)),
        replace(MATRYOSHKA, hardness=0.1),
    ],
    ids=["temperature", "weight", "dimension", "hardness"],
)
def test_another_objective_is_another_gradient(wrong: Objective) -> None:
    """By far more than the tolerance above, in every parameter."""
    loss, expected = _oracle(MATRYOSHKA, torch.float64)
    model = tiny_model()
    other = cached_step(model, _batch(), wrong, Compute(budget=30, repeats=False)).loss
    assert abs(other - loss) > 1e-4
    for name, gradient in gradients(model).items():
        assert float((gradient - expected[name]).abs().max()) > 1e-5, name
