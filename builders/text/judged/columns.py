"""Rows with a query and its passages in their columns, from files or the Hub."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from hashlib import blake2b
from itertools import islice

from builders.text.documents import BadRow, Document, Source
from builders.text.judged.lines import whole_number
from builders.text.judged.passages import Passage, hashed_id, passages
from builders.text.judged.roles import Roles, Wanted, find_roles
from builders.text.judged.sets import JudgedRow, JudgedSet
from builders.text.readers.opening import fingerprint
from builders.text.readers.records import Records
from builders.text.readers.rows import HEAD_ROWS, RAW_LENGTH, undecoded_at, writable


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose cells were understood: its query, and passages with their relevance (1 and 0 without a label)."""

    query_id: str
    query: str
    judged: tuple[tuple[Passage, int], ...]
    language: str | None
    licence: str | None
    where: str


def open_columns(records: Records, name: str, wanted: Wanted) -> JudgedSet:
    """The judged set in rows whose cells hold texts, lists of texts or lists of passages.

    UserError where the columns of the first rows have no known meaning.
    """
    head = [row for _, row in islice(records.read(), HEAD_ROWS) if not isinstance(row, BadRow)]
    roles = find_roles(dict.fromkeys(column for row in head for column in row), wanted, name)
    parts = [records.fingerprint, repr(astuple(wanted))]

    def rows() -> Iterator[Row | BadRow]:
        for where, row in records.read():
            yield row if isinstance(row, BadRow) else understood(row, roles, where)

    def documents() -> Iterator[Document | BadRow]:
        seen: set[int] = set()
        for row in rows():
            yield from [row] if isinstance(row, BadRow) else new_documents(row, seen)

    def judged() -> Iterator[JudgedRow | BadRow]:
        for row in rows():
            if isinstance(row, BadRow):
                yield row
            else:
                pairs = tuple((passage.id, relevance) for passage, relevance in row.judged)
                yield JudgedRow(row.query_id, row.query, pairs, row.where, row.language)

    source = Source("columns", name, fingerprint(["judged documents", *parts]), documents)
    return JudgedSet("columns", source, fingerprint(["judged rows", *parts]), judged, roles.told())


def new_documents(row: Row, seen: set[int]) -> Iterator[Document]:
    """The passages of the row that no row before it had; the same id with another text comes again, to be rejected."""
    for passage, _ in row.judged:
        key = f"{passage.id}\0{passage.title}\0{passage.text}".encode()
        known = int.from_bytes(blake2b(key, digest_size=8).digest())
        if known not in seen:
            seen.add(known)
            yield Document(passage.id, passage.text, row.where, passage.title, row.language, row.licence)


def understood(row: Mapping[str, object], roles: Roles, where: str) -> Row | BadRow:
    """The cells by their roles, or the fault for which the whole row is no good."""
    query, label = row.get(roles.query), 1
    query = query.decode("utf-8", "surrogateescape") if isinstance(query, bytes) else query
    if query is not None and not isinstance(query, str) and not _is_nan(query):
        return _bad(row, where, "invalid_row", f"the query in {roles.query} is not a text")
    query = query if isinstance(query, str) else ""
    if fault := undecoded_at(query):
        return _bad(row, where, "not_utf8", f"{roles.query}: {fault}")
    if roles.label:
        found = whole_number(row.get(roles.label))
        if found is None:
            fault = f"the {roles.label} {row.get(roles.label)!r} is not a whole number: above 0 relevant, 0 not"
            return _bad(row, where, "invalid_row", fault)
        label = found
    try:
        judged = [(passage, label) for passage in passages(row.get(roles.positive))]
        judged += [(passage, 0) for name in roles.negatives for passage in passages(row.get(name))]
    except ValueError as fault:
        return _bad(row, where, "not_utf8" if "UTF-8" in str(fault) else "invalid_row", str(fault))
    own = row.get(roles.query_id) if roles.query_id else None
    id_ = str(own) if isinstance(own, int | str) and own != "" else hashed_id(query)
    language, licence = (_words(row, name) for name in (roles.language, roles.licence))
    return Row(id_, query, tuple(judged), language, licence, where)


def _words(row: Mapping[str, object], name: str | None) -> str | None:
    value = row.get(name) if name else None
    return value if isinstance(value, str) and value else None


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _bad(row: Mapping[str, object], where: str, reason: str, fault: str) -> BadRow:
    raw = json.dumps(dict(row), ensure_ascii=False, default=repr)
    return BadRow(where, reason, f"{where}: {writable(fault[:RAW_LENGTH])}", writable(raw))
