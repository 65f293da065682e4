"""Which chunks a query may be given: none that is held out for a train query, and those of its own group by option."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from builders.retrieval.document_blocks import Restriction
from builders.store.versions import Version, read_table

Within = Literal["language", "source"]
_NOBODY = -1


@dataclass(frozen=True)
class Reach:
    """The chunks by their number in the order of their ids: whether each is held out, and its group's code."""

    held_out: NDArray[np.bool_]  # (documents,)
    groups: NDArray[np.int64]  # (documents,)
    names: tuple[str, ...]
    within: Within | None

    def parts(
        self, is_train: NDArray[np.bool_], own: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], Restriction | None]]:
        """Rows of the queries with what they may be given: train queries first, then held-out ones.

        A held-out query is given every chunk, as an evaluation does. own: the number of each query's own chunk, whose
        group is the query's: a query may be in another language than its chunk is, and must still find it.
        """
        found = []
        for rows, given in (
            (np.flatnonzero(is_train), np.where(self.held_out, _NOBODY, self.groups)),
            (np.flatnonzero(~is_train), self.groups),
        ):
            if not len(rows):
                continue
            groups = None if self.within is None else self.groups[own[rows]]
            free = groups is None and bool((given >= 0).all())
            found.append((rows, None if free else Restriction(given, groups)))
        return found

    def sizes(self) -> dict[str, int]:
        """How many train chunks each group holds, the largest first; one group "all" where nothing restricts."""
        counts = np.bincount(self.groups[~self.held_out], minlength=len(self.names))
        return dict(sorted(zip(self.names, counts.tolist(), strict=True), key=lambda item: -item[1]))


def reach_of(chunks: Version, numbers: NDArray[np.int64], within: Within | None) -> Reach:
    """numbers: each row's number in the order of the ids, rows in the order of shards (document_order)."""
    held_out = np.zeros(len(numbers), dtype=bool)
    groups = np.zeros(len(numbers), dtype=np.int64)
    names: dict[str, int] = {} if within else {"all": 0}
    first = 0
    for shard in chunks.shards():
        table = read_table(shard, ["split", *([within] if within else [])])
        at = numbers[first : first + len(table)]
        held_out[at] = np.asarray(table.column("split").to_pylist(), dtype=object) == "heldout"
        if within:
            groups[at] = _coded(table.column(within).to_pylist(), names)
        first += len(table)
    return Reach(held_out, groups, tuple(names), within)


def _coded(values: list[Any], names: dict[str, int]) -> list[int]:
    return [names.setdefault(value, len(names)) for value in values]
