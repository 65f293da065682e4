"""Each check sees what it is there for: broken once, it names the row; unbroken, it names none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from builders.quality.headers import HERE, read_checks
from tests.quality.breaking import World, outcome_of
from tests.quality.broken import WAYS as MOST_WAYS
from tests.quality.broken_rankings import RANKING_WAYS

WAYS = MOST_WAYS + RANKING_WAYS


def test_every_check_is_broken_once() -> None:
    assert {path.stem for path in HERE.glob("*.sql")} == {name for name, _ in WAYS}
    assert len(read_checks()) > 50


@pytest.mark.parametrize(("name", "break_it"), WAYS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(WAYS)])
def test_a_broken_row_is_named(name: str, break_it: Callable[[World], str], data: Path) -> None:
    key = break_it(World(data))
    entry, failing = outcome_of(data, name)
    assert key in failing.rows["key"].to_pylist(), failing.rows.to_pylist()[:5]
    assert entry["failing"] == len(failing.rows) > 0
    assert entry["examined"] >= entry["failing"]
    assert entry["severity"] == "warning" or entry["status"] == "failed"
