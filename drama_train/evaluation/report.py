"""scores.json: systems, sets, scores with intervals and paired differences, as schemas/scores.schema.json says."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.parquet import write_bytes
from builders.store.provenance import provenance
from builders.store.schemas import first_fault
from drama_train.evaluation.intervals import RESAMPLES, Interval, bootstrap_columns
from drama_train.evaluation.metrics import METRICS
from drama_train.evaluation.running import QUERIES, Row, Run
from drama_train.evaluation.scoring import Scores
from drama_train.evaluation.systems import System

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORES_FILE = "scores.json"
_SEED = 0
Report = Mapping[str, Any]


def report_of(run: Run, systems: Sequence[System]) -> Report:
    """The report, checked against its schema."""
    by_set: dict[str, list[Row]] = {}
    for row in run.rows:
        by_set.setdefault(row.set, []).append(row)
    scores, differences = [], []
    for rows in by_set.values():
        told, compared = _of_set(rows, systems[0].spec.name)
        scores += told
        differences += compared
    report = {
        "systems": [_system(system) for system in systems],
        "sets": run.sets,
        "scores": scores,
        "differences": differences,
        "interval": {"level": 0.95, "resamples": RESAMPLES, "seed": _SEED},
        "made_with": provenance(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if fault := first_fault("scores", report):
        raise AssertionError(f"the report does not follow its schema: {fault}")
    return report


def write_report(report: Report, out: Path) -> Path:
    """The report as OUT/scores.json, in one step."""
    path = out / SCORES_FILE
    write_bytes(path, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def _of_set(rows: Sequence[Row], first: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Entries of scores and of differences; all intervals of a set are of the same resamples of its queries."""
    import numpy as np

    scored = [(row, row.scores) for row in rows if row.scores is not None]
    told = {id(row): _entry(row) for row in rows}
    if not scored:
        return list(told.values()), []
    languages = scored[0][1].languages
    whole: dict[str, Scores] = {}
    for row, scores in scored:
        whole.setdefault(row.system, scores)  # the first of a system is of its whole vectors
    pairs = [(name, metric) for name in whole if name != first and first in whole for metric in METRICS]
    columns = [scores.values[metric] for _, scores in scored for metric in METRICS]
    columns += [_minus(whole[first], whole[name], metric) for name, metric in pairs]
    found = iter(bootstrap_columns(np.stack(columns, 1), _SEED, strata=languages))
    for row, _ in scored:
        told[id(row)]["metrics"] = {metric: _interval(next(found)) for metric in METRICS}
    differences = [_difference(first, name, rows[0].set, metric, next(found)) for name, metric in pairs]
    for language in sorted(set(languages)):
        of_one = np.flatnonzero(np.array(languages) == language)
        values = np.stack([scores.values["ndcg_at_10"][of_one] for _, scores in scored], 1)
        for (row, _), interval in zip(scored, bootstrap_columns(values, _SEED), strict=True):
            told[id(row)]["languages"][language] = _interval(interval)
    return list(told.values()), differences


def _difference(first: str, second: str, searched: str, metric: str, found: Interval) -> dict[str, Any]:
    named = {"first": first, "second": second, "set": searched, "metric": metric}
    return named | _interval(found) | {"is_resolved": found.is_resolved}


def _minus(first: Scores, other: Scores, metric: str) -> "NDArray[Any]":
    if list(first.queries) != list(other.queries):
        raise AssertionError("scores of one set are of other queries")
    difference: NDArray[Any] = first.values[metric] - other.values[metric]
    return difference


def _entry(row: Row) -> dict[str, Any]:
    return {
        "system": row.system,
        "set": row.set,
        "dim": row.dim,
        "queries_file": row.key and f"{QUERIES}/{row.key}.parquet",
        "not_run": row.not_run,
        "metrics": {},
        "languages": {},
    }


def _interval(found: Interval) -> dict[str, float]:
    return {name: round(getattr(found, name), 6) for name in ("mean", "low", "high")}


def _system(system: System) -> dict[str, Any]:
    return {
        "name": system.spec.name,
        "kind": system.spec.kind,
        "model": system.model_name(),
        "revision": system.revision(),
        "dim": system.widths()[0],
        "settings": system.settings(),
    }
