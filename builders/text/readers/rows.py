"""From the rows of a table, of whatever format, to documents."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import chain

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document
from builders.text.readers.columns import Columns, FoundColumns, find_columns
from builders.text.readers.opening import DAMAGE, Row

# A row's number, counted from 1, and the row, or the fault for which it could not be read.
Record = tuple[int, Mapping[str, object] | BadRow]

RAW_LENGTH = 500  # characters of a bad row that are kept with it
HEAD_ROWS = 1000  # JSON Lines rows name their columns one by one, so the columns are those of the first rows,
HEAD_CHARACTERS = 16_000_000  # as far as memory allows


def not_empty(rows: Iterator[Row], sentence: str) -> Iterator[Row]:
    """All of `rows`; raises UserError with `sentence` where there is none."""
    row = None
    for row in rows:
        yield row
    if row is None:
        raise UserError(sentence)


def bad_row(place: str, number: int, reason: str, fault: str, raw: str = "") -> BadRow:
    """A BadRow of row `number`, with its text cut and made writable as UTF-8."""
    return BadRow(f"{place} row {number}", reason, f"row {number}: {writable(fault[:RAW_LENGTH])}", writable(raw))


def writable(text: str) -> str:
    """The start of `text` with lone surrogates spelled out, so that it can be stored as UTF-8."""
    return text[:RAW_LENGTH].encode("utf-8", "backslashreplace").decode()


def documents(
    records: Iterator[Record], columns: Columns, place: str, id_prefix: str = ""
) -> Iterator[Document | BadRow]:
    """Map the rows of `records` to documents; a row without an id column is named by `id_prefix` and its number.

    Raises UserError where the rows have no text column, or lack a column that `columns` names.
    """
    head, records = _with_head(records)
    present = dict.fromkeys(name for _, row in head if not isinstance(row, BadRow) for name in row)
    if not present:
        yield from (row for _, row in records if isinstance(row, BadRow))
        return
    found = find_columns(present, columns, place)
    for number, row in records:
        yield row if isinstance(row, BadRow) else _document(row, number, found, place, id_prefix)


def _with_head(records: Iterator[Record]) -> tuple[list[Record], Iterator[Record]]:
    """The first records, and all of them again. A file damaged within its head still yields the rows before."""
    head: list[Record] = []
    characters = 0
    try:
        for record in records:
            head.append(record)
            if not isinstance(record[1], BadRow):
                characters += sum(len(value) for value in record[1].values() if isinstance(value, str))
            if len(head) == HEAD_ROWS or characters > HEAD_CHARACTERS:
                break
    except DAMAGE as damage:
        return head, chain(head, _failing(damage))
    return head, chain(head, records)


def _failing(damage: Exception) -> Iterator[Record]:
    raise damage
    yield


def _document(
    row: Mapping[str, object], number: int, found: FoundColumns, place: str, id_prefix: str
) -> Document | BadRow:
    values = {field: _first(row, names) for field, names in found.items()}
    text, title, id_ = values["text"], values["title"], values["id"]
    if text is None and found["text"][0] in row:
        return bad_row(place, number, "empty", "text: it is null", _raw(row))
    if type(id_) is int:
        values["id"] = id_ = str(id_)
    elif not found["id"]:
        values["id"] = id_ = f"{id_prefix}row-{number:08d}"
    language, licence = values["language"], values["licence"]
    if not (
        isinstance(text, str)
        and isinstance(id_, str)
        and id_
        and (title is None or isinstance(title, str))
        and (language is None or isinstance(language, str))
        and (licence is None or isinstance(licence, str))
    ):
        if text is None:
            del values["text"]
        return _invalid(values, place, number, row)
    if not text or text.isspace():
        return bad_row(place, number, "empty", "text: it is empty", _raw(row))
    for field, value in values.items():
        undecoded = undecoded_at(value) if isinstance(value, str) else None
        if undecoded:
            return bad_row(place, number, "not_utf8", f"{field}: {undecoded}", _raw(row))
    return Document(id_, text, f"{place} row {number}", (title or "").strip(), language or None, licence or None)


def _invalid(values: dict[str, object], place: str, number: int, row: Mapping[str, object]) -> BadRow:
    # The schema only words the fault: to ask it about every row would cost ten times what reading the row does.
    from builders.store.schemas import first_fault

    fault = first_fault("source_row", values)
    if fault is None:
        raise AssertionError(f"the quick checks and the schema disagree about {place} row {number}")
    return bad_row(place, number, "invalid_row", fault, _raw(row))


def _first(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    for name in names:
        if name in row:
            value = row[name]
            if isinstance(value, bytes):
                return value.decode("utf-8", "surrogateescape")
            # NaN, which is how a missing string looks once pandas has written it to Parquet or JSON.
            return None if isinstance(value, float) and math.isnan(value) else value
    return None


def undecoded_at(text: str) -> str:
    """The fault, in words, of a text that UTF-8 cannot hold; "" where it can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        # The surrogateescape handler maps an undecodable byte 0x80-0xff to U+DC80-U+DCFF.
        what = f"byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"lone surrogate U+{code:04X}"
        return f"{what} at character {error.start} is not UTF-8"
    return ""


def _raw(row: Mapping[str, object]) -> str:
    cut = {name: value[:RAW_LENGTH] if isinstance(value, str | bytes) else value for name, value in row.items()}
    return json.dumps(cut, ensure_ascii=False, default=repr)
