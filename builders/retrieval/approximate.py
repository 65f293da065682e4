"""Approximate top-k by a faiss index, which says how much it missed: its recall against exact search on a sample."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval.block_scores import checked_lengths
from builders.retrieval.document_blocks import Block, float_blocks
from builders.retrieval.rankings import EMPTY, Ranking, pack, unpack
from builders.retrieval.topk import DEFAULT_MEMORY, top_k

Kind = Literal["hnsw", "ivf"]
_BLOCK, _QUERIES = 16_384, 4096
# faiss's own advice: 32 links; about 4 sqrt(n) lists, trained on 40 vectors each.
_LINKS, _TRAINED_ON = 32, 40


@dataclass(frozen=True)
class Recall:
    """The share of the exact top k that was found, over a sample of the queries."""

    queries: int
    k: int
    recall: float


def approximate_top_k(
    queries: NDArray[Any],
    blocks: Callable[[], Iterable[Block]],
    k: int,
    *,
    kind: Kind = "hnsw",
    effort: int = 128,
    sample: int = 200,
    seed: int = 0,
    memory_limit: int = DEFAULT_MEMORY,
) -> tuple[Ranking, Recall]:
    """The ranking and its measured recall. The index is in memory (HNSW: 4 x dim + 256 bytes a document).

    blocks: gives the documents anew at each call; they are read once for the index and once for the exact sample.
    effort: hnsw's efSearch, ivf's nprobe: more finds more and takes longer. A document counts as found where its
    score reaches the exact k-th, so ties do not count against the index.
    """
    if k < 1 or not len(queries):
        raise UserError(f"Top {k} of {len(queries)} queries asks for nothing: give 1 or more of both.", exit_code=2)
    index, numbers = _build(blocks, queries.shape[1], kind, effort)
    packed = np.full((len(queries), k), EMPTY)
    for start in range(0, len(queries), _QUERIES):
        batch = np.ascontiguousarray(queries[start : start + _QUERIES], dtype=np.float32)
        checked_lengths(batch, np.arange(start, start + len(batch)), "query")
        scores, rows = index.search(batch, k)
        hit = rows >= 0
        found = np.full(rows.shape, EMPTY)
        found[hit] = pack(scores[hit], numbers[rows[hit]])
        packed[start : start + len(batch)] = np.sort(found, axis=1)
    ranking = unpack(packed)
    chosen = np.sort(np.random.default_rng(seed).choice(len(queries), min(sample, len(queries)), replace=False))
    exact = top_k(np.asarray(queries[chosen]), blocks(), k, memory_limit=memory_limit)
    return ranking, Recall(len(chosen), k, _recall(exact.scores, ranking.scores[chosen]))


def _recall(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    there = np.isfinite(exact)
    kth = np.where(there, exact, np.inf).min(axis=1, keepdims=True)
    # The index scores in float32, so a document may differ from its exact score in the last decimal.
    hits = np.minimum((found >= kth - 2e-6).sum(axis=1), there.sum(axis=1))
    return float(hits.sum() / max(1, there.sum()))


def _build(blocks: Callable[[], Iterable[Block]], dim: int, kind: Kind, effort: int) -> tuple[Any, NDArray[np.int64]]:
    try:
        import faiss
    except ImportError:
        raise UserError(
            "The package faiss is not installed here: run `pip install 'drama[mine]'`, or search exactly."
        ) from None
    total = sum(len(block) for _, block in blocks())
    lists = max(1, min(int(4 * total**0.5), total // _TRAINED_ON))
    if kind == "hnsw":
        index: Any = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = effort
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = min(effort, lists)
        index.train(_training_rows(blocks, dim, total, lists * _TRAINED_ON))
    numbers = []
    for indices, vectors in float_blocks(blocks(), dim, _BLOCK):
        checked_lengths(vectors, indices, "document")
        index.add(vectors)
        numbers.append(indices.copy())
    return index, np.concatenate(numbers) if numbers else np.empty(0, np.int64)


def _training_rows(blocks: Callable[[], Iterable[Block]], dim: int, total: int, wanted: int) -> NDArray[np.float32]:
    """Rows at equal distances over all documents, as documents of one source stand together."""
    step = max(1, total // max(1, wanted))
    return np.concatenate(
        [np.zeros((0, dim), np.float32)] + [vectors[::step] for _, vectors in float_blocks(blocks(), dim, _BLOCK)]
    )
