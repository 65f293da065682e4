"""The hash of rows: the same for the same values however they lie in memory, another one for any other value."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.store.content import content_hash
from builders.store.parquet import sorted_table, write_parquet

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("ids", pa.list_(pa.string())),
        pa.field("ranks", pa.list_(pa.int32())),
        pa.field("score", pa.float64()),
        pa.field("held", pa.bool_()),
        pa.field("part", pa.struct([("name", pa.string()), ("at", pa.list_(pa.float64()))])),
    ]
)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": TEXTS,
            "ids": st.none() | st.lists(TEXTS, max_size=3),
            "ranks": st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
            "score": FLOATS,
            "held": st.none() | st.booleans(),
            "part": st.none() | st.fixed_dictionaries({"name": TEXTS, "at": st.none() | st.lists(FLOATS, max_size=2)}),
        }
    ),
    max_size=6,
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(0, 6), st.integers(0, 3))
def test_chunks_and_slices_do_not_show(rows: list[dict[str, Any]], cut: int, before: int) -> None:
    whole = content_hash(table(rows))
    assert content_hash(pa.concat_tables([table(rows[:cut]), table(rows[cut:])])) == whole
    padded = table([*rows[:before], *rows])
    assert content_hash(padded.slice(len(rows[:before]))) == whole


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_other_rows_have_another_hash(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
    equal = repr(table(one).to_pylist()) == repr(table(two).to_pylist())  # repr tells 0.0 from -0.0
    assert (content_hash(table(one)) == content_hash(table(two))) is equal


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"ids": ["ab", "c"]}, {"ids": ["a", "bc"]}),
        ({"ids": ["a"]}, {"ids": None}),
        ({"ids": []}, {"ids": None}),
        ({"ids": [None]}, {"ids": [""]}),
        ({"ranks": [0]}, {"ranks": [None]}),
        ({"text": ""}, {"text": None}),
        ({"score": 0.0}, {"score": None}),
        ({"part": {"name": "a", "at": []}}, {"part": {"name": "a", "at": None}}),
    ],
)
def test_what_is_easily_confused_differs(one: dict[str, Any], two: dict[str, Any]) -> None:
    empty = dict.fromkeys(SCHEMA.names)
    assert content_hash(table([empty | one])) != content_hash(table([empty | two]))


def test_a_table_is_written_as_its_rows_are(tmp_path: Any) -> None:
    rows = [{"query_id": f"q{n % 7}{n}", "duplicate_of": f"kept {n}"} for n in range(40)]
    in_columns = pa.table(
        {"duplicate_of": [r["duplicate_of"] for r in rows], "query_id": [r["query_id"] for r in rows]}
    )
    one = write_parquet(tmp_path / "one", rows, "query_duplicate")
    assert write_parquet(tmp_path / "two", in_columns, "query_duplicate") == one
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted_table(in_columns, "query_duplicate").column("query_id").to_pylist() == sorted(
        r["query_id"] for r in rows
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_not_written(tmp_path: Any, value: float) -> None:
    row = {"judgement_id": "a", "query_id": "q", "chunk_id": "c", "document_id": "d", "relevance": 1}
    assert write_parquet(tmp_path / "fine", [row], "judgement")["rows"] == 1
    with pytest.raises(ValueError, match="score holds a number that is not finite"):
        content_hash(table([dict.fromkeys(SCHEMA.names) | {"score": value}]))
