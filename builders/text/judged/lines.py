"""Lines of fields with tabs between, without a header and without quotes: qrels, and the files of MS MARCO."""

from collections.abc import Iterator
from pathlib import Path

from builders.text.documents import BadRow
from builders.text.readers.opening import open_bytes, refuse_utf16, undamaged
from builders.text.readers.rows import bad_row


def field_lines(path: Path, place: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    """(number from 1, fields) of each line that is not blank.

    Quotes are characters like others, as in the files of MS MARCO: by the rules of CSV one that is never closed would
    swallow the rest of the file. Raises UserError where the file is cut short or damaged.
    """
    return undamaged(path, _lines(path, place))


def _lines(path: Path, place: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    with open_bytes(path) as stream:
        refuse_utf16(stream, place)
        for number, line in enumerate(stream, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                fault = f"byte 0x{line[error.start]:02x} at byte {error.start} of the line is not UTF-8"
                yield number, bad_row(place, number, "not_utf8", fault, line[:2000].decode("utf-8", "backslashreplace"))
                continue
            if text.strip():
                yield number, text.split("\t")


def whole_number(value: object) -> int | None:
    """The integer that a relevance or label is (2, 2.0, True, "2", "2.0"); None where it is no whole number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**31 else None
