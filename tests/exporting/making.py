"""A finished run in seconds: a tiny Llama as its checkpoints, a log that falls and rises, facts as the trainer writes."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from drama_train.retriever import Retriever, Settings, load_retriever, save_retriever
from tests.llm.tiny_llama import write_tiny_llama

SETTINGS = Settings(dims=(128, 64, 32), max_length=96)
BOS = "<|user|>"


def tiny_retriever(folder: Path, settings: Settings = SETTINGS, *, bos: bool = False, seed: int = 0) -> Retriever:
    made = load_retriever(str(write_tiny_llama(folder, seed=seed)), settings=settings)
    if bos:
        made.tokenizer.bos_token = BOS
    return made


def facts_of(retriever: Retriever) -> dict[str, Any]:
    release = {"name": "notes", "release": "v1.0.0", "content_hash": "a" * 32, "licence": "CC-BY-4.0"}
    streams = [
        {"name": f"notes/notes/{method}/{language}", "rows": rows, "weight": rows / 100}
        for method, language, rows in (("sent", "en", 60), ("qgen", "en", 30), ("sent", "de", 10))
    ]
    return {
        "model": {"id": "smollm2", "revision": "r1", "layers": 2},
        "settings": asdict(retriever.settings),
        "releases": [release | {"languages": ["de", "en"]}],
        "mixture": {"name": "rows", "homogeneous": False, "streams": streams},
        "plan": {"batch": 64, "negatives": 7, "steps": 40, "lr": 1e-4, "objective": {"temperature": 0.02}},
        "heldout_queries": 1000,
        "steps": 40,
        "tokens": 123_456,
        "seconds": 321.5,
        "best_step": 30,
        "best_score": 0.61,
        "made_with": {"python": "3.11", "libraries": {"torch": "2.13.0", "transformers": "5.24.0"}, "git_commit": "c0"},
    }


def write_run(folder: Path, retriever: Retriever, facts: dict[str, Any] | None = None) -> Path:
    """The checkpoint `last` reads fewer tokens of a text than `best`, so that it can be told which was taken."""
    for name, longest in (("best", retriever.settings.max_length), ("last", 32)):
        settings = replace(retriever.settings, max_length=longest)
        save_retriever(replace(retriever, settings=settings), folder / "checkpoints" / name / "model")
    told = facts_of(retriever) if facts is None else facts
    (folder / "config.json").write_text(json.dumps({"model": told.get("model"), "plan": told.get("plan")}))
    (folder / "run.json").write_text(json.dumps(told))
    lines: list[dict[str, Any]] = []
    for step in range(1, 41):
        lines.append({"step": step, "loss": 4 / step**0.5, "lr": 1e-4, "tokens_per_second": 400.0})
        if step % 10 == 0:
            lines.append({"step": step, "heldout": {"ndcg_at_10": 0.6 - abs(30 - step) / 100}, "is_best": step == 30})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def scores_of(revision: str, settings: Settings = SETTINGS, **changed: Any) -> dict[str, Any]:
    """scores.json of an evaluation of those weights, read as `settings` but for `changed`, beside BM25."""

    def interval(mean: float) -> dict[str, float]:
        return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}

    read_as = {"layers": None, "settings": asdict(settings), "max_length": None} | changed
    metrics = {"ndcg_at_10": interval(0.5), "recall_at_100": interval(0.8), "mrr_at_10": interval(0.4)}
    score = {"system": "trained", "set": "guides", "dim": 128, "queries_file": "queries/a.parquet", "not_run": None}
    score |= {"metrics": metrics}
    languages = [{"language": code, "queries": count, "documents": 9} for code, count in (("de", 40), ("en", 60))]
    return {
        "systems": [
            {"name": "trained", "kind": "retriever", "model": "model", "revision": revision, "dim": 128}
            | {"settings": {"query": read_as, "document": read_as}},
            {"name": "bm25", "kind": "bm25", "model": "bm25", "revision": "lucene", "dim": None, "settings": {}},
        ],
        "sets": [
            {"name": "guides", "revision": "r1", "queries": 100, "documents": 18, "max_length": None}
            | {"languages": languages, "notes": ["a rehearsal of 100 queries: its scores are no result"]}
        ],
        "scores": [
            score | {"languages": {"de": interval(0.3), "en": interval(0.6)}},
            score | {"dim": 64, "languages": {"de": interval(0.2), "en": interval(0.5)}},
            score
            | {
                "set": "long",
                "dim": None,
                "queries_file": None,
                "not_run": "longer than its positions",
                "metrics": {},
                "languages": {},
            },
        ],
        "differences": [
            {"first": "trained", "second": "bm25", "set": "guides", "metric": metric, "mean": -0.05, "low": -0.1}
            | {"high": 0.01, "is_resolved": False}
            for metric in ("ndcg_at_10", "mrr_at_10")
        ],
        "interval": {"level": 0.95, "resamples": 10_000, "seed": 0},
        "made_with": {},
        "finished": "2026-01-02T03:04:05+00:00",
    }
