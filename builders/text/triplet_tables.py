"""Drafts of triplets -> the tables that every method shares: documents, chunks, queries and judgements."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, build, build_shards, rejection
from builders.store.plans import Plan
from builders.store.versions import Version, read_rows, read_version
from builders.text.languages import language_name
from builders.text.queries import build_queries, query_row
from builders.text.written_triplets import METHOD, NEGATIVE, POSITIVE, chunk_of


@dataclass(frozen=True)
class Documents:
    """Drafts -> documents, two a draft. Called with the number of a shard of `triplet_drafts`."""

    drafts: Version
    name: str
    licence: str | None

    def __call__(self, shard: int) -> ShardResult:
        rows = read_rows(self.drafts.shards()[shard])
        documents = [document for row in rows for document in self._pair(row)]
        return ShardResult(documents, rows_in=len(rows))

    def _pair(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for document_id, text in ((row["positive_id"], row["positive"]), (row["negative_id"], row["hard_negative"])):
            yield {
                "document_id": document_id,
                "source": self.name,
                "title": "",
                "text": text,
                "language": row["language"],
                "licence": self.licence,
                "place": f"{row['task_id']}: {row['task']}",
            }


@dataclass(frozen=True)
class QueryDrafts:
    """Drafts of triplets and their chunks -> drafts of queries. Called with the number of a shard of both.

    A triplet goes where one of its texts became no chunk, both are in one near-duplicate cluster, or its negative is in
    the cluster of another's negative (of a model that says the same of everything, one is kept).
    """

    drafts: Version
    chunks: Version

    def __call__(self, shard: int) -> ShardResult:
        path = self.drafts.shards()[shard]
        before = [p for p in self.drafts.rejected_shards() if p.name == path.name]
        result = ShardResult([], [row for p in before for row in read_rows(p)])
        result.rows_in = len(result.rejected)
        chunks = {row["document_id"]: row for row in read_rows(self.chunks.shards()[shard])}
        for draft in read_rows(path):
            result.rows_in += 1
            if fault := self._fault(draft, chunks):
                result.rejected.append(rejection(draft["query_id"], *fault, draft["reply"]))
            else:
                result.rows.append(_query(draft, chunks[draft["positive_id"]]))
        return result

    def _fault(self, draft: Mapping[str, Any], chunks: Mapping[str, Any]) -> tuple[str, str] | None:
        for document_id in (draft["positive_id"], draft["negative_id"]):
            if document_id not in chunks:
                return "not_text", f"{document_id} became no chunk: see the rejections of {self.chunks}"
        positive, negative = (chunks[draft[key]] for key in ("positive_id", "negative_id"))
        if positive["cluster_id"] == negative["cluster_id"]:
            return "near_duplicate", f"both are in the near-duplicate cluster {positive['cluster_id']}"
        first = _repeated(self.chunks.folder).get(negative["document_id"])
        return ("duplicate", f"its hard negative is nearly that of {first}") if first else None


def _query(draft: Mapping[str, Any], chunk: Mapping[str, Any]) -> dict[str, Any]:
    filled = {key: draft[key] for key in ("task", "model", "prompt_version", "parse", "reply")}
    # The language is the one that was asked for: the gates found nothing against it.
    row = query_row(chunk, METHOD, 0, draft["query"], draft["language"])
    return row | filled | {"stated_language": language_name(draft["language"])}


@cache
def _repeated(chunks: Path) -> dict[str, str]:
    """{negative: the one of its near-duplicate cluster that is kept (the smallest id)}, read once a process."""
    import polars as pl

    version = read_version(chunks)
    assert version is not None
    negatives = (
        pl.scan_parquet(version.shards(), glob=False)
        .select("document_id", "cluster_id")
        .filter(pl.col("document_id").str.ends_with(NEGATIVE))
    )
    kept = negatives.with_columns(kept=pl.col("document_id").min().over("cluster_id"))
    return dict(kept.filter(pl.col("document_id") != pl.col("kept")).select("document_id", "kept").collect().rows())


@dataclass(frozen=True)
class Judgements:
    """Queries -> what their writer says of their positive and their hard negative. Called with a shard of `queries`."""

    queries: Version

    def __call__(self, shard: int) -> ShardResult:
        queries = read_rows(self.queries.shards()[shard], ["query_id", "document_id"])
        return ShardResult([row for query in queries for row in _judgements(query)], rows_in=len(queries))


def _judgements(query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    positive = query["document_id"]
    for document_id, relevance in ((positive, 1), (positive.removesuffix(POSITIVE) + NEGATIVE, 0)):
        chunk_id = chunk_of(document_id)
        yield {
            "judgement_id": f"{query['query_id']}={chunk_id}",
            "query_id": query["query_id"],
            "chunk_id": chunk_id,
            "document_id": document_id,
            "relevance": relevance,
        }


def build_judgements(
    drafts: Version, chunks: Version, data: Path, plan: Callable[..., Plan], processes: int
) -> Version:
    """The queries of the drafts whose texts are chunks, without duplicates, then two judgements each.

    `plan` makes a plan of the stage from a table, a record, a config and inputs.
    """
    shards = len(drafts.shards())
    work = partial(build_shards, shards=shards, make=QueryDrafts(drafts, chunks), processes=processes)
    query_drafts = build(plan("query_drafts", "query", config={}, inputs=(drafts, chunks)), data, work)
    queries = build_queries(
        query_drafts, data, plan("queries", "query", config={}, inputs=(chunks, query_drafts)), processes
    )
    work = partial(build_shards, shards=shards, make=Judgements(queries), processes=processes)
    return build(plan("judgements", "judgement", config={}, inputs=(chunks, queries)), data, work)
