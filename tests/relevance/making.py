"""Chunks of given texts, clusters and documents as a version, and drafts of triplets."""

from pathlib import Path
from typing import Any

import polars as pl

from builders.relevance.facts import ChunkFacts, chunk_facts
from builders.relevance.selection import TAKEN
from builders.store.schemas import arrow_schema
from builders.store.versions import Version

DRAFT = pl.from_arrow(arrow_schema("triplet").empty_table())


def facts_of(folder: Path, chunks: list[dict[str, Any]]) -> ChunkFacts:
    """chunks: chunk_id, and where they matter text, cluster, document and split."""
    rows = [
        {
            "chunk_id": row["chunk_id"],
            "normalised_text_hash": row.get("text", row["chunk_id"]),
            "cluster_id": row.get("cluster", row["chunk_id"]),
            "document_id": row.get("document", row["chunk_id"]),
            "split": row.get("split", "train"),
        }
        for row in chunks
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / "00000.parquet")
    manifest = {"table": "chunks", "version": "made", "files": [{"path": "00000.parquet", "rows": len(rows)}]}
    return chunk_facts(Version(folder, manifest))


def drafts_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """rows: query_id, chunk_id, positives and negatives as {id: score}; ranks are their places."""
    full = []
    for row in rows:
        draft = dict.fromkeys(DRAFT.columns) | dict.fromkeys(TAKEN, "x") | {"method": "sent", "split": "train"}
        draft |= {k: v for k, v in row.items() if k in draft}
        draft.setdefault("normalised_text_hash", draft["query_id"])
        for side in ("positive", "negative"):
            given = row[f"{side}s"]
            draft[f"{side}_ids"] = [i for i, _ in given]
            draft[f"{side}_ranks"] = list(range(1, len(given) + 1))
            draft[f"{side}_scores"] = [score for _, score in given]
        full.append(draft)
    return pl.DataFrame(full, schema=DRAFT.schema).drop("triplet_id")
