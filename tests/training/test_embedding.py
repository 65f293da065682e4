"""The embeddings' gradient by the rows read equals autograd's, the row that pads and a frozen table included."""

import pytest
import torch

from drama_train.training.cached import Compute, cached_step
from drama_train.training.embedding import add_gradients, rows_read
from drama_train.training.loss import Objective
from tests.training.making import make_batch, tiny_model

IDS = torch.tensor([[5, 9, 5, 7], [9, 9, 11, 0]])


@pytest.mark.parametrize("pads", [None, 9])
def test_rows_read_have_the_gradient_of_the_whole_table(pads: int | None) -> None:
    one, other = tiny_model(), tiny_model()
    one.embed_tokens.padding_idx = other.embed_tokens.padding_idx = pads
    for _ in range(2):  # the second adds to the first
        expected = one(input_ids=IDS).last_hidden_state
        expected.square().sum().backward()
        with rows_read(other) as read:
            found = other(input_ids=IDS).last_hidden_state
        assert torch.equal(found, expected)
        assert [rows.numbers.tolist() for rows in read] == [[0, 5, 7, 9, 11]]
        found.square().sum().backward()
        add_gradients(other, read)
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert float(a.grad.abs().max()) > 0, name
        torch.testing.assert_close(b.grad, a.grad, atol=1e-12, rtol=1e-12)
    moved = other.embed_tokens.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert moved == ([0, 5, 7, 9, 11] if pads is None else [0, 5, 7, 11])


def test_the_table_is_read_as_before_when_all_is_done() -> None:
    model = tiny_model()
    with rows_read(model):
        pass
    model(input_ids=IDS).last_hidden_state.sum().backward()
    assert model.embed_tokens.weight.grad is not None


def test_frozen_embeddings_stay_so() -> None:
    model = tiny_model()
    model.embed_tokens.weight.requires_grad_(False)
    cached_step(model, make_batch(4, seed=1), Objective(0.1), Compute(budget=20))
    assert model.embed_tokens.weight.grad is None
    assert float(model.norm.weight.grad.abs().max()) > 0
