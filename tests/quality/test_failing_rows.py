"""Failing rows: all counted, the first kept, whatever the order they come in."""

import random

import pyarrow as pa
import pytest

from builders.quality import failing_rows
from builders.quality.failing_rows import first_rows


def batches(keys: list[str], size: int) -> list[pa.RecordBatch]:
    rows = [{"version": 1, "key": key, "detail": f"of {key}"} for key in keys]
    return pa.Table.from_pylist(rows).to_batches(max_chunksize=size)


def test_the_first_by_key_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_rows, "KEPT", 10)
    keys = [f"{number:04d}" for number in range(500)]
    random.Random(1).shuffle(keys)
    failing = first_rows(batches(keys, 7), ["chunks/a", "queries/b"])
    assert failing.count == 500
    assert failing.rows["key"].to_pylist() == [f"{number:04d}" for number in range(10)]
    assert set(failing.rows["version"].to_pylist()) == {"queries/b"}
    assert failing.examples() == [{"key": f"{n:04d}", "detail": f"of {n:04d}"} for n in range(5)]


def test_no_row_is_none() -> None:
    failing = first_rows([], ["chunks/a"])
    assert (failing.count, failing.examples(), failing.rows.column_names) == (0, [], ["key", "detail", "version"])


def test_a_long_key_is_cut_in_the_example_alone() -> None:
    failing = first_rows(batches(["x" * 5000], 1), ["a", "b"])
    assert len(failing.examples()[0]["key"]) == failing_rows.SHOWN
    assert failing.rows["key"].to_pylist() == ["x" * 5000]


def test_what_is_null_is_said() -> None:
    rows = pa.Table.from_pylist(
        [{"version": 0, "key": None, "detail": None}],
        pa.schema([("version", pa.uint16()), ("key", pa.string()), ("detail", pa.string())]),
    )
    assert first_rows(rows.to_batches(), ["a"]).examples() == [{"key": "null", "detail": "null"}]
