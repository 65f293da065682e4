"""A judged data set as a reader hands it over: documents, and rows that say which of them answer which query."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from builders.text.documents import BadRow, Document, Source
from builders.text.readers.opening import fingerprint


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A query's text, what was judged for a query, or both. Ids are those of the data set.

    `text` is None where another row gives it; `judged`, pairs of a document's id and its relevance (above 0: it
    answers the query), is None where the row gives the text alone.
    """

    query_id: str
    text: str | None
    judged: tuple[tuple[str, int], ...] | None
    where: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Where judgements come from. `fingerprint` changes when anything that `read` would yield changes.

    `read` streams in one fixed order and may be called more than once. `told` says how the data set was understood.
    """

    format: str
    documents: Source
    fingerprint: str
    read: Callable[[], Iterator[JudgedRow | BadRow]]
    told: str


def in_language(judged: JudgedSet, language: str) -> JudgedSet:
    """The same with a language for every document and query that the data set gives none."""

    def documents() -> Iterator[Document | BadRow]:
        for item in judged.documents.read():
            yield item if isinstance(item, BadRow) or item.language else replace(item, language=language)

    def rows() -> Iterator[JudgedRow | BadRow]:
        for row in judged.read():
            lacks = isinstance(row, JudgedRow) and row.text is not None and not row.language
            yield replace(row, language=language) if lacks else row  # type: ignore[arg-type]

    return _reading(judged, f"language {language}", documents, rows)


def first_queries(judged: JudgedSet, limit: int) -> JudgedSet:
    """A rehearsal: the first `limit` queries that are judged, and the documents judged for them alone.

    Reading ends as soon as all of these were seen, so it is quick on a set of any size that gives texts in its rows;
    judgements of them that come after the first row of another query are left out.
    """

    def rows() -> Iterator[JudgedRow | BadRow]:
        return _first_rows(judged, limit)

    def documents() -> Iterator[Document | BadRow]:
        given = (row.judged for row in rows() if isinstance(row, JudgedRow))
        missing = {document_id for pairs in given for document_id, _ in pairs or ()}
        for item in judged.documents.read():
            if isinstance(item, BadRow):
                yield item
            elif item.id in missing:
                missing.discard(item.id)
                yield item
            if not missing:
                return

    return _reading(judged, f"first {limit} of {judged.fingerprint}", documents, rows)


def _first_rows(judged: JudgedSet, limit: int) -> Iterator[JudgedRow | BadRow]:
    chosen: set[str] = set()
    without_text: set[str] = set()
    full = False
    for row in judged.read():
        if isinstance(row, BadRow):
            yield row
            continue
        if row.judged is not None:
            full = full or (len(chosen) == limit and row.query_id not in chosen)
            if not full and row.query_id not in chosen:
                chosen.add(row.query_id)
                without_text.add(row.query_id)
        if row.query_id in chosen and not (full and row.judged is not None):
            yield row
            if row.text is not None:
                without_text.discard(row.query_id)
        if full and not without_text:
            return


def _reading(
    judged: JudgedSet,
    change: str,
    documents: Callable[[], Iterator[Document | BadRow]],
    rows: Callable[[], Iterator[JudgedRow | BadRow]],
) -> JudgedSet:
    source = judged.documents
    changed = replace(source, fingerprint=fingerprint([source.fingerprint, change]), read=documents)
    return replace(judged, documents=changed, fingerprint=fingerprint([judged.fingerprint, change]), read=rows)
