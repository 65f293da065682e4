"""What ranks chunks for queries: a model's vectors, BM25, or both fused by their ranks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from builders.retrieval.approximate import Kind, Recall, approximate_top_k
from builders.retrieval.bm25 import BM25
from builders.retrieval.bm25 import NAME as BM25_NAME
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.rankings import Ranking, fuse
from builders.retrieval.topk import top_k
from builders.retrieval.vectors import Vectors

RetrieverName = Literal["dense", "bm25", "fused"]
# A fusion looks this many times deeper than it returns: what one ranks below k the other may lift.
FUSED_DEPTH = 2


@dataclass(frozen=True)
class Batch:
    """Queries that are searched together: their texts, and their vectors where a model ranks."""

    texts: Sequence[str]
    vectors: NDArray[Any] | None  # (n, dim)

    def rows(self, rows: NDArray[np.int64]) -> "Batch":
        return Batch([self.texts[row] for row in rows], None if self.vectors is None else self.vectors[rows])


class Retriever(Protocol):
    """Ranks the documents, numbered in the order of their ids, for each query of a batch."""

    def search(self, batch: Batch, k: int, restriction: Restriction | None) -> Ranking: ...


@dataclass(frozen=True)
class Dense:
    """Exact inner products with stored vectors; `numbers` is document_order's."""

    vectors: Vectors
    numbers: NDArray[np.int64]
    memory_limit: int
    device: str

    def search(self, batch: Batch, k: int, restriction: Restriction | None) -> Ranking:
        assert batch.vectors is not None
        blocks = self.vectors.blocks(self.numbers)
        limits = {"memory_limit": self.memory_limit, "device": self.device}
        return top_k(batch.vectors, blocks, k, restriction=restriction, **limits)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Approximate:
    """The same through a faiss index, which is built for each batch; `measured` is told its recall."""

    vectors: Vectors
    numbers: NDArray[np.int64]
    kind: Kind
    effort: int
    memory_limit: int
    measured: Callable[[Recall], None]

    def search(self, batch: Batch, k: int, restriction: Restriction | None) -> Ranking:
        assert batch.vectors is not None
        ranking, recall = approximate_top_k(
            batch.vectors,
            lambda: self.vectors.blocks(self.numbers),
            k,
            kind=self.kind,
            effort=self.effort,
            memory_limit=self.memory_limit,
            restriction=restriction,
        )
        self.measured(recall)
        return ranking


@dataclass(frozen=True)
class Words:
    """BM25 over an index in memory."""

    index: BM25

    def search(self, batch: Batch, k: int, restriction: Restriction | None) -> Ranking:
        return self.index.top_k(batch.texts, k, restriction=restriction)


@dataclass(frozen=True)
class Fused:
    """Reciprocal rank fusion of several retrievers."""

    parts: tuple[Retriever, ...]

    def search(self, batch: Batch, k: int, restriction: Restriction | None) -> Ranking:
        return fuse([part.search(batch, FUSED_DEPTH * k, restriction) for part in self.parts], k)


def retriever_name(kind: RetrieverName, model: str) -> str:
    """What is recorded on each row that was ranked."""
    return {"dense": model, "bm25": BM25_NAME, "fused": f"{model}+{BM25_NAME}"}[kind]
