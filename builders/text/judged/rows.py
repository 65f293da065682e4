"""The rows of `queries` and `judgements` that drafts and chunks make, and the reasons for those that they do not."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from builders.store.building import Building, ShardResult, rejection
from builders.store.versions import Version, read_rows
from builders.text.hashes import normalise
from builders.text.judged.joining import (
    JUDGEMENTS,
    OTHER_TEXTS,
    QUERIES,
    fetch,
    in_shards,
    joined,
    queries_as_table,
    rejections_as,
)
from builders.text.languages import language_of
from builders.text.queries import query_row

METHOD = "supervised"


def write_queries(made: Building, drafts: Version, chunks: Version) -> int:
    """Write the queries of which something is judged and return the number of shards.

    A query whose id is asked with several texts keeps the first; a query of a file of queries of which this split says
    nothing is counted and no more. The drafts' own rejections follow in shards of their own.
    """
    with joined(made, drafts, chunks) as connection:
        shards = _write(made, in_shards(connection, QUERIES, "query_id"), _queries)
        result = ShardResult([])
        others = fetch(connection, OTHER_TEXTS, drafts=[str(shard) for shard in drafts.shards()])
        for other in others:
            detail = "the id was seen before with another text, which is kept"
            result.rejected.append(rejection(other["query_id"], "duplicate_id", detail, other["text"]))
        (left_out,) = fetch(connection, "SELECT count(*) AS n FROM asked WHERE NOT judged")
        result.counts["queries_without_judgement"] = left_out["n"]
    shards = _write_one(made, shards, lambda: result)
    for path in drafts.rejected_shards():
        shards = _write_one(made, shards, lambda path=path: ShardResult([], read_rows(path)))  # type: ignore[misc]
    return shards


def write_judgements(made: Building, drafts: Version, chunks: Version, queries: Version) -> int:
    """Write a row for each query and chunk that were judged and return the number of shards.

    Of judgements of the same two that disagree the highest stands, and they are counted.
    """
    documents = next(version for version in chunks.inputs() if version.table == "documents")
    with joined(made, drafts, chunks) as connection:
        queries_as_table(connection, queries)
        rejections_as(connection, "dropped", [queries])
        rejections_as(connection, "lost", [documents, chunks])
        return _write(made, in_shards(connection, JUDGEMENTS, "query_id, document_id"), _judgements)


def _write(made: Building, parts: Iterator[Any], make: Callable[[list[dict[str, Any]]], ShardResult]) -> int:
    shards = 0
    for part in parts:
        shards = _write_one(made, shards, lambda part=part: make(part.rows()))  # type: ignore[misc]
    return shards


def _write_one(made: Building, shard: int, make: Callable[[], ShardResult]) -> int:
    if not made.is_done(shard):
        start = time.perf_counter()
        result = make()
        result.rows_in = len(result.rows) + len(result.rejected)
        made.write(shard, result, time.perf_counter() - start)
    return shard + 1


def _queries(rows: list[dict[str, Any]]) -> ShardResult:
    result = ShardResult([])
    for row in rows:
        query_id, text = row["query_id"], row["text"]
        if not any(map(str.isalnum, normalise(text))):
            result.rejected.append(rejection(query_id, "empty", "the query holds no word", text))
        elif row["chunk_id"] is None:
            detail = "nothing is judged to answer it"
            if row["positives"]:
                detail = f"none of the {row['positives']} documents judged to answer it is left"
            result.rejected.append(rejection(query_id, "no_positive", detail, text))
        else:
            language = row["stated"] or language_of(text, row["language"])
            query = query_row(row, METHOD, 0, text, language) | {"query_id": query_id}
            result.rows.append(query)
            result.counts[f"language:{language}"] += 1
            result.counts[f"split:{query['split']}"] += 1
    return result


def _judgements(rows: list[dict[str, Any]]) -> ShardResult:
    result = ShardResult([])
    for row in rows:
        query_id, document_id, relevance = row["query_id"], row["document_id"], row["relevance"]
        chunk_id = row["chunk_id"] or f"{document_id}#0000"
        judgement_id = f"{query_id}={chunk_id}"
        result.counts["relevance_disagreed"] += row["disagreed"]
        if not row["kept"] or row["chunk_id"] is None:
            result.rejected.append(rejection(judgement_id, *_fault(row), f"relevance {relevance}"))
            continue
        result.counts["positives" if relevance > 0 else "negatives"] += 1
        result.rows.append(
            {
                "judgement_id": judgement_id,
                "query_id": query_id,
                "chunk_id": chunk_id,
                "document_id": document_id,
                "relevance": relevance,
            }
        )
    return result


def _fault(row: dict[str, Any]) -> tuple[str, str]:
    """(reason, detail) of a judgement whose query or document is not there."""
    if row["chunk_id"] is None and row["document_reason"] is None:
        return "unknown_id", f"the data set holds no document {row['document_id']}"
    if not row["kept"] and row["query_reason"] is None:
        return "unknown_id", f"the data set holds no query {row['query_id']}"
    if row["chunk_id"] is None:
        return row["document_reason"], f"its document was rejected as {row['document_reason']}"
    return row["query_reason"], f"its query was rejected as {row['query_reason']}"
