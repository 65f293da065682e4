"""A release folder of the small corpus, its facts, and facts of every kind written by hand."""

import copy
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from builders.cards.facts import ReleaseParts, release_facts
from builders.store.version_sets import VersionSet, version_set
from builders.store.versions import Version, all_versions
from tests.making import rows_of

LICENCES = {"notes": "CC-BY-SA-4.0", "fake": "MIT"}
NEGATIVES = 2
HOSTILE = (
    "a|b `c` </details><script>alert(1)</script>\n---\n```\n# [x](javascript:alert(1)) <!-- \u202e *_$y$ {{ 7*7 }}"
)

QUALITY: dict[str, Any] = {
    "versions": ["chunks/1"],
    "checks": [
        {
            "name": f"check_{status}",
            "severity": severity,
            "tables": ["chunks"],
            "reason": "A key names one row.",
            "threshold": 0.0,
            "status": status,
            "examined": examined,
            "failing": failing,
            "seconds": 0.1,
            "examples": [],
        }
        for status, severity, examined, failing in (
            ("passed", "error", 100, 0),
            ("failed", "warning", 1234, 37),
            ("not_run", "warning", 0, 0),
        )
    ],
    "errors": 0,
    "warnings": 1,
    "memory": "2GB",
    "seconds": 0.3,
}
AUDIT = {
    "version": "opinions/1",
    "triplets": ["triplets/1"],
    "pairs": 200,
    "opinions": ["cross-encoder", "listwise"],
    "kappa": 0.512,
    "agreement": 0.9,
    "policy": "drop",
    "strata": [
        {"side": "negative", "by": "all", "value": "all", "pairs": 150, "relevant": 12, "rate": 0.08, "low": 0.05, "high": 0.13, "wrong": 0.08, "wrong_low": 0.05, "wrong_high": 0.13},
        {"side": "negative", "by": "method", "value": "sent", "pairs": 150, "relevant": 12, "rate": 0.08, "low": 0.05, "high": 0.13, "wrong": 0.08, "wrong_low": 0.05, "wrong_high": 0.13},
        {"side": "positive", "by": "all", "value": "all", "pairs": 50, "relevant": 9, "rate": 0.18, "low": 0.1, "high": 0.3, "wrong": 0.02, "wrong_low": 0.003, "wrong_high": 0.1},
    ],
}  # fmt: skip
CONTAMINATION = {
    "version": "contamination/1",
    "sets": [{"name": "scifact", "queries": 300, "documents": 5183}],
    "examined": {"queries": 90, "positives": 88},
    "policy": "flag",
    "rows": 3,
    "overlaps": [
        {"set": "scifact", "kind": "query", "role": "query", "match": "exact", "texts": 2, "rows": 3},
        {"set": "scifact", "kind": "query", "role": "document", "match": "ngram", "texts": 1, "rows": 2},
    ],
}


def named(data: Path) -> tuple[Version, Version]:
    """The last triplets, and the queries that a model wrote."""
    versions = list(all_versions(data))
    written = next(v for v in versions if v.table == "queries" and v.manifest["stage"] == "builders.synthetic_queries")
    return [v for v in versions if v.table == "triplets"][-1], written


def write_configs(versions: VersionSet, folder: Path) -> dict[str, Any]:
    """The Parquet files of a release, and its manifest's configs."""
    rows = {
        "corpus": [row for v in versions.of("chunks") for row in rows_of(v)],
        "queries": [row for v in versions.of("queries") for row in rows_of(v)],
        "triplets": [row for v in versions.named if v.table == "triplets" for row in rows_of(v)],
    }
    texts = {row["chunk_id"]: row["text"] for row in rows["corpus"]}
    words = {row["query_id"]: row["text"] for row in rows["queries"]}
    rows["pairs"] = [
        {
            "split": row["split"],
            "anchor": words[row["query_id"]],
            "positive": texts[row["positive_ids"][0]],
            **{f"negative_{n}": texts[row["negative_ids"][n - 1]] for n in range(1, NEGATIVES + 1)},
        }
        for row in rows["triplets"]
    ]
    records = {"corpus": "chunk", "queries": "query", "triplets": "triplet", "pairs": None}
    return {
        name: {"record": records[name], "schema": None, "splits": _splits(folder, name, rows[name])} for name in rows
    }


def _splits(folder: Path, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    splits = {}
    for split in ("train", "heldout"):
        frame = pl.DataFrame([row for row in rows if row["split"] == split], infer_schema_length=None)
        if len(frame):
            path = folder / name / split / "00000.parquet"
            path.parent.mkdir(parents=True)
            frame.drop("split" if name == "pairs" else []).write_parquet(path)
            facts = {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}
            file = {"path": f"{name}/{split}/00000.parquet", "rows": len(frame), "content_hash": "0" * 32, **facts}
            splits[split] = {"rows": len(frame), "files": [file]}
    return splits


def parts(configs: dict[str, Any], **changes: Any) -> ReleaseParts:
    given: dict[str, Any] = {
        "name": "notes-drama",
        "release": "v1.0.0",
        "content_hash": "0" * 32,
        "description": "Notes about places.",
        "finished": "2026-11-25T18:00:00+00:00",
        "licences": LICENCES,
        "configs": configs,
        "negatives": NEGATIVES,
    }
    return ReleaseParts(**given | changes)


def facts_of(data: Path, folder: Path) -> dict[str, Any]:
    versions = version_set(named(data))
    return release_facts(versions, parts(write_configs(versions, folder)), QUALITY)


def hostile_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """The same with hostile text wherever text of users, documents or models stands."""
    worse = copy.deepcopy(facts)
    worse["name"] = worse["description"] = worse["repository"] = HOSTILE
    worse["audit"], worse["contamination"] = [copy.deepcopy(AUDIT)], [copy.deepcopy(CONTAMINATION)]
    worse["audit"][0]["strata"][1]["value"] = worse["contamination"][0]["sets"][0]["name"] = HOSTILE
    worse["contamination"][0]["overlaps"][0]["set"] = HOSTILE
    worse["sources"][0]["name"] = worse["sources"][0]["stated"][0]["stated"] = HOSTILE
    worse["models"][0]["id"] = worse["models"][0]["revision"] = HOSTILE
    worse["licence"]["by"][0]["what"] = f"source {HOSTILE}"
    worse["languages"][0]["code"] = HOSTILE
    worse["retrieval"][0]["retriever"] = worse["distributions"]["score_by_rank"][0]["retriever"] = HOSTILE
    worse["distributions"]["chunk_tokens"]["series"][0]["name"] = HOSTILE
    worse["stages"][0]["config"]["source"] = worse["stages"][0]["inputs"] = [HOSTILE]
    worse["quality"]["checks"][1]["reason"] = HOSTILE
    worse["prompts"][0]["text"] = worse["prompts"][0]["version"] = HOSTILE
    return worse
