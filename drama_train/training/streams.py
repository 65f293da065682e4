"""The train rows of releases as streams, one for each release, source, method and language, weighed by a mixture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import say
from drama_train.training.mixture import Stream
from drama_train.training.releases import Release, Rows
from drama_train.training.shares import Kind, Share, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Tables:
    """A release's rows by id."""

    release: Release
    corpus: Rows
    queries: Rows
    triplets: Rows


@dataclass(frozen=True)
class KindStream:
    """A stream, and where its rows are: their numbers are of `tables.triplets`."""

    stream: Stream
    kind: Kind
    tables: Tables


def open_tables(release: Release) -> Tables:
    """Memory-mapped; the release's own, since two releases may give one id to two texts."""
    return Tables(
        release,
        Rows([release], "corpus", "chunk_id"),
        Rows([release], "queries", "query_id"),
        Rows([release], "triplets", "triplet_id"),
    )


def train_streams(
    tables: Sequence[Tables], shares: Sequence[Share], balance: float, limit: int | None = None
) -> list[KindStream]:
    """Every kind of train rows that fits a share, by name. limit: at most so many rows of each.

    UserError where no row is for training, or a share has none.
    """
    found: dict[Kind, tuple[Tables, NDArray[Any]]] = {}
    for one in tables:
        for kind, numbers in _train_rows(one).items():
            if kind in found:
                raise UserError(f"The release {kind.release} is given twice: give it once.", exit_code=2)
            found[kind] = (one, numbers[:limit])
    if not found:
        raise UserError(f"{tables[0].release.place} has no train row: make a release that has some.")
    weight = weights(shares, {kind: len(numbers) for kind, (_, numbers) in found.items()}, balance)
    if left := {kind.name: len(found[kind][1]) for kind in found if kind not in weight}:
        say(f"{sum(left.values()):,} rows fit no share and are left out: {', '.join(sorted(left))}")
    return [
        KindStream(Stream(kind.name, found[kind][1], weight[kind]), kind, found[kind][0])
        for kind in sorted(weight, key=lambda kind: kind.name)
    ]


def _train_rows(tables: Tables) -> "dict[Kind, NDArray[Any]]":
    """The numbers of the rows of each kind, ascending."""
    import numpy as np
    import polars as pl

    columns = ["source", "method", "language", "split"]
    parts: dict[Kind, list[NDArray[Any]]] = {}
    start = 0
    for batch in tables.triplets.table.select_columns(columns).with_format("arrow").iter(batch_size=100_000):
        rows = pl.DataFrame(batch).with_row_index("row", offset=start).filter(pl.col("split") == "train")
        start += len(batch)
        for (source, method, language), group in rows.group_by("source", "method", "language", maintain_order=True):
            kind = Kind(tables.release.name, str(source), str(method), str(language))
            parts.setdefault(kind, []).append(group["row"].to_numpy().astype(np.int64))
    return {kind: np.concatenate(numbers) for kind, numbers in parts.items()}
