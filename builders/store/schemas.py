"""JSON Schemas: the one definition of every record, and what is derived from it (Arrow schema, validation, hash)."""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from builders.store.resources import resource

if TYPE_CHECKING:
    import jsonschema.protocols
    import pyarrow as pa


@cache
def load_schema(record: str) -> dict[str, Any]:
    """The schema of a record or an LLM reply, by name (`chunk`, `query`, `synthetic_query_reply`).

    `x-columns-of` takes over the columns of another record, `x-without` some of them: a column is defined once.
    """
    schema: dict[str, Any] = json.loads(resource("schemas", f"{record}.schema.json").read_text())
    if "x-columns-of" in schema:
        taken = load_schema(schema.pop("x-columns-of"))["properties"]
        without = schema.pop("x-without")
        schema["properties"] = {k: v for k, v in taken.items() if k not in without} | schema["properties"]
        schema["required"] = list(schema["properties"])
    return schema


def schema_hash(record: str) -> str:
    """Changes when the definition of a row does, not when a description is reworded."""
    return blake2b(canonical(_without_prose(load_schema(record))), digest_size=8).hexdigest()


def canonical(value: Any) -> bytes:
    """JSON with one spelling for one value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        kept = {k: v for k, v in schema.items() if k not in ("description", "title", "$comment")}
        # the keys of `properties` are columns, and a column may well be called title
        return {
            k: {name: _without_prose(d) for name, d in v.items()} if k == "properties" else _without_prose(v)
            for k, v in kept.items()
        }
    if isinstance(schema, list):
        return [_without_prose(v) for v in schema]
    return schema


def key_column(record: str) -> str:
    """The column that names a row of this record."""
    return str(load_schema(record)["x-key"])


def parent_columns(record: str) -> dict[str, list[str]]:
    """Columns that hold the key of a row of other tables: {column: tables, nearest first}."""
    declared = load_schema(record).get("x-parents", {})
    return {column: [tables] if isinstance(tables, str) else list(tables) for column, tables in declared.items()}


@cache
def reasons() -> dict[str, str]:
    """{reason for a rejection: what it means}, all there are."""
    named = load_schema("rejection")["properties"]["reason"]["oneOf"]
    return {one["const"]: one["description"] for one in named}


def columns(record: str) -> list[str]:
    return list(load_schema(record)["properties"])


@cache
def arrow_schema(record: str) -> "pa.Schema":
    """The Arrow schema that writers use: columns in the order of the JSON Schema."""
    import pyarrow as pa

    fields = []
    for name, definition in load_schema(record)["properties"].items():
        kind, nullable = _arrow_type(definition)
        fields.append(pa.field(name, kind, nullable=nullable))
    return pa.schema(fields)


def _arrow_type(definition: Mapping[str, Any]) -> "tuple[pa.DataType, bool]":
    import pyarrow as pa

    declared = definition["type"]
    kinds = [declared] if isinstance(declared, str) else list(declared)
    nullable = "null" in kinds
    (kind,) = [k for k in kinds if k != "null"]
    if kind == "array":
        return pa.list_(_arrow_type(definition["items"])[0]), nullable
    if kind == "object":
        inner = [pa.field(name, *_arrow_type(d)) for name, d in definition["properties"].items()]
        return pa.struct(inner), nullable
    simple = {
        "string": pa.string(),
        "integer": pa.int32() if definition.get("format") == "int32" else pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
    }
    return simple[kind], nullable


@cache
def validator(record: str) -> "jsonschema.protocols.Validator":
    import jsonschema

    return jsonschema.Draft202012Validator(load_schema(record))


def first_fault(record: str, row: Any) -> str | None:
    """What is wrong with the row, as "field: fault", or None."""
    for error in sorted(validator(record).iter_errors(row), key=lambda e: [str(p) for p in e.absolute_path]):
        field = ".".join(str(p) for p in error.absolute_path)
        message = error.message if len(error.message) < 200 else error.message[:200] + "…"
        return f"{field}: {message}" if field else message
    return None
