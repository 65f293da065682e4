"""Triplets without the negatives that both opinions call relevant: dropped, or made positives (RLHN's relabelling)."""

from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builders.relevance.facts import ChunkFacts, chunk_facts
from builders.relevance.guard import guard
from builders.relevance.selection import ScoreRules
from builders.relevance.training_rows import sorted_out
from builders.store.building import TableResult
from builders.store.versions import Version, read_version

if TYPE_CHECKING:
    import polars as pl

Policy = Literal["drop", "promote"]
_NEGATIVE = ["negative_ids", "negative_ranks", "negative_scores"]
_POSITIVE = ["positive_ids", "positive_ranks", "positive_scores"]


@dataclass(frozen=True)
class RevisedRows:
    """triplets x opinions -> triplets. Called with the number of a shard, which both have.

    least: the fewest negatives of a row; one that had fewer before may have lost none. known: (normalised_text_hash,
    chunk_id) of all that is promoted, since the same query may stand in several rows.
    """

    triplets: Version
    opinions: Version
    chunks: tuple[Version, ...]
    policy: Policy
    least: int
    known: "pl.DataFrame | None" = None

    def __call__(self, shard: int) -> TableResult:
        import polars as pl

        rows = pl.read_parquet(self.triplets.shards()[shard], glob=False)
        before = pl.min_horizontal(pl.col("negative_ids").list.len(), self.least)
        drafts = rows.drop("triplet_id").with_columns(own_rank=pl.lit(None, pl.Int32), least=before)
        named = relevant_negatives(pl.scan_parquet(self.opinions.shards()[shard], glob=False)).collect()
        moved, counts = _taken_out(drafts, named, self.policy)
        if self.policy == "drop":
            return sorted_out(moved, len(rows), counts, None)
        guarded = guard(moved.drop("dropped"), self.known, _facts(tuple(v.folder for v in self.chunks)), ScoreRules())
        return sorted_out(guarded.drafts, len(rows), counts + guarded.counts, None)

    def shards(self) -> int:
        return len(self.triplets.shards())


def relevant_negatives(opinions: "pl.LazyFrame") -> "pl.LazyFrame":
    """(query_id, method, normalised_text_hash, chunk_id) of the negatives that both opinions call relevant."""
    import polars as pl

    said = (pl.col("side") == "negative") & (pl.col("verdict") == "relevant")
    return opinions.filter(said).select("query_id", "method", "normalised_text_hash", "chunk_id")


def promoted(opinions: Version) -> "pl.DataFrame":
    """(normalised_text_hash, chunk_id) of all that will be positives."""
    import polars as pl

    found = relevant_negatives(pl.scan_parquet(opinions.shards(), glob=False))
    pairs = found.select("normalised_text_hash", "chunk_id").unique()
    return pairs.sort("normalised_text_hash", "chunk_id").collect(engine="streaming")


def _taken_out(drafts: "pl.DataFrame", named: "pl.DataFrame", policy: Policy) -> "tuple[pl.DataFrame, Counter[str]]":
    """The drafts without the negatives that are named; with promote these end the positives, in their order."""
    import polars as pl

    rows = drafts.with_row_index("row")
    marks = named.select("query_id", "method", pl.col("chunk_id").alias("negative_ids"), pl.lit(True).alias("out"))
    pairs = rows.select("row", "query_id", "method", *_NEGATIVE).explode(_NEGATIVE)
    pairs = pairs.join(marks, on=["query_id", "method", "negative_ids"], how="left", maintain_order="left")
    is_out = pl.col("out").fill_null(value=False)
    kept = pairs.filter(~is_out).group_by("row", maintain_order=True).agg(_NEGATIVE)
    out = (
        pairs.filter(is_out)
        .group_by("row", maintain_order=True)
        .agg(*(pl.col(old).alias(f"out_{new}") for old, new in zip(_NEGATIVE, _POSITIVE, strict=True)))
    )
    empty = [pl.col(name).fill_null([]) for name in (*_NEGATIVE, *(f"out_{name}" for name in _POSITIVE))]
    joined = rows.drop(_NEGATIVE).join(kept, on="row", how="left", maintain_order="left")
    joined = joined.join(out, on="row", how="left", maintain_order="left").with_columns(empty)
    lost = pl.col("out_positive_ids").list.len()
    joined = joined.with_columns(
        dropped=pl.when(lost > 0).then(pl.format("{} relevant", lost)).otherwise(pl.lit("none"))
    )
    if policy == "promote":
        joined = joined.with_columns(pl.concat_list(name, f"out_{name}").alias(name) for name in _POSITIVE)
    counts = Counter({"promoted" if policy == "promote" else "dropped:relevant": int(joined.select(lost.sum()).item())})
    return joined.drop("row", *(f"out_{name}" for name in _POSITIVE)), counts


@cache
def _facts(chunks: tuple[Path, ...]) -> ChunkFacts:
    """Once a process."""
    versions = [read_version(folder) for folder in chunks]
    assert len(versions) == 1
    assert versions[0] is not None
    return chunk_facts(versions[0])


def least_of(triplets: Version) -> int:
    """What the version, or the one that it was revised from, promised as the fewest negatives of a row."""
    config: dict[str, Any] = triplets.manifest["identity"]["config"]
    if "least" in config:
        return int(config["least"])
    before = [version for version in triplets.inputs() if version.table == "triplets"]
    return least_of(before[0]) if before else 1


def revise(
    triplets: Version, opinions: Version, chunks: list[Version], policy: Policy, data: Path, processes: int = 1
) -> Version:
    """The revised version, made or found."""
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan

    least = least_of(triplets)
    known = promoted(opinions) if policy == "promote" else None
    rows = RevisedRows(triplets, opinions, tuple(chunks), policy, least, known)
    settings = {"policy": policy, "least": least}
    plan = Plan("triplets", "triplet", "builders.audit", 1, settings, inputs=(triplets, opinions))
    work = partial(build_shards, shards=rows.shards(), make=rows, processes=processes)
    return build(plan, data, work)
