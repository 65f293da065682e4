"""Approximate top-k by faiss indexes, which says how much it missed: its recall against exact search on a sample."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval.block_scores import Rows, checked_lengths
from builders.retrieval.document_blocks import Block, Restriction, allowed_parts, float_blocks, members_of
from builders.retrieval.rankings import EMPTY, Ranking, pack, unpack
from builders.retrieval.topk import DEFAULT_MEMORY, top_k
from builders.text.hashes import generator

Kind = Literal["hnsw", "ivf"]
_BLOCK, _QUERIES = 16_384, 4096
# faiss's own advice: 32 links; about 4 sqrt(n) lists, trained on 40 vectors each.
_LINKS, _TRAINED_ON = 32, 40
# The one group of a search that is not by group.
_ALL = 0
_Part = tuple[int, Rows, NDArray[np.float32]]


@dataclass(frozen=True)
class Recall:
    """The share of the exact top k that was found, over a sample of the queries.

    `by_group` has the same of each group of the restriction; `recall` weighs groups by their queries.
    """

    queries: int
    k: int
    recall: float
    by_group: dict[int, float] = field(default_factory=dict)


def approximate_top_k(  # noqa: PLR0913 - each is a dial of its own
    queries: NDArray[Any],
    blocks: Callable[[], Iterable[Block]],
    k: int,
    *,
    restriction: Restriction | None = None,
    kind: Kind = "hnsw",
    effort: int = 128,
    sample: int = 200,
    seed: int = 0,
    memory_limit: int = DEFAULT_MEMORY,
) -> tuple[Ranking, Recall]:
    """The ranking and its measured recall. Indexes are in memory (HNSW: 4 x dim + 256 bytes a document).

    blocks: gives the documents anew at each call; they are read once for the indexes (ivf: twice more, to train) and
    once for the exact sample. restriction: an index for each group of queries, and none for documents that nobody is
    given, so that no search is spent on what may not be returned. sample: queries in all, as many of each group.
    effort: hnsw's efSearch, ivf's nprobe: more finds more and takes longer. A document counts as found where its
    score reaches the exact k-th, so ties do not count against the index.
    """
    if k < 1 or not len(queries):
        raise UserError(f"Top {k} of {len(queries)} queries asks for nothing: give 1 or more of both.", exit_code=2)
    by_group = restriction is not None and restriction.queries is not None
    asking = members_of(restriction) if by_group else {_ALL: np.arange(len(queries))}

    def parts() -> Iterator[_Part]:
        for numbers, vectors in float_blocks(blocks(), queries.shape[1], _BLOCK):
            for indices, part, whose in allowed_parts(numbers, vectors, restriction, asking):
                yield (
                    (_ALL if restriction is None or whose is None else int(restriction.documents[indices[0]])),
                    indices,
                    part,
                )

    packed = np.full((len(queries), k), EMPTY)
    for group, (index, numbers) in _build(parts, queries.shape[1], kind, effort).items():
        for start in range(0, len(asking[group]), _QUERIES):
            rows = asking[group][start : start + _QUERIES]
            packed[rows] = _searched(index, numbers, queries[rows], rows, k)
    ranking = unpack(packed)
    return ranking, _measured(queries, blocks, ranking, restriction, asking, _Sample(sample, seed, memory_limit))


def _searched(index: Any, numbers: Rows, queries: NDArray[Any], rows: Rows, k: int) -> NDArray[np.uint64]:
    """(n, k), packed and sorted."""
    batch = np.ascontiguousarray(queries, dtype=np.float32)
    checked_lengths(batch, rows, "query")
    scores, places = index.search(batch, k)
    hit = places >= 0
    found = np.full(places.shape, EMPTY)
    found[hit] = pack(scores[hit], numbers[places[hit]])
    return np.sort(found, axis=1)


def _build(parts: Callable[[], Iterator[_Part]], dim: int, kind: Kind, effort: int) -> dict[int, tuple[Any, Rows]]:
    """For each group that has documents, its index and the documents' numbers."""
    try:
        import faiss
    except ImportError:
        raise UserError(
            "The package faiss is not installed here: run `pip install 'drama[mine]'`, or search exactly."
        ) from None
    indexes = _trained(parts, dim, effort) if kind == "ivf" else {}
    numbers: dict[int, list[Rows]] = {}
    for group, indices, vectors in parts():
        checked_lengths(vectors, indices, "document")
        if group not in indexes:
            indexes[group] = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
            indexes[group].hnsw.efSearch = effort
        indexes[group].add(np.ascontiguousarray(vectors))
        numbers.setdefault(group, []).append(indices.copy())
    return {group: (indexes[group], np.concatenate(each)) for group, each in numbers.items()}


def _trained(parts: Callable[[], Iterator[_Part]], dim: int, effort: int) -> dict[int, Any]:
    """An inverted file for each group; a list of all where a group is too small for two."""
    import faiss

    totals: dict[int, int] = {}
    for group, indices, _ in parts():
        totals[group] = totals.get(group, 0) + len(indices)
    lists = {group: max(1, min(int(4 * total**0.5), total // _TRAINED_ON)) for group, total in totals.items()}
    # Rows at equal distances over all documents, as documents of one source stand together.
    steps = {group: max(1, total // (lists[group] * _TRAINED_ON)) for group, total in totals.items()}
    drawn: dict[int, list[NDArray[np.float32]]] = {group: [] for group in totals}
    for group, indices, vectors in parts():
        checked_lengths(vectors, indices, "document")
        drawn[group].append(vectors[:: steps[group]].copy())
    indexes: dict[int, Any] = {}
    for group, count in lists.items():
        flat = faiss.IndexFlatIP(dim)
        indexes[group] = flat
        if count > 1:
            indexes[group] = faiss.IndexIVFFlat(flat, dim, count, faiss.METRIC_INNER_PRODUCT)
            indexes[group].nprobe = min(effort, count)
            indexes[group].train(np.concatenate(drawn.pop(group)))
    return indexes


@dataclass(frozen=True)
class _Sample:
    queries: int
    seed: int
    memory_limit: int


def _measured(
    queries: NDArray[Any],
    blocks: Callable[[], Iterable[Block]],
    ranking: Ranking,
    restriction: Restriction | None,
    asking: dict[int, Rows],
    sample: _Sample,
) -> Recall:
    each = max(1, sample.queries // max(1, len(asking)))
    chosen = {
        group: np.sort(generator(sample.seed, str(group), "recall").sample(rows.tolist(), min(each, len(rows))))
        for group, rows in asking.items()
    }
    rows = np.concatenate([np.empty(0, np.int64), *chosen.values()])
    of_sample = restriction
    if restriction is not None and restriction.queries is not None:
        of_sample = Restriction(restriction.documents, restriction.queries[rows])
    k = ranking.indices.shape[1]
    exact = top_k(np.asarray(queries[rows]), blocks(), k, restriction=of_sample, memory_limit=sample.memory_limit)
    shares, first = {}, 0
    for group, mine in chosen.items():
        shares[group] = _recall(exact.scores[first : first + len(mine)], ranking.scores[mine])
        first += len(mine)
    asked = sum(len(mine) for mine in asking.values())
    recall = sum(shares[group] * len(mine) for group, mine in asking.items()) / max(1, asked)
    by_group = of_sample is not None and of_sample.queries is not None
    return Recall(len(rows), k, recall, shares if by_group else {})


def _recall(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """1 where there is nothing to find."""
    there = np.isfinite(exact)
    kth = np.where(there, exact, np.inf).min(axis=1, keepdims=True)
    # The index scores in float32, so a document may differ from its exact score in the last decimal.
    hits = np.minimum((found >= kth - 2e-6).sum(axis=1), there.sum(axis=1))
    return float(hits.sum() / there.sum()) if there.any() else 1.0
