"""Blocks of document vectors, of any size and number type, made into float32 blocks of a size that fits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval.block_scores import Rows

# A block is (index of its first document, vectors), or (index of each document, vectors).
Block = tuple[int | NDArray[np.int64], NDArray[Any]]


@dataclass(frozen=True)
class Restriction:
    """Which documents a query may be given: those of its own group (language, source).

    `documents`: the group of each document, by its index; -1 is given to nobody (held out, say). `queries`: the group
    of each query; None where every query may be given every document whose group is not -1.
    """

    documents: NDArray[Any]  # (documents,)
    queries: NDArray[Any] | None = None  # (n,)


def float_blocks(documents: Iterable[Block], dim: int, rows: int) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """The same documents as (indices, float32 vectors), at most `rows` at a time. Each is used before the next is made.

    float32 in memory is passed on in slices, without a copy, unless it comes in very small blocks. Mapped files are
    copied piece by piece: what is read of them would stay in memory until they are closed.
    """
    buffer, indices, filled = np.empty((0, dim), np.float32), np.empty(0, np.int64), 0
    for first, block in documents:
        if block.ndim != 2 or block.shape[1] != dim:
            raise UserError(
                f"Documents have vectors of shape {block.shape[1:]} and queries have {dim} dimensions: encode both "
                "with the same model."
            )
        ready = len(block) >= rows // 4 and _is_ready(block)
        taken = 0
        while taken < len(block):
            piece = slice(taken, min(len(block), taken + rows - (0 if ready else filled)))
            taken = piece.stop
            numbers = np.arange(first + piece.start, first + piece.stop) if isinstance(first, int) else first[piece]
            if ready:
                yield numbers, block[piece]
                continue
            if not len(buffer):
                buffer, indices = np.empty((rows, dim), np.float32), np.empty(rows, np.int64)
            end = filled + piece.stop - piece.start
            buffer[filled:end], indices[filled:end] = block[piece], numbers
            filled = end % rows
            if not filled:
                yield indices, buffer
    if filled:
        yield indices[:filled], buffer[:filled]


def _is_ready(block: NDArray[Any]) -> bool:
    return block.dtype == np.float32 and block.flags.c_contiguous and not isinstance(block, np.memmap)


def allowed_parts(
    indices: Rows, block: NDArray[np.float32], restriction: Restriction | None, members: dict[int, Rows]
) -> Iterator[tuple[Rows, NDArray[np.float32], Rows | None]]:
    """The block in parts: (indices, vectors, the queries that may be given them; None for all queries)."""
    if restriction is None:
        yield indices, block, None
        return
    groups = restriction.documents[indices]
    if restriction.queries is None:
        allowed = groups >= 0
        if allowed.all():
            yield indices, block, None
        elif allowed.any():
            yield indices[allowed], block[allowed], None
        return
    order = np.argsort(groups, kind="stable")
    for group, rows in members.items():
        start, end = np.searchsorted(groups, [group, group + 1], sorter=order)
        if start < end:
            taken = order[start:end]
            yield indices[taken], block[taken], rows


def members_of(restriction: Restriction | None) -> dict[int, Rows]:
    """The queries of each group. A query of group -1 is given nothing."""
    if restriction is None or restriction.queries is None:
        return {}
    return {int(g): np.flatnonzero(restriction.queries == g) for g in np.unique(restriction.queries) if g >= 0}
