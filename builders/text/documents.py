"""A document as a reader hands it over, and a row that could not become one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a source. `id` is unique in its source; `where` is its place there ("corpus.jsonl row 17")."""

    id: str
    text: str
    where: str
    title: str = ""
    language: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a source that is not a document: a named `reason`, the fault in words, and the row's text (cut)."""

    where: str
    reason: str
    detail: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from. `fingerprint` changes when anything that `read` would yield changes.

    `read` streams in one fixed order and may be called more than once; it raises UserError where the source is unusable
    as a whole (missing, truncated), and yields a BadRow where one row is.
    """

    kind: str
    name: str
    fingerprint: str
    read: Callable[[], Iterator[Document | BadRow]]
