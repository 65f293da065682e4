"""The scores of an evaluation, as the card of a model tells them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError

SCORES_FILE = "scores.json"
METRICS = {"ndcg_at_10": "nDCG@10", "recall_at_100": "recall@100", "mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}


@dataclass(frozen=True)
class Scores:
    """Rows of the card's tables, whose cells are plain text. `revisions`: hashes of the weights that were scored."""

    rows: tuple[tuple[str, ...], ...]
    """System, set, dimension, queries, then one of each metric."""
    languages: tuple[tuple[str, ...], ...]
    """System, set, language, queries, nDCG@10; by whole vectors, of sets with several languages."""
    differences: tuple[tuple[str, ...], ...]
    """First system, second, set, the first's nDCG@10 minus the second's, and whether the set can tell."""
    systems: tuple[tuple[str, str, str], ...]
    """Name, model, revision."""

    @property
    def revisions(self) -> frozenset[str]:
        return frozenset(revision for _, _, revision in self.systems)


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
        sets = {str(one["name"]): one for one in told["sets"]}
        return Scores(
            tuple(_row(one, sets) for one in told["scores"] if one["not_run"] is None),
            tuple(row for one in told["scores"] if one["not_run"] is None for row in _languages(one, told, sets)),
            tuple(_difference(one) for one in told["differences"] if one["metric"] == "ndcg_at_10"),
            tuple((str(one["name"]), str(one["model"]), str(one["revision"])) for one in told["systems"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UserError(f"{path} is damaged ({type(fault).__name__}: {fault}): evaluate again.") from None


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
