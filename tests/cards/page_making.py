"""The facts of a release as the page gets them, made from the manifests of a set of versions; figures are drawn."""

from collections import Counter
from typing import Any

from builders.cards.page_tables import released_triplets
from builders.store.resources import resource
from builders.store.schemas import load_schema
from builders.store.version_sets import VersionSet
from builders.store.versions import PASSES, Version
from tests.making import rows_of


def page_facts(versions: VersionSet, **changes: Any) -> dict[str, Any]:
    """Every key of the facts, with counts of the rows that are there."""
    triplets = [row for version in released_triplets(versions) for row in rows_of(version)]
    chunks = [row for version in versions.of("chunks") for row in rows_of(version)]
    queries = [row for version in versions.of("queries") for row in rows_of(version)]
    methods = sorted({row["method"] for row in triplets})
    facts = {
        "name": "small-notes",
        "release": "v1.0.0",
        "content_hash": "0f" * 16,
        "description": "Notes in six languages, with queries cropped from them and chosen negatives.",
        "finished": "2026-11-25T12:00:00+00:00",
        "repository": None,
        "size_category": "n<1K",
        "made_with": {"python": "3.11", "libraries": {}, "git_commit": None},
        "configs": _configs(len(chunks), len(queries), len(triplets)),
        "languages": [
            {
                "code": code,
                "chunks": n,
                "queries": _count(queries, language=code),
                "triplets": _count(triplets, language=code),
            }
            for code, n in Counter(row["language"] for row in chunks).most_common()
        ],
        "sources": [
            {
                "name": name,
                "licences": ["CC-BY-SA-4.0"],
                "documents": len({row["document_id"] for row in chunks if row["source"] == name}),
                "chunks": n,
                "queries": _count(queries, source=name),
                "triplets": _count(triplets, source=name),
            }
            for name, n in Counter(row["source"] for row in chunks).most_common()
        ],
        "methods": [
            {
                "name": name,
                "queries": len({row["query_id"] for row in triplets if row["method"] == name}),
                "triplets": _count(triplets, method=name),
                "positives": sum(len(row["positive_ids"]) for row in triplets if row["method"] == name),
                "negatives": sum(len(row["negative_ids"]) for row in triplets if row["method"] == name),
            }
            for name in methods
        ],
        "stages": [_stage(version) for version in versions.versions if version.table not in PASSES],
        "prompts": _prompts(versions),
        "models": [{"id": "smollm2", "revision": "1", "roles": ["writes queries"], "licence": "Apache-2.0"}],
        "licence": {
            "strictest": "CC-BY-SA-4.0",
            "by": [
                {"what": "source notes", "licence": "CC-BY-SA-4.0"},
                {"what": "model smollm2", "licence": "Apache-2.0"},
            ],
        },
        "quality": quality(),
        "audit": [_audit()],
        "contamination": [_contamination()],
        "retrieval": [
            {
                "version": str(v),
                "retriever": "minilm@1+bm25",
                "method": "sent",
                "language": code,
                "queries": 50,
                "first": 0.61,
                "in_10": 0.88,
                "in_50": 0.97,
            }
            for v in versions.of("candidates")
            for code in sorted({row["language"] for row in triplets})
        ],
        "distributions": _distributions(versions, methods),
    }
    return facts | changes


def quality() -> dict[str, Any]:
    def check(
        name: str, severity: str, status: str, examined: int, failing: int, threshold: float = 0
    ) -> dict[str, Any]:
        examples = [{"key": f"notes/{i}#0000~sent0", "detail": f"{name}: found {i}"} for i in range(min(failing, 5))]
        reason = f"Rows that break {name.replace('_', ' ')} teach the wrong thing."
        return {"name": name, "severity": severity, "tables": ["triplets", "chunks"], "reason": reason, "threshold": threshold,
                "status": status, "examined": examined, "failing": failing, "seconds": 0.02, "examples": examples}  # fmt: skip

    checks = [
        check("negative_is_positive", "error", "failed", 963, 2),
        check("ids_unique", "error", "passed", 2081, 0),
        check("schema.triplet.split", "error", "passed", 963, 0),
        check("judged_twice", "error", "not_run", 0, 0),
        check("duplicate_queries", "warning", "failed", 1118, 41, 0.01),
        check("query_language", "warning", "passed", 1118, 7, 0.02),
    ]
    return {"versions": ["triplets/x"], "checks": checks, "errors": 1, "warnings": 1, "memory": "2GB", "seconds": 1.5}


def _count(rows: list[dict[str, Any]], **wanted: str) -> int:
    return sum(all(row[name] == value for name, value in wanted.items()) for row in rows)


def _configs(chunks: int, queries: int, triplets: int) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "record": record,
            "description": load_schema(record)["description"],
            "columns": [
                {"name": k, "type": str(d["type"]), "description": d["description"]}
                for k, d in load_schema(record)["properties"].items()
            ],
            "splits": [{"name": "train", "rows": rows, "bytes": rows * 411}],
        }
        for name, record, rows in (
            ("corpus", "chunk", chunks),
            ("queries", "query", queries),
            ("triplets", "triplet", triplets),
        )
    ]


def _stage(version: Version) -> dict[str, Any]:
    manifest, identity = version.manifest, version.manifest["identity"]
    return {
        "version": version.name,
        "table": version.table,
        "stage": manifest["stage"],
        "inputs": [f"{i['table']}/{i['version']}" for i in identity["inputs"] if i["table"] not in PASSES],
        "rows_in": manifest["rows"]["in"],
        "rows_out": manifest["rows"]["out"],
        "rejected": manifest["rows"]["rejected"],
        "rejected_by_reason": manifest["rows"]["rejected_by_reason"],
        "counts": manifest["counts"],
        "config": identity["config"],
        "model": identity["model"],
        "prompt": identity["prompt"],
        "sampling": identity["sampling"],
        "seed": identity["seed"],
        "usage": manifest["usage"],
    }


def _prompts(versions: VersionSet) -> list[dict[str, Any]]:
    used = {v.manifest["identity"]["prompt"]["version"]: v.manifest["identity"]["prompt"]["name"] for v in versions.versions if v.manifest["identity"]["prompt"]}  # fmt: skip
    return [
        {"name": name, "version": version, "text": resource("prompts", f"{name}.toml").read_text()}
        for version, name in used.items()
    ]


def _audit() -> dict[str, Any]:
    strata = [
        ("negative", "all", "", 400, 22),
        ("negative", "method", "sent", 300, 15),
        ("negative", "band", "11..20", 120, 11),
        ("positive", "rank", "1", 90, 88),
    ]
    return {"version": "opinions/ab", "triplets": ["triplets/x"], "pairs": 490, "opinions": ["cross-encoder m@1", "bm25"], "kappa": 0.61, "agreement": 0.9, "policy": "drop",
            "strata": [{"side": s, "by": by, "value": value, "pairs": n, "relevant": k, "rate": k / n, "low": max(k / n - 0.03, 0), "high": min(k / n + 0.03, 1), "wrong": 0.0, "wrong_low": 0.0, "wrong_high": 0.1} for s, by, value, n, k in strata]}  # fmt: skip


def _contamination() -> dict[str, Any]:
    return {"version": "contamination/cd", "sets": [{"name": "scifact", "queries": 300, "documents": 5183}], "examined": {"queries": 963, "positives": 1100}, "policy": "flag", "rows": 4,
            "overlaps": [{"set": "scifact", "kind": "query", "role": "query", "match": "exact", "texts": 1, "rows": 2}, {"set": "scifact", "kind": "positive", "role": "document", "match": "minhash", "texts": 3, "rows": 3}]}  # fmt: skip


def _distributions(versions: VersionSet, methods: list[str]) -> dict[str, Any]:
    def series(name: str, middle: int) -> dict[str, Any]:
        bins = [{"from": i * 2, "to": i * 2 + 2, "count": max(60 - abs(middle - i * 2) * 7 + i, 0)} for i in range(20)]
        return {"name": name, "bins": bins, "p10": middle - 4, "p50": middle, "p90": middle + 9}

    candidates = [v.name for v in versions.of("candidates")]
    return {
        "query_words": {"unit": "words", "series": [series(name, 12) for name in methods]},
        "chunk_tokens": {"unit": "tokens", "series": [series("notes", 22)]},
        "negatives": {"unit": "negatives a row", "series": [series(name, 8) for name in methods]},
        "score_by_rank": [
            {"version": v, "retriever": "minilm@1", "method": "sent", "rank": rank, "p10": 0.5 / rank**0.3, "p50": 0.6 / rank**0.3, "p90": 0.8 / rank**0.3}
            for v in candidates
            for rank in range(1, 21)
        ],
        "own_rank": [
            {"version": v, "method": "sent", "band": band, "queries": n}
            for v in candidates
            for band, n in (("1", 610), ("2..5", 200), ("6..10", 70), ("11..50", 90), ("not found", 30))
        ],
        "rejections": [{"table": "queries", "method": "sent", "reason": "too_short", "rows": 48}, {"table": "triplets", "method": None, "reason": "own_chunk_lost", "rows": 155}],
        "agreement": [{"version": "p", "preference_method": "listwise", "model": "m@1", "queries": 20, "rank_agreement": 0.71, "first_agreement": 0.8}],
    }  # fmt: skip
