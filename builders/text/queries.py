"""What both query methods share: the row, the choice of chunks, and the passes that drop duplicates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nsmallest
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, build, build_shards, rejection
from builders.store.plans import Plan
from builders.store.schemas import key_column
from builders.store.versions import Version, read_column, read_rows
from builders.text.hashes import id_number, normalise, text_hash


def query_row(chunk: Mapping[str, Any], method: str, number: int, text: str, language: str) -> dict[str, Any]:
    """A row of `queries` with what every method knows; the method fills in its own columns."""
    return {
        "query_id": query_id(chunk, method, number),
        "chunk_id": chunk["chunk_id"],
        "document_id": chunk["document_id"],
        "source": chunk["source"],
        "method": method,
        "text": text,
        "language": language,
        "split": chunk["split"],
        "start": None,
        "end": None,
        "task": None,
        "stated_language": None,
        "model": None,
        "prompt_version": None,
        "parse": None,
        "reply": None,
        "licence": chunk["licence"],
        "text_hash": text_hash(text),
        "normalised_text_hash": text_hash(normalise(text)),
        "chunk_text_hash": chunk["text_hash"],
    }


def query_id(chunk: Mapping[str, Any], method: str, number: int) -> str:
    return f"{chunk['chunk_id']}~{method}{number}"


@dataclass(frozen=True)
class Sample:
    """A seeded choice of rows: those whose number, drawn from seed and id, is at most `threshold`."""

    seed: int
    threshold: int

    def __contains__(self, row_id: str) -> bool:
        return id_number(self.seed, row_id, "sample") <= self.threshold


def choose_sample(version: Version, limit: int | None, seed: int) -> Sample:
    """`limit` rows (all where None), by key; a larger sample of a seed holds the smaller one, whatever the sharding."""
    if limit is None:
        return Sample(seed, 2**64)
    key = key_column(version.record)
    numbers = (id_number(seed, row_id, "sample") for shard in version.shards() for row_id in read_column(shard, key))
    smallest = nsmallest(limit, numbers)
    return Sample(seed, smallest[-1] if smallest else 0)


def chosen_chunks(chunks: Version, shard: int, sample: Sample) -> list[dict[str, Any]]:
    return [row for row in read_rows(chunks.shards()[shard]) if row["chunk_id"] in sample]


def find_duplicates(drafts: list[Path]) -> list[dict[str, str]]:
    """Queries to drop: all but one of those with the same normalised text, over all shards.

    Kept is a train query before a held-out one (an evaluation query must not be trained on), then the smallest id.
    """
    import polars as pl

    queries = pl.scan_parquet(drafts, glob=False).select("query_id", "normalised_text_hash", "split")
    ordered = queries.sort(pl.col("split") != "train", "query_id")
    kept = ordered.with_columns(duplicate_of=pl.col("query_id").first().over("normalised_text_hash"))
    found = kept.filter(pl.col("query_id") != pl.col("duplicate_of")).select("query_id", "duplicate_of")
    rows: list[dict[str, str]] = found.sort("query_id").collect().to_dicts()
    return rows


@dataclass(frozen=True)
class WithoutDuplicates:
    """Drafts -> queries. Called with the number of a shard of `query_drafts`; passes its rejections on."""

    drafts: Version
    duplicates: Version

    def __call__(self, shard: int) -> ShardResult:
        path = self.drafts.shards()[shard]
        dropped = _dropped(self.duplicates.shards()[0])
        before = [p for p in self.drafts.rejected_shards() if p.name == path.name]
        result = ShardResult([], [row for p in before for row in read_rows(p)])
        result.rows_in = len(result.rejected)
        for row in read_rows(path):
            result.rows_in += 1
            if kept := dropped.get(row["query_id"]):
                detail = f"the same words as {kept}"
                result.rejected.append(rejection(row["query_id"], "duplicate", detail, row["reply"] or row["text"]))
                continue
            result.rows.append(row)
            result.counts[f"language:{row['language']}"] += 1
            result.counts[f"split:{row['split']}"] += 1
        return result


@cache
def _dropped(duplicates: Path) -> dict[str, str]:
    """{query dropped: query kept}, read once a process."""
    return {row["query_id"]: row["duplicate_of"] for row in read_rows(duplicates)}


def build_queries(drafts: Version, data: Path, plan: Plan, processes: int) -> Version:
    """The last two passes: one merge that finds duplicates over all shards, then the rows by shard."""

    def find(made: Any) -> tuple[int, dict[str, Any]]:
        rows = find_duplicates(drafts.shards())
        made.write(0, ShardResult(list(rows), rows_in=drafts.manifest["rows"]["out"]), 0.0)
        return 1, {}

    merge = Plan("query_duplicates", "query_duplicate", plan.stage, plan.revision, {}, inputs=(drafts,))
    duplicates = build(merge, data, find)
    make, shards = WithoutDuplicates(drafts, duplicates), len(drafts.shards())

    def rows(made: Any) -> tuple[int, Mapping[str, Any]]:
        built, _ = build_shards(made, shards, make, processes=processes)
        return built, drafts.manifest["usage"]

    return build(plan, data, rows)
