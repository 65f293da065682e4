"""Checks generated from the schemas say the same of a table's rows as jsonschema says of each."""

from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from builders.quality import schema_checks
from builders.quality.failing_rows import FailingRows, first_rows
from builders.quality.schema_checks import column_checks, counting_sql, shape_faults
from builders.store.duck import duckdb_connection
from builders.store.resources import folder
from builders.store.schemas import arrow_schema, first_fault, key_column, load_schema
from builders.store.versions import Version, find_version
from tests.making import rows_of
from tests.quality.breaking import World, write_shard

RECORDS = sorted(
    name
    for path in folder("schemas").iterdir()
    if "x-key" in load_schema(name := path.name.removesuffix(".schema.json"))
)
# Values of each kind, right and wrong; which of them is right for a column is jsonschema's to say.
TRIED: dict[str, list[Any]] = {
    "string": [None, "", "en", "train", "sent", "0" * 32, "0" * 31 + "G", "listwise", "complete", "duplicate", "x\n"],
    "integer": [None, -1, 0, 1, 7],
    "number": [None, -1.5, -1.0, 0.0, 0.5, 1.0, 1.5],
    "boolean": [None, True],
    "array": [None, [], [None], ["a"], [0], [1, None], [1], [-1.0, 2.0], [1, 2, 3]],
}


def plain_row(record: str) -> dict[str, Any]:
    """A row in which nothing is wrong."""
    row = {}
    for name, definition in load_schema(record)["properties"].items():
        kinds = definition["type"] if isinstance(definition["type"], list) else [definition["type"]]
        values = [*TRIED.get(kinds[0], []), *definition.get("enum", [])]
        row[name] = next(v for v in values if not _fault_of(record, name, v))
    return row


def _fault_of(record: str, name: str, value: Any) -> bool:
    return not jsonschema.Draft202012Validator(load_schema(record)["properties"][name]).is_valid(value)


@pytest.mark.parametrize("record", RECORDS)
def test_sql_and_jsonschema_agree(record: str) -> None:
    if any(d.get("items", {}).get("type") == "object" for d in load_schema(record)["properties"].values()):
        pytest.skip("its lists of objects are checked for nulls alone")
    key = key_column(record)
    rows: list[dict[str, Any]] = []
    expected: dict[str, list[str]] = {}
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(record)])
    for name, definition in load_schema(record)["properties"].items():
        kinds = definition["type"] if isinstance(definition["type"], list) else [definition["type"]]
        kind = next(k for k in kinds if k != "null")
        for value in TRIED[kind]:
            try:
                pa.array([value], schema.field(name).type)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                continue  # no such value can stand in the column
            row = plain_row(record) | {key: f"row {len(rows)}"} | {name: value}
            rows.append(row)
            if first_fault(record, row):
                told = f"row {len(rows) - 1}" if row[key] is None else row[key]
                expected.setdefault(name, []).append(told)
    assert expected
    failing, counts = outcomes(record, rows, schema)
    found = {name: sorted(one.rows["key"].to_pylist()) for name, one in failing.items() if one.count}
    assert found == {name: sorted(keys) for name, keys in expected.items()}
    assert counts == {name: len(expected.get(name, ())) for name in schema.names}


def outcomes(
    record: str, rows: list[dict[str, Any]], schema: pa.Schema
) -> tuple[dict[str, FailingRows], dict[str, int]]:
    table = pa.Table.from_pylist(rows, schema=schema)
    table = table.append_column("version", pa.array([0] * len(rows), pa.uint16()))
    checks = column_checks(["those"], "rows of it", record)
    with duckdb_connection(threads=1) as connection:
        connection.register("given", table.append_column("row", pa.array(range(len(rows)))))
        connection.execute('CREATE VIEW "rows of it" AS SELECT * FROM given')
        ((total, *counts),) = connection.execute(counting_sql(checks)).fetchall()
        failing = {
            check.column: first_rows(connection.sql(check.sql()).to_arrow_reader(1000), ["v"]) for check in checks
        }
    assert total == len(rows)
    return failing, dict(zip([check.column for check in checks], map(int, counts), strict=True))


def test_a_keyword_that_nobody_checks_is_no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {"it": {"type": "number", "multipleOf": 2, "description": "An even number."}}
    monkeypatch.setattr(schema_checks, "load_schema", lambda _: {"properties": properties})
    monkeypatch.setattr(schema_checks, "key_column", lambda _: "it")
    with pytest.raises(ValueError, match=r"no check is generated from \['multipleOf'\]"):
        column_checks(["t"], "t", "even")


def test_the_fields_of_objects_in_a_list_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "by": {"type": "string", "enum": ["a", "b"], "description": "Who said it."},
        "share": {"type": ["number", "null"], "exclusiveMinimum": 0, "description": "A share."},
    }
    items = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    schema = {
        "properties": {
            "id": {"type": "string", "description": "Its id."},
            "said": {"type": "array", "items": items, "description": "What was said."},
        }
    }
    for name in ("load_schema", "key_column"):
        monkeypatch.setattr(schema_checks, name, {"load_schema": lambda _: schema, "key_column": lambda _: "id"}[name])
    tried: list[list[dict[str, Any]]] = [
        [],
        [{"by": "a", "share": 0.5}],
        [{"by": "b", "share": None}],
        [{"by": "c", "share": 0.5}],
        [{"by": "a", "share": 1.0}, {"by": None, "share": 1.0}],
        [{"by": "a", "share": 0.0}],
    ]
    rows = [{"id": str(number), "said": said} for number, said in enumerate(tried)]
    struct = pa.struct([("by", pa.string()), ("share", pa.float64())])
    failing, _ = outcomes("said", rows, pa.schema([("id", pa.string()), ("said", pa.list_(struct))]))
    validator = jsonschema.Draft202012Validator(schema)
    assert failing["said"].rows["key"].to_pylist() == [row["id"] for row in rows if not validator.is_valid(row)]
    assert failing["said"].rows["key"].to_pylist() == ["3", "4", "5"]


def chunks(data: Path) -> Version:
    return find_version(data, "chunks/" + World(data).version("chunks").name)


def test_columns_that_are_missing_extra_or_of_another_type_are_named(data: Path) -> None:
    version = chunks(data)
    assert shape_faults(version) == []
    table = pa.Table.from_pylist(rows_of(version), schema=arrow_schema("chunk"))
    changed = table.drop_columns(["title"]).append_column("colour", pa.array(["red"] * len(table)))
    tokens = changed.schema.get_field_index("tokens")
    changed = changed.set_column(tokens, "tokens", pa.array(["many"] * len(table)))
    write_shard(version, changed)
    assert shape_faults(chunks(data)) == [
        ("title", "00000.parquet has no column title"),
        ("tokens", "00000.parquet holds tokens as string, not int32"),
        ("colour", "00000.parquet has a column colour, which chunk has not"),
    ]
