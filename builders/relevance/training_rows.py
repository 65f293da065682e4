"""Rows of triplets, shard by shard: drafts by the windows, negatives guarded, rows that lack something rejected."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from builders.relevance.facts import ChunkFacts, chunk_facts
from builders.relevance.guard import guard
from builders.relevance.selection import ScoreRules, from_candidates, from_judgements, from_preferences
from builders.relevance.windows import Windows
from builders.store.building import TableResult
from builders.store.schemas import arrow_schema, columns
from builders.store.versions import Version, read_version

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class TrainingRows:
    """Candidates, preferences or judgements -> triplets. Called with the number of a shard of `ranked`, or of queries.

    `candidates`: for judgements alone, what negatives are mined from. `known`: of `repeated_queries`.
    """

    kind: str
    ranked: Version
    queries: Version
    chunks: Version
    candidates: Version | None
    windows: Windows
    rules: ScoreRules
    round_trip: int | None = None
    known: "pl.DataFrame | None" = None

    def __call__(self, shard: int) -> TableResult:
        drafts = self.drafts(shard)
        guarded = guard(drafts, self.known, _facts(self.chunks.folder), self.rules)
        return sorted_out(guarded.drafts, len(drafts), guarded.counts, self.round_trip)

    def shards(self) -> int:
        return len((self.queries if self.kind == "judgements" else self.ranked).shards())

    def drafts(self, shard: int) -> "pl.DataFrame":
        import polars as pl

        if self.kind != "judgements":
            make = from_candidates if self.kind == "candidates" else from_preferences
            return make(pl.read_parquet(self.ranked.shards()[shard], glob=False), self.windows, str(self.ranked))
        queries = pl.read_parquet(self.queries.shards()[shard], glob=False)
        judged = _judged(self.ranked, queries["query_id"])
        if self.candidates is None:
            return from_judgements(queries, judged, None, self.windows, "")
        mined = pl.read_parquet(self.candidates.shards()[shard], glob=False)  # a shard of candidates is one of queries
        return from_judgements(queries, judged, mined, self.windows, str(self.candidates))


def _judged(judgements: Version, query_ids: "pl.Series") -> "pl.DataFrame":
    """The judgements of these queries, out of the shards that may hold some."""
    import polars as pl

    lowest, highest = query_ids.min(), query_ids.max()
    shards = [
        shard
        for shard, (first, last) in _ranges(judgements.folder).items()
        if query_ids.len() and not (last < lowest or highest < first)  # type: ignore[operator]
    ]
    wanted = query_ids.to_frame("query_id").lazy()
    source = pl.scan_parquet(shards, glob=False) if shards else pl.scan_parquet(judgements.shards()[:1], glob=False)
    return source.join(wanted, on="query_id", how="semi").collect()


@cache
def _ranges(judgements: Path) -> dict[Path, tuple[str, str]]:
    """The first and the last query of each shard, read once a process."""
    import polars as pl

    version = read_version(judgements)
    assert version is not None
    found = {}
    for shard in version.shards():
        ends = (
            pl.scan_parquet(shard, glob=False)
            .select(first=pl.col("query_id").min(), last=pl.col("query_id").max())
            .collect()
        )
        if ends["first"][0] is not None:
            found[shard] = ends.row(0)
    return found


def repeated_queries(rows: TrainingRows) -> "pl.DataFrame | None":
    """(normalised_text_hash, chunk_id): positives and own chunks of the queries whose text stands more than once.

    None where there are no such queries. A global fact, but the same for every shard: a function of the inputs.
    """
    import polars as pl

    source = rows.queries if rows.kind == "judgements" else rows.ranked
    hashes = (
        pl.scan_parquet(source.shards(), glob=False).group_by("normalised_text_hash").len().filter(pl.col("len") > 1)
    )
    repeated = hashes.select("normalised_text_hash").collect(engine="streaming")
    if repeated.is_empty():
        return None
    found = []
    for shard in range(rows.shards()):
        drafts = rows.drafts(shard).join(repeated, on="normalised_text_hash", how="semi")
        lists = drafts.select("normalised_text_hash", chunk_id=pl.concat_list("positive_ids", "chunk_id"))
        found.append(lists.explode("chunk_id").unique())
    return pl.concat(found).unique().sort("normalised_text_hash", "chunk_id")


@cache
def _facts(chunks: Path) -> ChunkFacts:
    """Once a process."""
    version = read_version(chunks)
    assert version is not None
    return chunk_facts(version)


def sorted_out(drafts: "pl.DataFrame", rows_in: int, counts: Counter[str], round_trip: int | None) -> TableResult:
    """Rows that found their own chunk, have a positive and enough negatives; the others with their reason."""
    import polars as pl

    left = pl.col("negative_ids").list.len()
    drafts = drafts.with_columns(triplet_id=pl.format("{}+{}", "query_id", "method"))
    lost = pl.lit(False) if round_trip is None else (pl.col("own_rank") > round_trip).fill_null(True)
    reason = (
        pl.when(lost)
        .then(pl.lit("own_chunk_lost"))
        .when(pl.col("positive_ids").list.len() == 0)
        .then(pl.lit("no_positive"))
        .when(left < pl.col("least"))
        .then(pl.lit("too_few_negatives"))
    )
    drafts = drafts.with_columns(reason=reason)
    kept = drafts.filter(pl.col("reason").is_null())
    few = pl.format("{} negatives are left, at least {} are asked for; dropped: {}", left, "least", "dropped")
    place = pl.format("rank {} of its own chunk", pl.col("own_rank").cast(pl.String).fill_null("none"))
    detail = pl.when(pl.col("reason") == "own_chunk_lost").then(place).otherwise(few)
    rejected = drafts.filter(pl.col("reason").is_not_null()).select(
        row_id="triplet_id", reason="reason", detail=detail, raw=pl.col("query_id")
    )
    counts.update({f"split:{split}": n for split, n in kept.group_by("split").len().iter_rows()})
    counts.update(
        positives=int(kept["positive_ids"].list.len().sum()), negatives=int(kept["negative_ids"].list.len().sum())
    )
    rows = kept.select(columns("triplet")).to_arrow().cast(arrow_schema("triplet"))
    return TableResult(rows, rejected.to_arrow().cast(arrow_schema("rejection")), counts, rows_in)
