"""The gradient of the token embeddings: of the rows that a micro-batch reads, and not of the whole table.

Autograd makes a gradient as large as the table for each micro-batch (SmolLM2: 113 MB) and adds it to the others'. Here
a forward pass reads a small table of the rows it needs. The sums are the same but for the order of their parts, which
is always the same one. For a model that no wrapper waits for the gradients of.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RowsRead:
    """numbers (R,): rows of the table, ascending, each once. small (R, D): a copy of them, a leaf."""

    numbers: "Tensor"
    small: "Tensor"


@contextmanager
def rows_read(model: Any) -> Iterator[list[RowsRead]]:
    """The forward passes within read small tables: the list of them, for `add_gradients`."""
    import torch

    found: list[RowsRead] = []

    def from_small_table(table: Any, given: "tuple[Tensor, ...]", _: "Tensor") -> "Tensor":
        numbers, places = torch.unique(given[0], return_inverse=True)
        found.append(RowsRead(numbers, table.weight.detach()[numbers].requires_grad_()))
        return torch.nn.functional.embedding(places, found[-1].small)

    hook = model.get_input_embeddings().register_forward_hook(from_small_table)
    try:
        yield found
    finally:
        hook.remove()


def add_gradients(model: Any, read: list[RowsRead]) -> None:
    """Adds what backward left in the small tables to the gradient of the table."""
    import torch

    table = model.get_input_embeddings()
    if table.weight.grad is None:
        table.weight.grad = torch.zeros_like(table.weight)
    for rows in read:
        assert rows.small.grad is not None
        # the row that pads has no gradient, as in torch.nn.Embedding
        kept = rows.numbers != (-1 if table.padding_idx is None else table.padding_idx)
        table.weight.grad[rows.numbers[kept]] += rows.small.grad[kept]
