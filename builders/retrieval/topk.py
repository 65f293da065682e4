"""Exact top-k: blocked, in bounded memory, the same on every machine and for every size of block."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.llm.number_types import cpu_multiplies_bfloat16
from builders.retrieval.block_scores import DocumentBlock, Rows, checked_lengths
from builders.retrieval.document_blocks import Block, Restriction, allowed_parts, float_blocks, members_of
from builders.retrieval.float_scores import TILE, FloatBlock
from builders.retrieval.rankings import EMPTY, Ranking, merge, pack, unpack, unpack_scores

# Larger tiles are a tenth faster on a CPU (4,096 documents), and take 30 MB more with two threads.
_QUERIES, _DOCUMENTS = 512, 2048
# In float32, of which a product takes TILE: the more, the fewer candidates are ranked (a tenth faster than 16,384).
_FLOAT_DOCUMENTS = 65_536
_GPU_QUERIES, _GPU_DOCUMENTS = 4096, 65_536
_FEWEST = 64
# Pairs that are scored and merged at a time.
_PAIRS = 1 << 17
DEFAULT_MEMORY = 256 << 20


@dataclass(frozen=True)
class Sizes:
    """How many queries and documents are at hand at a time."""

    queries: int
    documents: int


def top_k(
    queries: NDArray[Any],
    documents: Iterable[Block],
    k: int,
    *,
    restriction: Restriction | None = None,
    memory_limit: int = DEFAULT_MEMORY,
    device: str = "cpu",
    half: bool | None = None,
) -> Ranking:
    """The k documents with the highest inner product of each query, by the rule of rankings.py.

    queries: (n, dim), in memory or mapped, float32 or float16. documents: read once, block after block, so they may
    come from a generator; a document's index is what orders ties, so number them in the order of their ids.
    memory_limit: bytes for everything but the arrays that are passed in; the result takes n x k x 20 of them.
    device: cpu or cuda. half: look for candidates in bfloat16 (None: where that is faster); the result is the same.
    UserError for NaN or infinity (with count and first indices), another dimension, or a limit too low to work in.
    """
    n, dim = queries.shape
    if k < 1:
        raise UserError(f"The k = {k} asks for no documents: give 1 or more.", exit_code=2)
    state = np.full((n, k), EMPTY)
    if not n:
        return unpack(state)
    on_gpu = device != "cpu"
    half = on_gpu or cpu_multiplies_bfloat16() if half is None else half
    with_torch = on_gpu or half
    most = Sizes(_QUERIES, _DOCUMENTS if half else _FLOAT_DOCUMENTS)
    most = Sizes(_GPU_QUERIES, _GPU_DOCUMENTS) if on_gpu else most
    sizes = plan_sizes(most, n, dim, k, memory_limit, threads=0 if on_gpu else _cpus())
    _check_queries(queries, sizes.queries)
    members = members_of(restriction)
    with query_threads(1 if on_gpu else _cpus(), with_torch=with_torch) as threads:
        for numbers, vectors in float_blocks(documents, dim, sizes.documents):
            for indices, part, whose in allowed_parts(numbers, vectors, restriction, members):
                longest = float(checked_lengths(part, indices, "document").max())
                block = DocumentBlock(part, longest, device, half=half) if with_torch else FloatBlock(part, longest)

                def improve(rows: Any, block: DocumentBlock | FloatBlock = block, indices: Rows = indices) -> None:
                    batch = np.ascontiguousarray(queries[rows], dtype=np.float32)
                    state[rows] = _improved(state[rows], batch, block, indices)

                list(threads.map(improve, _query_rows(n, whose, sizes.queries)))
    return unpack(state)


@contextmanager
def query_threads(count: int, *, with_torch: bool) -> Iterator[ThreadPoolExecutor]:
    """Threads that each take whole queries, and multiply alone, with torch or with numpy.

    Threads that share one product wait for the slowest at every step: on a busy machine that was 5 times slower.
    """
    if not with_torch:
        with _one_blas_thread(), ThreadPoolExecutor(count) as threads:
            yield threads
        return
    import torch

    before = torch.get_num_threads()
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        yield threads
    torch.set_num_threads(before)  # what it sets is each thread's own, except in MKL


def _one_blas_thread() -> AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:  # it comes with sentence-transformers; without it threads are in each other's way, no more
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plan_sizes(most: Sizes, n: int, dim: int, k: int, limit: int, *, threads: int) -> Sizes:
    """Sizes whose working memory stays within `limit` bytes. UserError where none does. No threads means a GPU."""
    sizes = Sizes(min(n, most.queries), most.documents)
    while (needed := _needed(sizes, n, dim, k, threads)) > limit:
        if sizes.queries <= _FEWEST and sizes.documents <= _FEWEST:
            raise UserError(
                f"Top {k} of {n:,} queries needs {needed / 1e6:,.0f} MB to work in and may use {limit / 1e6:,.0f} MB: "
                "raise the memory limit, or hand the queries over in smaller shards.",
                exit_code=2,
            )
        if sizes.documents * 4 > sizes.queries:
            sizes = Sizes(sizes.queries, sizes.documents // 2)
        else:
            sizes = Sizes(sizes.queries // 2, sizes.documents)
    return sizes


def _needed(sizes: Sizes, n: int, dim: int, k: int, threads: int) -> int:
    # Of each thread: scores in float32 with their comparison, a batch of queries, and what is being scored and merged.
    batch = 6 * sizes.queries * min(TILE, sizes.documents) + (16 * dim + 40 * k) * sizes.queries
    each = (batch if threads else 0) + 48 * min(_PAIRS, 8 * k * sizes.queries)
    # A document, once more where they are sorted into groups, and room for a copy in bfloat16.
    return int(20 * n * k + max(1, threads) * each + 12 * dim * sizes.documents)


def _check_queries(queries: NDArray[Any], rows: int) -> None:
    for start in range(0, len(queries), rows):
        part = np.asarray(queries[start : start + rows], dtype=np.float32)
        checked_lengths(part, np.arange(start, start + len(part)), "query")


def _query_rows(n: int, whose: Rows | None, size: int) -> list[Any]:
    if whose is None:
        return [slice(start, min(n, start + size)) for start in range(0, n, size)]
    return [whose[start : start + size] for start in range(0, len(whose), size)]


def _improved(
    state: NDArray[np.uint64], queries: NDArray[np.float32], block: DocumentBlock | FloatBlock, indices: Rows
) -> NDArray[np.uint64]:
    """The best of what was known, packed (n, k), and of this block's documents."""
    for which, rows in block.candidates(queries, unpack_scores(state), state.shape[1]):
        state = _merged(state, queries, block, indices, which, rows)
    return state


def _merged(
    state: NDArray[np.uint64],
    queries: NDArray[np.float32],
    block: DocumentBlock | FloatBlock,
    indices: Rows,
    which: Rows,
    rows: Rows,
) -> NDArray[np.uint64]:
    starts = np.searchsorted(which, np.arange(len(queries) + 1))
    first = 0
    while first < len(queries):
        # As many queries as have _PAIRS candidates; one at least.
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _PAIRS, side="right")) - 1)
        part = slice(starts[first], starts[last])
        if part.start < part.stop:
            near = pack(block.precise(queries, which[part], rows[part]), indices[rows[part]])
            counts = np.diff(starts[first : last + 1])
            more = np.full((last - first, counts.max()), EMPTY)
            more[which[part] - first, np.arange(part.start, part.stop) - np.repeat(starts[first:last], counts)] = near
            better = np.flatnonzero(counts)
            state[first + better] = merge(state[first + better], more[better])
        first = last
    return state
