"""Triplets without the rows of which a query or positive overlaps an evaluation set."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.texts import versions_behind
from builders.quality.training_texts import texts_by_row
from builders.store.building import TableResult
from builders.store.schemas import arrow_schema, key_column
from builders.store.versions import Version, read_table, read_version

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class CleanRows:
    """Triplets -> triplets. Called with the number of a shard of theirs."""

    triplets: Version
    contamination: Version

    def __call__(self, shard: int) -> TableResult:
        import polars as pl

        table = read_table(self.triplets.shards()[shard])
        causes = _causes(texts_by_row(pl.DataFrame(pl.from_arrow(table))), _overlaps(self.contamination.folder))
        ids = pl.Series(table.column("triplet_id"))
        kept = table.filter((~ids.is_in(causes["triplet_id"].to_list())).to_arrow())
        frame = pl.DataFrame(pl.from_arrow(kept))
        counts = Counter({f"split:{split}": n for split, n in frame.group_by("split").len().iter_rows()})
        for side in ("positive", "negative"):
            counts[f"{side}s"] = int(frame[f"{side}_ids"].list.len().sum())
        rejected = self._rejections(causes).to_arrow().cast(arrow_schema("rejection"))
        return TableResult(kept, rejected, counts, len(table))

    def _rejections(self, causes: "pl.DataFrame") -> "pl.DataFrame":
        import polars as pl

        queries = self._query_texts(causes["query_id"])
        detail = pl.format(
            "its {} {} overlaps the {} {} of {} ({}, {})",
            *("kind", "row_id", "role", "evaluation_id", "set", "match", pl.col("share").round(2)),
        )
        more = (
            pl.when(pl.col("overlaps") > 1)
            .then(pl.format(" and {} more", pl.col("overlaps") - 1))
            .otherwise(pl.lit(""))
        )
        return causes.join(queries, on="query_id", how="left").select(
            row_id="triplet_id",
            reason=pl.lit("contaminated"),
            detail=pl.concat_str(detail, more),
            raw=pl.col("text").fill_null(""),
        )

    def _query_texts(self, ids: "pl.Series") -> "pl.DataFrame":
        import polars as pl

        versions = versions_behind([self.triplets], "queries")
        found = [
            pl.scan_parquet(v.shards(), glob=False)
            .select(query_id=key_column(v.record), text="text")
            .filter(pl.col("query_id").is_in(ids.to_list()))
            for v in versions
        ]
        return pl.concat(found).unique("query_id", keep="first").collect()


@cache
def _overlaps(contamination: Path) -> "pl.DataFrame":
    """The overlaps, the gravest first: of queries, exact, of the largest share. Read once a process."""
    import polars as pl

    from builders.quality.matching import MATCHES

    version = read_version(contamination)
    assert version is not None
    order = {name: number for number, name in enumerate(MATCHES)}
    found = pl.scan_parquet(version.shards(), glob=False).drop(
        "overlap_id", "source", "language", "split", "training_text_hash"
    )
    return (
        found.with_columns(order=pl.col("match").replace_strict(order, return_dtype=pl.Int8))
        .sort(
            "kind", "role", "order", "share", "set", "evaluation_id", descending=[True, True, False, True, False, False]
        )
        .with_row_index("gravity")
        .collect()
    )


def _causes(texts: "pl.DataFrame", overlaps: "pl.DataFrame") -> "pl.DataFrame":
    """A row for each contaminated triplet: its gravest overlap, and how many it has."""
    import polars as pl

    found = texts.join(overlaps, on=["kind", "row_id"]).sort("gravity")
    counts = found.group_by("triplet_id").agg(overlaps=pl.len())
    return found.unique("triplet_id", keep="first", maintain_order=True).join(counts, on="triplet_id")
