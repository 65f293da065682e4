"""Candidates of the small corpus, and triplets chosen from them."""

from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.versions import Version
from builders.triplets import Triplets, main

WINDOWS: dict[str, Any] = {"positives": (1, 3), "negatives": (6, 12), "least": 3}
NO_WINDOWS: dict[str, Any] = dict.fromkeys(WINDOWS)


def make(data: Path, ranked: str | None = None, **settings: Any) -> Version:
    made = main(Triplets(ranked, data=data, **({**WINDOWS} | settings)))
    assert made is not None
    return made


def write(data: Path, table: str, record: str, rows: list[dict[str, Any]], inputs: tuple[Version, ...]) -> Version:
    def work(made: Any) -> tuple[int, dict[str, Any]]:
        made.write(0, ShardResult(rows, rows_in=len(rows)), 0.0)
        return 1, {}

    return build(Plan(table, record, "tests", 1, {"within": None}, inputs=inputs), data, work)
