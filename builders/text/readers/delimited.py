"""Rows of CSV and TSV files."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.text.documents import BadRow
from builders.text.readers.columns import Columns, needed_columns
from builders.text.readers.opening import ending, open_bytes, refuse_utf16
from builders.text.readers.rows import Record, bad_row

# The field limit of the csv module is global; this is the largest that a C long holds everywhere.
LARGEST_FIELD = 2**31 - 1

# How pandas spells a missing string in CSV, which has no null.
NOT_A_NUMBER = frozenset({"nan", "NaN"})


def delimited_records(path: Path, place: str, columns: Columns | None) -> Iterator[Record]:
    """The rows of a CSV or TSV file below its header, read by the rules of RFC 4180, blank lines left out.

    Raises UserError where the header names a needed column twice, or where a quote is opened and never closed, since
    everything after it would be one field.
    """
    csv.field_size_limit(LARGEST_FIELD)
    with open_bytes(path) as stream:
        refuse_utf16(stream, place)
        # Surrogate escapes let the row that is not UTF-8 be found, and the others survive.
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, delimiter="\t" if ending(path) == ".tsv" else ",", strict=True)
        header = _header(reader, place, columns)
        number = 0
        while header:
            fields: list[str] | csv.Error
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields = error
            if fields:
                number += 1
                yield number, _row(fields, header, number, place, reader.line_num)


def _header(reader: Any, place: str, columns: Columns | None) -> list[str]:
    try:
        header: list[str] = next(reader, [])
    except csv.Error as error:
        raise UserError(
            f"{place} has a header that is not CSV ({error}): write the names of its columns there."
        ) from error
    if header:
        needed = needed_columns(header, columns, place)
        counts = Counter(header)
        for name in needed:
            if counts[name] > 1:
                raise UserError(f"{place} has {counts[name]} columns called {name!r}: rename all but one of them.")
    return header


def _row(
    fields: list[str] | csv.Error, header: list[str], number: int, place: str, line: int
) -> dict[str, object] | BadRow:
    if isinstance(fields, csv.Error):
        if "unexpected end of data" in str(fields):
            raise UserError(
                f"{place} opens a quote in row {number} that is never closed ({number - 1} whole rows before it): "
                "close it, or write a quote within a field twice."
            )
        return bad_row(place, number, "invalid_csv", f"line {line} of the file: {fields}")
    if len(fields) != len(header):
        fault = f"{len(fields)} fields, where the header has {len(header)}"
        return bad_row(place, number, "invalid_csv", fault, ",".join(field[:200] for field in fields))
    return {name: None if field in NOT_A_NUMBER else field for name, field in zip(header, fields, strict=True)}
