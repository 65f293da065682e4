"""The scores of an evaluation, as the card of a model tells them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.store.schemas import first_fault
from drama_train.retriever import Settings

SCORES_FILE = "scores.json"
METRICS = {"ndcg_at_10": "nDCG@10", "recall_at_100": "recall@100", "mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}


@dataclass(frozen=True)
class Scores:
    """Rows of the card's tables, whose cells are plain text."""

    rows: tuple[tuple[str, ...], ...]
    """System, set, dimension, queries, then one of each metric."""
    languages: tuple[tuple[str, ...], ...]
    """System, set, language, queries, nDCG@10; by whole vectors, of sets with several languages."""
    differences: tuple[tuple[str, ...], ...]
    """First system, second, set, the first's nDCG@10 minus the second's, and whether the set can tell."""
    systems: tuple[tuple[str, str, str], ...]
    """Name, model, revision."""
    notes: tuple[tuple[str, str], ...] = ()
    """Set, and what a reader of its scores should know."""
    read_as: tuple[Any, ...] = ()
    """Of each system, what else determined its vectors of documents; {} of BM25."""

    def are_of(self, revisions: frozenset[str], settings: Settings) -> bool:
        """Whether a system is the weights of one of those hashes, all of its layers, read as `settings` say."""
        return any(
            revision in revisions and _is_read_as(told, settings)
            for (_, _, revision), told in zip(self.systems, self.read_as, strict=True)
        )


NONE = Scores((), (), (), ())


def read_scores(folder: Path) -> Scores:
    """Of scores.json in the folder of an evaluation. UserError where there is none, or it is damaged."""
    path = folder / SCORES_FILE
    if not path.is_file():
        raise UserError(
            f"{folder} holds no {SCORES_FILE}: give the folder that `python -m drama_train evaluate --out` made."
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if fault := first_fault("scores", told):
            raise ValueError(fault)
        sets = {str(one["name"]): one for one in told["sets"]}
        return Scores(
            tuple(_row(one, sets) for one in told["scores"] if one["not_run"] is None),
            tuple(row for one in told["scores"] if one["not_run"] is None for row in _languages(one, told, sets)),
            tuple(_difference(one) for one in told["differences"] if one["metric"] == "ndcg_at_10"),
            tuple((str(one["name"]), str(one["model"]), str(one["revision"])) for one in told["systems"]),
            tuple((str(one["name"]), str(note)) for one in told["sets"] for note in one["notes"]),
            tuple(one["settings"].get("document", {}) for one in told["systems"]),
        )
    except KeyError as lost:
        raise UserError(f"{path} is damaged (it tells nothing of {lost}): evaluate again.") from None
    except ValueError as wrong:
        raise UserError(f"{path} is damaged ({wrong}): evaluate again.") from None


def _is_read_as(told: Any, settings: Settings) -> bool:
    own = told.get("settings") if isinstance(told, Mapping) else None
    if not isinstance(own, Mapping) or told.get("layers") is not None:
        return False
    same = ("attention", "pooling", "query_prefix", "document_prefix")
    longest = told.get("max_length") or own.get("max_length")
    return longest == settings.max_length and all(own.get(name) == getattr(settings, name) for name in same)


def _row(score: Mapping[str, Any], sets: Mapping[str, Any]) -> tuple[str, ...]:
    metrics = score["metrics"]
    found = [_interval(metrics[name]) if name in metrics else "-" for name in METRICS]
    return (score["system"], score["set"], _dim(score["dim"]), f"{sets[score['set']]['queries']:,}", *found)


def _languages(score: Mapping[str, Any], told: Mapping[str, Any], sets: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    whole = {one["name"]: one["dim"] for one in told["systems"]}
    if score["dim"] != whole[score["system"]] or len(score["languages"]) < 2:
        return
    queries = {one["language"]: one["queries"] for one in sets[score["set"]]["languages"]}
    for language, found in score["languages"].items():
        yield score["system"], score["set"], language, f"{queries[language]:,}", _interval(found)


def _difference(one: Mapping[str, Any]) -> tuple[str, ...]:
    found = f"{one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
    return one["first"], one["second"], one["set"], found, "yes" if one["is_resolved"] else "no"


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _dim(dim: int | None) -> str:
    return "-" if dim is None else f"{dim:d}"
