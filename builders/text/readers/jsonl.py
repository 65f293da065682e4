"""Rows of JSON Lines files."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

from builders.text.documents import BadRow
from builders.text.readers.columns import Columns
from builders.text.readers.opening import open_bytes, refuse_utf16
from builders.text.readers.rows import Record, bad_row


def jsonl_records(path: Path, place: str, _columns: Columns | None) -> Iterator[Record]:
    """The rows of a JSON Lines file, numbered by line; blank lines are no rows."""
    with open_bytes(path) as stream:
        refuse_utf16(stream, place)
        for number, line in enumerate(stream, 1):
            if not line.isspace():
                yield number, _parsed(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, number, place)


def _parsed(line: bytes, number: int, place: str) -> dict[str, object] | BadRow:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        fault = f"byte 0x{line[error.start]:02x} at byte {error.start} of the row is not UTF-8"
        return bad_row(place, number, "not_utf8", fault, line[:2000].decode("utf-8", "backslashreplace"))
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of too many digits, and nesting that is too deep
        return bad_row(place, number, "invalid_json", str(error), text)
    if not isinstance(row, dict):
        return bad_row(place, number, "invalid_row", f"a {type(row).__name__} is not an object with columns", text)
    return row
