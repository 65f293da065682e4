"""The texts that triplets train on: queries and positives, each once, in batches that fit into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.exports.texts import among, versions_behind
from builders.store.schemas import key_column
from builders.store.versions import REJECTED, Version, read_table

if TYPE_CHECKING:
    import polars as pl

BATCH_TEXTS = 100_000
KINDS = {"queries": "query", "chunks": "positive"}
_COLUMNS = ("text", "source", "language", "split")


@dataclass(frozen=True)
class Shard:
    """A shard of queries or chunks that may hold training texts, and how many rows it has."""

    kind: str
    key: str
    path: Path
    rows: int
    text_version: int  # which of TrainingTexts.wanted


@dataclass(frozen=True)
class TrainingTexts:
    """The shards by batches, and for each version of queries or chunks the sorted ids of the texts wanted of it."""

    batches: tuple[tuple[Shard, ...], ...]
    wanted: "tuple[pl.Series, ...]"
    counts: dict[str, int] = field(default_factory=dict)  # texts by kind

    def read(self, batch: int) -> "pl.DataFrame":
        """(kind, row_id, text, source, language, split) of the batch's texts."""
        import polars as pl

        return pl.concat([self._read(shard) for shard in self.batches[batch]])

    def _read(self, shard: Shard) -> "pl.DataFrame":
        import polars as pl

        ids = pl.Series("row_id", read_table(shard.path, [shard.key]).column(0))
        mine = among(ids, self.wanted[shard.text_version])
        table = read_table(shard.path, list(_COLUMNS)) if mine.any() else None
        if table is None:
            return pl.DataFrame(schema=dict.fromkeys(("kind", "row_id", *_COLUMNS), pl.String))
        frame = pl.DataFrame({name: pl.Series(table.column(name)) for name in _COLUMNS})
        frame = frame.with_columns(ids, kind=pl.lit(shard.kind)).filter(mine)
        return frame.select("kind", "row_id", *_COLUMNS)


def training_texts(triplets: Sequence[Version]) -> TrainingTexts:
    """The texts of these versions. UserError where one id is another text in two of them."""
    import polars as pl

    shards: list[Shard] = []
    wanted: list[pl.Series] = []
    counts: dict[str, int] = {}
    for table, kind in KINDS.items():
        seen: pl.DataFrame | None = None
        for version in versions_behind(triplets, table):
            ids = _used([v for v in triplets if version.folder in _folders(v, table)], table)
            seen, fresh = _fresh(version, ids, seen)
            key = key_column(version.record)
            files = [file for file in version.manifest["files"] if not file["path"].startswith(REJECTED)]
            shards += [Shard(kind, key, version.folder / file["path"], file["rows"], len(wanted)) for file in files]
            wanted.append(fresh)
            counts[kind] = counts.get(kind, 0) + len(fresh)
    return TrainingTexts(tuple(batches(shards)), tuple(wanted), counts)


def _folders(version: Version, table: str) -> set[Path]:
    return {behind.folder for behind in versions_behind([version], table)}


def _used(triplets: Sequence[Version], table: str) -> "pl.Series":
    """The ids of that table's rows that the triplets train on, each once, sorted."""
    import polars as pl

    column = "query_id" if table == "queries" else "positive_ids"
    found = []
    for version in triplets:
        for shard in version.shards():
            ids = pl.Series("id", read_table(shard, [column]).column(0))
            found.append((ids.explode() if table == "chunks" else ids).drop_nulls().unique())
    return pl.concat(found).unique().sort() if found else pl.Series("id", [], pl.String)


def _fresh(version: Version, ids: "pl.Series", seen: "pl.DataFrame | None") -> "tuple[pl.DataFrame, pl.Series]":
    """(what was seen, and is now; those of the ids that this version has and no earlier one)."""
    import polars as pl

    names = {key_column(version.record): "id", "normalised_text_hash": "hash"}
    parts = [pl.DataFrame(schema={"id": pl.String, "hash": pl.String})]
    for shard in version.shards():
        table = read_table(shard, list(names))
        frame = pl.DataFrame({new: pl.Series(table.column(old)) for old, new in names.items()})
        parts.append(frame.filter(among(frame["id"], ids)))
    mine = pl.concat(parts)
    if seen is None:
        return mine, mine["id"].sort()
    both = mine.join(seen, on="id", suffix="_before")
    if len(other := both.filter(pl.col("hash") != pl.col("hash_before")).sort("id")):
        raise UserError(
            f"{other['id'][0]} is one text in {version} and another in an earlier version: compare the triplets that "
            "come from different texts one by one."
        )
    fresh = mine.join(seen, on="id", how="anti")
    return pl.concat([seen, fresh]), fresh["id"].sort()


def batches(shards: Sequence[Shard]) -> list[tuple[Shard, ...]]:
    """Shards one after the other, until a batch has BATCH_TEXTS rows."""
    batches: list[list[Shard]] = []
    rows = BATCH_TEXTS
    for shard in shards:
        if rows + shard.rows > BATCH_TEXTS:
            batches.append([])
            rows = 0
        batches[-1].append(shard)
        rows += shard.rows
    return [tuple(batch) for batch in batches]


def texts_by_row(rows: "pl.DataFrame") -> "pl.DataFrame":
    """(triplet_id, query_id, kind, row_id) of the texts that each row trains on."""
    import polars as pl

    queries = rows.select("triplet_id", "query_id", kind=pl.lit("query"), row_id="query_id")
    positives = rows.select("triplet_id", "query_id", row_id="positive_ids").explode("row_id")
    named = positives.select("triplet_id", "query_id", kind=pl.lit("positive"), row_id="row_id")
    return pl.concat([queries, named])
