"""The JSON Schemas: what each must say, what their hash depends on, and that every row written follows them."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from builders.store import schemas
from builders.store.resources import folder
from builders.store.schemas import arrow_schema, columns, first_fault, key_column, load_schema, parent_columns
from builders.store.versions import all_versions
from tests.making import rejected_of, rows_of

NAMES = sorted(p.name.removesuffix(".schema.json") for p in folder("schemas").iterdir())
OF_TEXTS = {"document", "signature", "cluster", "chunk", "query", "query_duplicate", "rejection"}
RECORDS = [name for name in NAMES if "x-key" in load_schema(name)]


def test_there_are_schemas_and_records() -> None:
    assert len(NAMES) >= 13
    others = {"candidates", "preference", "judged_row", "judgement", "triplet", "task", "triplet_draft"}
    assert OF_TEXTS | others | {"overlap", "opinion"} == set(RECORDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_describes_each_property(name: str) -> None:
    on_disk = json.loads((folder("schemas") / f"{name}.schema.json").read_text())
    for schema in (on_disk, load_schema(name)):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False
        assert schema["properties"]
        for definition in [schema, *schema["properties"].values()]:
            assert len(definition["description"]) > 5


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in ("source_row", "prompt", "run", "pruning")]
)  # some may be left out
def test_every_property_is_required(name: str) -> None:
    assert load_schema(name)["required"] == list(load_schema(name)["properties"])


@pytest.mark.parametrize("record", RECORDS)
def test_keys_and_parents_are_columns_that_are_never_null(record: str) -> None:
    for column in [key_column(record), *parent_columns(record)]:
        assert load_schema(record)["properties"][column]["type"] == "string"
    assert arrow_schema(record).names == columns(record)


def test_every_row_that_the_stages_wrote_follows_its_schema(built: Path) -> None:
    checked = Counter[str]()
    for version in all_versions(built):
        for record, rows in ((version.record, rows_of(version)), ("rejection", rejected_of(version))):
            for row in rows:
                assert first_fault(record, row) is None
                checked[record] += 1
    assert set(checked) == OF_TEXTS
    assert checked["chunk"] == 100


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"split": "test"}, "split: 'test' is not one of"),
        ({"text_hash": "abc"}, "text_hash: 'abc' does not match"),
        ({"language_confidence": 1.5}, "language_confidence: 1.5 is greater"),
        ({"chunk_id": None}, "chunk_id: None is not of type"),
        ({"sentence_starts": [0, "1"]}, "sentence_starts.1: '1' is not of type"),
        ({"colour": "red"}, "Additional properties are not allowed"),
    ],
)
def test_a_fault_names_its_field(built: Path, change: dict[str, Any], fault: str) -> None:
    row = rows_of(next(v for v in all_versions(built) if v.table == "chunks"))[0]
    assert first_fault("chunk", row) is None
    assert (first_fault("chunk", row | change) or "").startswith(fault)


def changes(schema: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, the schema with what stands there changed), for each leaf: a word more, a number more, an entry less."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield from (((key, *where), schema | {key: changed}) for where, changed in changes(value))
    elif isinstance(schema, list):
        yield (), schema[1:] if schema else [None]
    else:
        yield (), f"{schema} more" if isinstance(schema, str) else (not schema if schema in (True, False) else 7)


@pytest.mark.parametrize("record", NAMES)
def test_the_hash_ignores_prose_and_nothing_else(record: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = copy.deepcopy(load_schema(record))
    before = schemas.schema_hash(record)
    prose, meaning = 0, 0
    for path, changed in changes(schema):
        monkeypatch.setattr(schemas, "load_schema", lambda _, changed=changed: changed)
        is_prose = path[-1] in ("description", "title") and path[-2:-1] != ("properties",)
        assert (schemas.schema_hash(record) == before) is is_prose, path
        prose, meaning = prose + is_prose, meaning + (not is_prose)
    assert prose > len(schema["properties"])
    assert meaning > len(schema["properties"])


def test_the_hash_knows_a_column_by_the_name_of_title(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = copy.deepcopy(load_schema("document"))
    before = schemas.schema_hash("document")
    schema["properties"]["title"]["type"] = ["string", "null"]
    monkeypatch.setattr(schemas, "load_schema", lambda _: schema)
    assert schemas.schema_hash("document") != before
