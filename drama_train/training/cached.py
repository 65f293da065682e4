"""One contrastive step with cached gradients, exact for any number of processes (GradCache; TRAINING d, E)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drama_train.training import processes
from drama_train.training.encoder import Pooling, encode, padded
from drama_train.training.known import Identity, Known, excluded
from drama_train.training.loss import Masks, Objective, contrastive_loss, spread_out_loss
from drama_train.training.micro_batches import distinct, micro_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One process's share of a step: B queries, and N documents of each, its positive first, one query's after another.

    query_tokens: B rows of token ids; document_tokens: B * N rows. identity is of the documents, (B * N,);
    known of the queries, (B, P). teacher (B, N): its scores of the query's own documents, NaN where there are none.
    B and N are the same in every process. ValueError where documents are no multiple of queries.
    """

    query_tokens: list[list[int]]
    document_tokens: list[list[int]]
    identity: Identity
    known: Known
    teacher: "Tensor | None" = None

    def __post_init__(self) -> None:
        if not self.query_tokens or len(self.document_tokens) % len(self.query_tokens):
            raise ValueError(f"{len(self.document_tokens)} documents for {len(self.query_tokens)} queries")


@dataclass(frozen=True)
class Compute:
    """How a step is computed; the result does not depend on it beyond rounding.

    budget: tokens of a micro-batch, padding included. score_block: queries whose scores are in memory at once.
    """

    pooling: Pooling = "mean"
    budget: int = 4096
    score_block: int = 256
    pad: int = 0
    device: str = "cpu"
    autocast: "torch.dtype | None" = None
    repeats: bool = True  # a text that stands in the global batch twice counts once


@dataclass(frozen=True)
class StepResult:
    """loss: the mean over the queries of all processes. tokens: real tokens that this process encoded."""

    loss: float
    tokens: int


def cached_step(model: Any, batch: Batch, objective: Objective, compute: Compute) -> StepResult:
    """Add the gradient of the mean loss over all processes' queries to the model's parameters.

    The model may be plain, in DDP or FSDP2: gradients are those that their averaging over processes makes right.
    """
    import torch

    texts = distinct(batch.query_tokens + batch.document_tokens)
    cut = micro_batches([len(row) for row in texts.rows], compute.budget)
    passes = [_Pass(model, [texts.rows[at] for at in numbers], compute) for numbers in cut]
    more = processes.most(len(passes)) - len(passes)
    with torch.no_grad():
        encoded = torch.cat([one.first() for one in passes])
        for _ in range(more):  # FSDP exchanges weights at every forward, and all processes must take part
            passes[-1].encode()
    place = torch.empty(len(texts.rows), dtype=torch.long)
    place[[at for numbers in cut for at in numbers]] = torch.arange(len(texts.rows))
    rows = place[texts.numbers].to(encoded.device)  # of each text of the step, its row in `encoded`
    leaf = encoded.requires_grad_()
    loss, gradient = _loss_and_gradient(leaf, rows, batch, objective, compute)
    _backward(model, passes, more, gradient * processes.world_size())  # the reducer averages
    return StepResult(loss, texts.tokens)


def _loss_and_gradient(
    leaf: "Tensor", rows: "Tensor", batch: Batch, objective: Objective, compute: Compute
) -> "tuple[float, Tensor]":
    """The loss of all processes, and its gradient with respect to this process's vectors (U, D)."""
    import torch

    count, columns = len(batch.query_tokens), len(batch.document_tokens)
    total = count * processes.world_size()
    with torch.no_grad():
        documents = processes.gathered(leaf[rows[count:]])  # (C, D)
    documents.requires_grad_()
    identity = Identity(*(processes.gathered(one.to(leaf.device)) for one in batch.identity.fields()))
    first = processes.rank() * columns
    own = first + torch.arange(columns, device=leaf.device).view(count, -1)  # (B, N)
    loss = leaf.new_zeros(())
    for start in range(0, count, compute.score_block):
        end = min(count, start + compute.score_block)
        part = own[start:end]
        known = Known(*(one.to(leaf.device) for one in batch.known.rows(start, end).fields()))
        mask = excluded(known, identity, part, repeats=compute.repeats)
        teacher = None if batch.teacher is None else batch.teacher[start:end].to(leaf.device)
        scored = contrastive_loss(leaf[rows[start:end]], documents, Masks(part, mask, teacher), objective) / total
        # here, so that one block's scores are in memory at a time
        scored.backward()  # type: ignore[no-untyped-call]
        loss += scored.detach()
    if objective.spread_out:
        spread = spread_out_loss(documents, objective) / processes.world_size()  # each process has all of it
        spread.backward()  # type: ignore[no-untyped-call]
        loss += spread.detach()
    assert documents.grad is not None
    assert leaf.grad is not None
    gradient = leaf.grad.index_add(0, rows[count:], processes.reduced_share(documents.grad))
    return float(processes.summed(loss)), gradient


def _backward(model: Any, passes: "list[_Pass]", more: int, gradient: "Tensor") -> None:
    """The second forward of each micro-batch, and backward; gradients are exchanged at the last one alone.

    A process goes through its last micro-batch `more` times again, with a gradient of zero, so that all go through as
    many.
    """
    start = 0
    for at, one in enumerate(passes):
        end = start + len(one.rows)
        with _exchange(model, is_last=at == len(passes) + more - 1):
            one.second(gradient[start:end])
        start = end
    for at in range(more):
        with _exchange(model, is_last=at == more - 1):
            passes[-1].second(gradient[-len(passes[-1].rows) :] * 0)


def _exchange(model: Any, *, is_last: bool) -> "AbstractContextManager[Any]":
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(is_last)
        return nullcontext()
    if hasattr(model, "no_sync") and not is_last:  # DDP
        no_sync: Callable[[], AbstractContextManager[Any]] = model.no_sync
        return no_sync()
    return nullcontext()


class _Pass:
    """One micro-batch: encoded without gradients, and once more with them and with the same random numbers."""

    def __init__(self, model: Any, rows: list[list[int]], compute: Compute) -> None:
        self.model, self.rows, self.compute = model, rows, compute
        self._random: dict[str, Any] = {}

    def first(self) -> "Tensor":
        self._random = _random_state(self.compute.device)
        return self.encode()

    def second(self, gradient: "Tensor") -> None:
        with _replayed(self._random):
            vectors = self.encode()
        vectors.backward(gradient.to(vectors.dtype))  # type: ignore[no-untyped-call]

    def encode(self) -> "Tensor":
        """(rows, D), in float32 or wider."""
        import torch

        ids, mask = padded(self.rows, self.compute.pad, self.compute.device)
        kind = self.compute.autocast
        with torch.autocast(ids.device.type, dtype=kind, enabled=kind is not None):
            return encode(self.model, ids, mask, self.compute.pooling)


def _random_state(device: str) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


@contextmanager
def _replayed(state: dict[str, Any]) -> Iterator[None]:
    """Draw the random numbers from `state`, then go on from where they were."""
    import torch

    devices = [torch.cuda.current_device()] if "cuda" in state else []
    with torch.random.fork_rng(devices):
        torch.set_rng_state(state["cpu"])
        if devices:
            torch.cuda.set_rng_state(state["cuda"])
        yield
