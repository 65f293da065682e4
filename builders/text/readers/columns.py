"""Which columns of a source hold the text, title, id, language and licence."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from builders.cli.errors import UserError

USUAL_NAMES = {
    "text": ("text", "content", "body", "contents", "document", "passage"),
    "title": ("title",),
    "id": ("id", "_id", "doc_id", "docid"),
    "language": ("language", "lang"),
    "licence": ("licence", "license"),
}


@dataclass(frozen=True)
class Columns:
    """The names of a source's columns. None means that the column is found by its usual names, in any case."""

    text: str | None = None
    title: str | None = None
    id: str | None = None
    language: str | None = None
    licence: str | None = None


USUAL_COLUMNS = Columns()

# For each field of a document, the columns that may hold it: the first that a row has is taken.
FoundColumns = dict[str, tuple[str, ...]]


def find_columns(present: Collection[str], wanted: Columns, place: str) -> FoundColumns:
    """Match `wanted` with the column names that are `present` at `place`.

    Title, language and licence stay open to their usual names where none is present, since JSON Lines may name them
    for the first time in a late row; text and id are settled here. Raises UserError where a column cannot be found.
    """
    return {field.name: _find(field.name, getattr(wanted, field.name), present, place) for field in fields(Columns)}


def needed_columns(present: Collection[str], wanted: Columns | None, place: str) -> list[str]:
    """Those of the columns `present` that a document needs; all of them where `wanted` is None.

    Raises UserError where a column cannot be found.
    """
    if wanted is None:
        return list(present)
    found = find_columns(present, wanted, place)
    return [name for name in present if any(name in candidates for candidates in found.values())]


def _find(field: str, wanted: str | None, present: Collection[str], place: str) -> tuple[str, ...]:
    if wanted is not None:
        if wanted not in present:
            raise UserError(
                f"{place} has no column {wanted!r} for the {field}; it has {listed(present)}: name one of those."
            )
        return (wanted,)
    usual = USUAL_NAMES[field]
    lowered = {column.lower(): column for column in reversed(list(present))}
    for name in usual:
        if name in present or name in lowered:
            return (name if name in present else lowered[name],)
    if field == "text":
        raise UserError(
            f"{place} has no text column under a usual name ({', '.join(usual)}); "
            f"its columns are {listed(present)}: say which one holds the text (builders.corpus: --columns text NAME)."
        )
    return () if field == "id" else usual


def listed(present: Collection[str]) -> str:
    """Column names for a sentence."""
    names = [repr(name) for name in present]
    return ", ".join([*names[:30], f"and {len(names) - 30} more"] if len(names) > 30 else names) or "none"
