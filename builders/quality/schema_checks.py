"""Checks of type, null, range, enum and pattern of every column, generated from the JSON Schemas."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.store.schemas import arrow_schema, key_column, load_schema
from builders.store.versions import Version

if TYPE_CHECKING:
    import pyarrow as pa

# What of a definition is checked, or needs no check: a keyword that is in neither is one that nobody looks at.
CHECKED = {
    "type",
    "enum",
    "const",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
}
CHECKED |= {"minItems", "maxItems", "items"}
NOT_ROWS = {"description", "title", "format", "oneOf", "properties", "required", "additionalProperties"}

# Records of what was found in other rows: none of them is the best that can be, and no reason to fail.
OF_FINDINGS = ("overlap",)


@dataclass(frozen=True)
class ColumnCheck:
    """One column of one record: `faults` are (SQL condition of an offending row, what is wrong, in words)."""

    name: str
    record: str
    tables: tuple[str, ...]
    view: str
    key: str
    column: str
    reason: str
    faults: tuple[tuple[str, str], ...]

    def condition(self) -> str:
        """True for a row that offends; never null."""
        return " OR ".join(f"coalesce({condition}, false)" for condition, _ in self.faults) or "false"

    def sql(self) -> str:
        """The offending rows, with the first fault of each."""
        cases = " ".join(f"WHEN coalesce({condition}, false) THEN {_text(words)}" for condition, words in self.faults)
        cases = cases or "WHEN false THEN ''"
        return (
            f"SELECT version, coalesce({_name(self.key)}::VARCHAR, 'row ' || row) AS key, "  # noqa: S608 (our names)
            f"CASE {cases} END || ': ' || coalesce(left({_name(self.column)}::VARCHAR, 100), 'null') AS detail "
            f"FROM {_name(self.view)} WHERE {self.condition()}"
        )


def column_checks(tables: Sequence[str], view: str, record: str) -> list[ColumnCheck]:
    """A check for each column of the record, of the view of all its rows, whose tables are named."""
    key = key_column(record)
    return [
        ColumnCheck(
            f"schema.{record}.{column}",
            record,
            tuple(tables),
            view,
            key,
            column,
            f"{record}.{column}: {definition['description']}",
            tuple(_faults(_name(column), definition)),
        )
        for column, definition in load_schema(record)["properties"].items()
    ]


# keyword: (condition of a fault, its words), of a value and what the keyword says.
_BOUNDS = {
    "minLength": ("length({0}) < {1}", "shorter than {1}"),
    "minimum": ("{0} < {1}", "below {1}"),
    "maximum": ("{0} > {1}", "above {1}"),
    "exclusiveMinimum": ("{0} <= {1}", "not above {1}"),
    "exclusiveMaximum": ("{0} >= {1}", "not below {1}"),
    "minItems": ("len({0}) < {1}", "of fewer items than {1}"),
    "maxItems": ("len({0}) > {1}", "of more items than {1}"),
}


def _faults(value: str, definition: Mapping[str, Any], *, what: str = "it") -> Iterator[tuple[str, str]]:
    """(condition, words) of each fault that a value of this definition may have. A null passes where it may be null."""
    if unknown := definition.keys() - CHECKED - NOT_ROWS:
        raise ValueError(f"no check is generated from {sorted(unknown)} of {definition}")
    if not _may_be_null(definition):
        yield f"{value} IS NULL", f"{what} is null"
    allowed = definition.get("enum") or [one["const"] for one in definition.get("oneOf", ())]
    if allowed:
        listed = ", ".join(_literal(word) for word in allowed if word is not None)
        yield f"{value} NOT IN ({listed})", f"{what} is not one of {', '.join(map(str, allowed))}"
    if "pattern" in definition:
        yield f"NOT regexp_matches({value}, {_text(definition['pattern'])})", f"{what} does not match its pattern"
    for keyword, (condition, words) in _BOUNDS.items():
        if keyword in definition:
            yield condition.format(value, definition[keyword]), f"{what} is {words.format(value, definition[keyword])}"
    if "items" in definition:
        yield from _item_faults(value, definition["items"])


def _may_be_null(definition: Mapping[str, Any]) -> bool:
    declared = definition["type"]
    return declared == "null" or (isinstance(declared, list) and "null" in declared)


def _item_faults(value: str, items: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Faults of the items of a list: bounds by the least and the greatest item, which need no look at each."""
    if items["type"] == "object":
        for name, definition in items["properties"].items():
            for condition, words in _faults(f"item.{_name(name)}", definition, what=f"an item's {name}"):
                yield f"len(list_filter({value}, lambda item: {condition})) > 0", words
        return
    if not _may_be_null(items):
        yield f"list_count({value}) < len({value})", "an item is null"
    if "minimum" in items:
        yield f"list_min({value}) < {items['minimum']}", f"an item is below {items['minimum']}"
    if "maximum" in items:
        yield f"list_max({value}) > {items['maximum']}", f"an item is above {items['maximum']}"
    rest = {name: one for name, one in items.items() if name not in ("minimum", "maximum", "type")}
    for condition, words in _faults("item", {**rest, "type": "null"}, what="an item"):
        yield f"len(list_filter({value}, lambda item: {condition})) > 0", words


def shape_faults(version: Version) -> list[tuple[str, str]]:
    """(column, what is wrong) where a shard's columns are not those of the record: lacking, extra, of other type."""
    import pyarrow.parquet as pq

    expected = arrow_schema(version.record)
    faults = []
    for shard in version.shards():
        there = pq.read_schema(shard)
        for name in [n for n in expected.names if n not in there.names]:
            faults.append((name, f"{shard.name} has no column {name}"))
        for field in there:
            if field.name not in expected.names:
                faults.append((field.name, f"{shard.name} has a column {field.name}, which {version.record} has not"))
            elif not _same_type(field.type, expected.field(field.name).type):
                wanted = expected.field(field.name).type
                faults.append((field.name, f"{shard.name} holds {field.name} as {field.type}, not {wanted}"))
    return faults


def _same_type(one: "pa.DataType", other: "pa.DataType") -> bool:
    """Whether the types are the same but for the names of list items and whether they may be null."""
    import pyarrow as pa

    if isinstance(one, pa.ListType) and isinstance(other, pa.ListType):
        return _same_type(one.value_type, other.value_type)
    if isinstance(one, pa.StructType) and isinstance(other, pa.StructType):
        names = [field.name for field in one]
        return names == [field.name for field in other] and all(
            _same_type(one.field(name).type, other.field(name).type) for name in names
        )
    return one.equals(other)


def counting_sql(checks: Sequence[ColumnCheck]) -> str:
    """One reading of a table for the checks of all its columns: how many rows, and how many of them offend each."""
    counts = ", ".join(f"count_if({check.condition()})" for check in checks)
    return f"SELECT count(*), {counts} FROM {_name(checks[0].view)}"  # noqa: S608


def _literal(value: Any) -> str:
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
