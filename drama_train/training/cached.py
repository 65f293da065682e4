"""One contrastive step with cached gradients, exact for any number of processes (GradCache, arXiv 2101.06983)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drama_train.training import processes
from drama_train.training.batch_loss import loss_and_gradients
from drama_train.training.embedding import RowsRead, add_gradients, rows_read
from drama_train.training.encoder import Pooling, encode, padded
from drama_train.training.known import Identity, Known
from drama_train.training.loop import StepResult
from drama_train.training.loss import Objective
from drama_train.training.micro_batches import distinct, micro_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor


# The last micro-batch is encoded once where there are no more than so many. One of eight is 3% of the time of a step;
# of more it is not worth having its graph in memory beside the scores.
FEW = 8


@dataclass(frozen=True)
class Batch:
    """One process's share of a step: B queries, and N documents of each, its positive first, one query's after another.

    query_tokens: B rows of token ids; document_tokens: B * N rows. identity is of the documents, (B * N,);
    known numbers queries by their place here. teacher (B, N): its scores of the query's own documents, NaN where there
    are none. B and N are the same in every process. ValueError where documents are no multiple of queries.
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

    budget: tokens of a micro-batch, padding included. score_block: queries whose scores are in memory at
    once, at most: fewer where documents are many (batch_loss.SCORES).
    """

    pooling: Pooling = "mean"
    budget: int = 4096
    score_block: int = 256
    pad: int = 0
    device: str = "cpu"
    autocast: "torch.dtype | None" = None
    repeats: bool = True  # a text that stands in the global batch twice counts once


def cached_step(model: Any, batch: Batch, objective: Objective, compute: Compute) -> StepResult:
    """Add the gradient of the mean loss over all processes' queries to the model's parameters.

    The model may be plain, in DDP or FSDP2: gradients are those that their averaging over processes makes right.
    """
    import torch

    texts = distinct(batch.query_tokens + batch.document_tokens)
    cut = micro_batches([len(row) for row in texts.rows], compute.budget)[::-1]  # the most tokens last: they are kept
    passes = [_Pass(model, [texts.rows[at] for at in numbers], compute) for numbers in cut]
    more = processes.most(len(passes)) - len(passes)
    with torch.no_grad():
        firsts = [one.first() for one in passes[:-1]]
        for _ in range(more):  # FSDP exchanges weights at every forward, and all processes must take part
            passes[0].encode()
    is_kept = _is_plain(model) and len(passes) <= FEW
    encoded = torch.cat([*firsts, passes[-1].kept() if is_kept else passes[-1].first()])
    del firsts
    place = torch.empty(len(texts.rows), dtype=torch.long)
    place[[at for numbers in cut for at in numbers]] = torch.arange(len(texts.rows))
    rows = place[texts.numbers].to(encoded.device)  # of each text of the step, its row in `encoded`
    count, shape = len(batch.query_tokens), encoded.shape
    queries, documents = encoded[rows[:count]], encoded[rows[count:]]
    del encoded
    loss = loss_and_gradients(queries, documents, batch, objective, compute)
    gradient = queries.new_zeros(shape).index_add_(0, rows[:count], queries).index_add_(0, rows[count:], documents)
    del queries, documents
    _backward(model, passes, more, gradient.mul_(processes.world_size()))  # the reducer averages
    return StepResult(loss, texts.tokens)


def _backward(model: Any, passes: "list[_Pass]", more: int, gradient: "Tensor") -> None:
    """The second forward of each micro-batch, and backward; gradients are exchanged at the last one alone.

    From the last to the first: the last one's graph may have been kept, and is let go of before the next is made. A
    process goes through its first micro-batch `more` times again, with a gradient of zero, so that all go through as
    many.
    """
    end = len(gradient)
    for at, one in reversed(list(enumerate(passes))):
        start = end - len(one.rows)
        with processes.exchanging(model, is_last=at + more == 0):
            one.second(gradient[start:end])
        end = start
    for at in range(more):
        with processes.exchanging(model, is_last=at == more - 1):
            passes[0].second(gradient[: len(passes[0].rows)] * 0)


def _is_plain(model: Any) -> bool:
    """No wrapper exchanges its gradients."""
    return not hasattr(model, "set_requires_gradient_sync") and not hasattr(model, "no_sync")


def _trains_embeddings(model: Any) -> bool:
    return bool(model.get_input_embeddings().weight.requires_grad)


class _Pass:
    """One micro-batch: encoded without gradients, and once more with them and with the same random numbers.

    Where it is kept, the first graph serves: one is in memory while none other is.
    """

    def __init__(self, model: Any, rows: list[list[int]], compute: Compute) -> None:
        self.model, self.rows, self.compute = model, rows, compute
        self._random: dict[str, Any] = {}
        self._graph: tuple[Tensor, list[RowsRead]] | None = None

    def first(self) -> "Tensor":
        import torch

        self._random = _random_state(self.compute.device)
        with torch.no_grad():
            return self.encode()

    def kept(self) -> "Tensor":
        self._graph = self._with_graph()
        return self._graph[0].detach()

    def second(self, gradient: "Tensor") -> None:
        graph, self._graph = self._graph, None
        if graph is None:
            with _replayed(self._random):
                graph = self._with_graph()
        vectors, read = graph
        vectors.backward(gradient.to(vectors.dtype))  # type: ignore[no-untyped-call]
        if read:
            add_gradients(self.model, read)

    def _with_graph(self) -> "tuple[Tensor, list[RowsRead]]":
        """The vectors, and the rows of embeddings that wait for their gradients. On a GPU the table's is quick."""
        if not (self.compute.device == "cpu" and _is_plain(self.model) and _trains_embeddings(self.model)):
            return self.encode(), []
        with rows_read(self.model) as read:
            return self.encode(), read

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
