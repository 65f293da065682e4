"""The known positives of a query: those of every row with the same words, in all releases, and the rows' own chunks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drama_train.training.known import Known
from drama_train.training.streams import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

IDENTITY = ("document_id", "text_hash", "cluster_id")


class Positives:
    """`Positives(tables).of(hashes)`: with 16 bytes a triplet in memory."""

    def __init__(self, tables: Sequence[Tables]) -> None:
        self._parts = [_Rows(one) for one in tables]

    def of(self, hashes: Sequence[str]) -> Known:
        """Of queries, by the hashes of their normalised texts."""
        import torch

        found = [part.of(hashes) for part in self._parts]
        return Known(*(torch.cat(fields) for fields in zip(*(one.fields() for one in found), strict=True)))


class _Rows:
    """The triplets of one release, by the hash of the query's text."""

    def __init__(self, tables: Tables) -> None:
        import numpy as np

        self._tables = tables
        hashes = tables.triplets.hashed("normalised_text_hash")
        self._order: NDArray[np.int64] = np.argsort(hashes, kind="stable").astype(np.int64)
        self._hashes = hashes[self._order]

    def of(self, hashes: Sequence[str]) -> Known:
        import numpy as np
        import polars as pl
        import torch

        wanted = pl.Series(hashes, dtype=pl.String).hash(seed=0).to_numpy()
        first = np.searchsorted(self._hashes, wanted, "left")
        last = np.searchsorted(self._hashes, wanted, "right")
        rows = np.concatenate([self._order[a:b] for a, b in zip(first, last, strict=True)])
        if not len(rows):
            nothing = torch.zeros(0, dtype=torch.long)
            return Known(nothing, nothing, nothing, nothing)
        columns = self._tables.triplets.columns(("chunk_id", "positive_ids"), rows)
        pairs = iter(zip(columns["chunk_id"], columns["positive_ids"], strict=True))
        places: dict[str, int] = {}
        queries: list[int] = []
        numbers: list[int] = []
        for query, count in enumerate((last - first).tolist()):
            ids = {one: None for _ in range(count) for chunk_id, more in (next(pairs),) for one in (chunk_id, *more)}
            numbers += [places.setdefault(one, len(places)) for one in ids]
            queries += [query] * len(ids)
        corpus = self._tables.corpus
        identity = corpus.columns(IDENTITY, corpus.numbers(list(places)))
        at = torch.tensor(numbers)
        return Known(torch.tensor(queries), *(hashed(identity[name])[at] for name in IDENTITY))


def hashed(values: Sequence[str]) -> "Tensor":
    """(N,) numbers of at least 0, equal where the texts are."""
    import polars as pl
    import torch

    return torch.from_numpy((pl.Series(values, dtype=pl.String).hash(seed=0).to_numpy() >> 1).astype("int64"))
