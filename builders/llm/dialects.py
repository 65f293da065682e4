"""How a server is told the form of a reply: servers take a JSON Schema in different fields, and some in none."""

from collections.abc import Mapping
from typing import Any, Literal

Dialect = Literal["json_schema", "json_object", "none"]

# What `auto` tries, strictest first.
DIALECTS: tuple[Dialect, ...] = ("json_schema", "json_object", "none")

# Statuses with which servers refuse a response_format that they don't know. 500 is llama.cpp's answer to json_schema.
REFUSALS = frozenset({400, 422, 500, 501})


def response_format(dialect: Dialect, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `response_format` of a request for a reply that follows `schema`; None where the prompt alone must do."""
    # Names and addresses of a schema constrain nothing, and strict servers refuse keywords that they don't know.
    plain = {name: value for name, value in schema.items() if name not in {"$schema", "$id"}}
    if dialect == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": plain}}
    if dialect == "json_object":
        return {"type": "json_object", "schema": plain}
    return None
