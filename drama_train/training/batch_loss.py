"""The loss of a whole step and its gradient with respect to the vectors, in blocks that bound its memory."""

from typing import TYPE_CHECKING

from drama_train.training import processes
from drama_train.training.known import Identity, Known, excluded
from drama_train.training.loss import Masks, Objective, loss_of_units, spread_out_loss, unit_slices

if TYPE_CHECKING:
    from torch import Tensor

    from drama_train.training.cached import Batch, Compute

# Scores in memory at once, of each dimension and stage of the loss: where documents are many, fewer queries at a time,
# but no fewer than LEAST, so that products of matrices stay quick.
SCORES, LEAST = 2**20, 32
ROWS = 4096  # vectors that are normalised at once


def loss_and_gradients(
    queries: "Tensor", own_documents: "Tensor", batch: "Batch", objective: Objective, compute: "Compute"
) -> float:
    """The loss of all processes; queries (B, D) and own_documents (B * N, D) are overwritten with their gradients.

    In place and in blocks, because of a large batch these vectors are what is large.
    """
    import torch

    count, columns = len(queries), len(own_documents)
    total = count * processes.world_size()
    documents = processes.gathered(own_documents)  # (C, D)
    units = [one.requires_grad_() for one in unit_slices(documents, objective)]  # gradients add up over the blocks
    identity = Identity(*(processes.gathered(one.to(queries.device)) for one in batch.identity.fields()))
    first = processes.rank() * columns
    own = first + torch.arange(columns, device=queries.device).view(count, -1)  # (B, N)
    loss = queries.new_zeros(())
    block = min(compute.score_block, max(LEAST, SCORES // len(documents)))
    for start in range(0, count, block):
        end = min(count, start + block)
        part = own[start:end]
        known = Known(*(one.to(queries.device) for one in batch.known.rows(start, end).fields()))
        mask = excluded(known, identity, part, repeats=compute.repeats)
        teacher = None if batch.teacher is None else batch.teacher[start:end].to(queries.device)
        rows = queries[start:end].clone().requires_grad_()
        scored = loss_of_units(unit_slices(rows, objective), units, Masks(part, mask, teacher), objective) / total
        # here, so that one block's scores are in memory at a time
        scored.backward()  # type: ignore[no-untyped-call]
        loss += scored.detach()
        assert rows.grad is not None
        queries[start:end] = rows.grad
    spread = None
    if objective.spread_out:
        leaf = documents.clone().requires_grad_()
        value = spread_out_loss(leaf, objective) / processes.world_size()  # each process has all of it
        value.backward()  # type: ignore[no-untyped-call]
        loss += value.detach()
        spread = leaf.grad
    gradients = [one.grad for one in units]
    del units
    _through_normalisation(documents, gradients, objective)
    if spread is not None:
        documents += spread
    own_documents.copy_(processes.reduced_share(documents))
    return float(processes.summed(loss))


def _through_normalisation(vectors: "Tensor", gradients: "list[Tensor | None]", objective: Objective) -> None:
    """Overwrites vectors (C, D) with their gradient, given that of each of `unit_slices`, in blocks of rows."""
    import torch

    for start in range(0, len(vectors), ROWS):
        rows = vectors[start : start + ROWS].clone().requires_grad_()
        torch.autograd.backward(
            unit_slices(rows, objective), [one[start : start + ROWS] for one in gradients if one is not None]
        )
        assert rows.grad is not None
        vectors[start : start + ROWS] = rows.grad
