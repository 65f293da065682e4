"""The rows that stand on the page, as columns of numbers and codes; their texts follow by number, in levels."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cards.page_findings import opinions, overlaps
from builders.cards.page_sample import STRATA, count_strata, draw
from builders.cards.page_tables import CUT, MOST, gather, name_tables, released_triplets
from builders.releases.redaction import MACHINERY, redacted_text
from builders.store.version_sets import VersionSet

if TYPE_CHECKING:
    import duckdb

LISTED = ("id", "version", "method", "language", "source", "split", "query", "lost_queries")


@dataclass(frozen=True)
class PageRows:
    """`listed` is what a list of the rows needs, `index` all else but the texts: ranks and scores of the rows, queries,
    chunks, documents and what ordered them, each by number; `said` what the page says of the choice.
    """

    db: "duckdb.DuckDBPyConnection"
    said: dict[str, Any]
    listed: dict[str, Any]
    index: dict[str, Any]

    def query_texts(self) -> list[str]:
        """Of the queries, by number."""
        return _column(self.db, "SELECT text FROM page_queries ORDER BY number")

    def replies(self) -> list[str | None]:
        """The whole replies that the queries come from, by number."""
        return _column(self.db, "SELECT reply FROM page_queries ORDER BY number")

    def levels(self) -> list[int]:
        """0: own chunks and positives; k: chunks that are first met as the k-th negative of a row."""
        return _column(self.db, "SELECT DISTINCT level FROM page_chunks ORDER BY level")

    def chunk_texts(self, level: int) -> Iterator[str]:
        """Of the chunks of that level, by number; a text that an earlier chunk has too is empty."""
        texts = self.db.execute(
            "SELECT if(number = first, text, '') FROM page_chunks WHERE level = ? ORDER BY number", [level]
        )
        while some := texts.fetchmany(2_000):
            yield from (text for (text,) in some)


def open_tables(db: "duckdb.DuckDBPyConnection", versions: VersionSet) -> dict[tuple[str, str, str], int]:
    """Name the tables of the set; how many triplets there are of each (method, language, source)."""
    name_tables(db, versions, released_triplets(versions))
    return count_strata(db)


def collect_rows(
    db: "duckdb.DuckDBPyConnection", versions: VersionSet, counts: Mapping[tuple[str, str, str], int], rows: int
) -> PageRows:
    """At most so many rows of the tables that were opened, each stratum with its share."""
    gather(db, draw(db, counts, rows))
    columns_of = _rows(db)
    index = {
        "rows": {name: column for name, column in columns_of.items() if name not in LISTED},
        "queries": _queries(db),
        "chunks": _chunks(db),
        "documents": _documents(db),
        "candidates": _candidates(db),
        "orders": _orders(db),
        "judged": _judged(db),
        "opinions": opinions(db, versions),
        "overlaps": overlaps(db, versions),
    }
    said = {"triplets": sum(counts.values()), "cut": CUT, "most": MOST, "strata": list(STRATA)}
    return PageRows(db, said, {name: columns_of[name] for name in LISTED}, index)


def _rows(db: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
    columns = _columns(
        db,
        """
        SELECT c.row, c.triplet_id AS id, c.version, c.method, c.language, c.source, c.split, c.retriever, c.judge,
               c.ranking, any_value(q.number) AS query, any_value(c.query_id) AS query_id, c.positive_ranks,
               c.positive_scores, c.negative_ranks, c.negative_scores, c.positives AS positives_of,
               c.negatives AS negatives_of
        FROM chosen c LEFT JOIN behind b ON b.triplets = c.version AND b.name = 'queries'
        LEFT JOIN page_queries q ON q.version = b.version AND q.query_id = c.query_id
        GROUP BY ALL ORDER BY c.row
        """,
    )
    lost = {row: query_id for row, query_id in enumerate(columns.pop("query_id")) if columns["query"][row] is None}
    del columns["row"]
    for name in ("version", "method", "language", "source", "split", "retriever", "judge", "ranking"):
        columns[name] = coded(columns[name])
    return columns | {"lost_queries": lost} | _references(db, len(columns["id"]))


def _references(db: "duckdb.DuckDBPyConnection", rows: int) -> dict[str, Any]:
    """{side: numbers of chunks of each row}, and the ids of those that no version of chunks holds, numbered after."""
    found: dict[str, list[list[int]]] = {side: [[] for _ in range(rows)] for side in ("own", "positive", "negative")}
    ordered: dict[int, list[int]] = {}
    (known,) = _column(db, "SELECT count(*) FROM page_chunks")
    lost: dict[str, int] = {}
    references = db.execute(
        """
        SELECT r.row, r.side, r.at, r.chunk_id, min(p.number) AS number
        FROM refs r LEFT JOIN behind b ON b.triplets = r.triplets AND b.name = 'chunks'
        LEFT JOIN page_chunks p ON p.version = b.version AND p.chunk_id = r.chunk_id
        GROUP BY ALL ORDER BY r.row, r.side, r.at
        """
    )
    while some := references.fetchmany(20_000):
        for row, side, _, chunk_id, number in some:
            if number is None:
                number = lost.setdefault(chunk_id, known + len(lost))
            (ordered.setdefault(row, []) if side == "ordered" else found[side][row]).append(number)
    return {
        "own": [one[0] for one in found["own"]],
        "positives": found["positive"],
        "negatives": found["negative"],
        "ordered": ordered,
        "lost": list(lost),
    }


def _queries(db: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
    columns = _columns(
        db,
        """
        SELECT q.number, q.query_id AS id, q.version, q.length, q.start, q.end, q.task, q.stated_language, q.model,
               q.prompt_version AS prompt, q.parse, q.reply_length, min(d.number) AS document
        FROM page_queries q LEFT JOIN behind b ON b.triplets = q.triplets AND b.name = 'documents'
        LEFT JOIN page_documents d ON d.version = b.version AND d.document_id = q.document_id
        GROUP BY ALL ORDER BY q.number
        """,
    )
    del columns["number"]
    for name in ("version", "task", "stated_language", "model", "prompt", "parse"):
        columns[name] = coded(columns[name])
    return columns


def _chunks(db: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
    columns = _columns(
        db,
        """
        SELECT chunk_id AS id, version, title, language, tokens, start, "end", length FROM page_chunks ORDER BY number
        """,
    )
    for name in ("version", "title", "language"):
        columns[name] = coded(columns[name])
    same = db.execute("SELECT number, first FROM page_chunks WHERE number <> first ORDER BY number")
    return columns | {"same_text": dict(same.fetchall())}


def _documents(db: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
    columns = _columns(
        db,
        """
        SELECT document_id AS id, version, title, licence, language, place, length FROM page_documents ORDER BY number
        """,
    )
    for name in ("version", "licence", "language"):
        columns[name] = coded(columns[name])
    return columns


def _candidates(db: "duckdb.DuckDBPyConnection") -> dict[int, list[Any]]:
    """{row: rank of the own chunk among the candidates, how many there are}."""
    found = db.execute(
        """
        SELECT c.row, k.own_rank, len(k.chunk_ids)
        FROM chosen c JOIN candidates k ON k.version = c.ranking AND k.query_id = c.query_id ORDER BY c.row
        """
    )
    return {row: [rank, depth] for row, rank, depth in found.fetchall()}


def _orders(db: "duckdb.DuckDBPyConnection") -> dict[int, dict[str, Any]]:
    """{row: what a judge said of its candidates}."""
    columns = _columns(db, "SELECT * EXCLUDE (triplets, chunk_ids) FROM page_orders ORDER BY row")
    rows = columns.pop("row")
    return {row: {name: values[at] for name, values in columns.items()} for at, row in enumerate(rows)}


def _judged(db: "duckdb.DuckDBPyConnection") -> dict[int, list[list[int]]]:
    """{row: [number of a chunk, its relevance]} of what was judged of the row's query."""
    found = db.execute(
        """
        SELECT DISTINCT c.row, p.number, j.relevance
        FROM chosen c JOIN behind b ON b.triplets = c.version AND b.name = 'judgements'
        JOIN judgements j ON j.version = b.version AND j.query_id = c.query_id
        JOIN behind k ON k.triplets = c.version AND k.name = 'chunks'
        JOIN page_chunks p ON p.version = k.version AND p.chunk_id = j.chunk_id
        ORDER BY ALL
        """
    )
    judged: dict[int, list[list[int]]] = {}
    for row, number, relevance in found.fetchall():
        judged.setdefault(row, []).append([number, relevance])
    return judged


def coded(values: Sequence[Any]) -> dict[str, Any]:
    """The distinct values, in order, and the place of each value among them."""
    distinct = sorted(set(values), key=lambda value: (value is not None, value))
    places = {value: place for place, value in enumerate(distinct)}
    return {"values": distinct, "codes": [places[value] for value in values]}


def _columns(db: "duckdb.DuckDBPyConnection", query: str) -> dict[str, Any]:
    result = db.execute(query)
    names = [column[0] for column in result.description or ()]
    columns = list(zip(*result.fetchall(), strict=True)) or [()] * len(names)
    found = {name: [_finite(value) for value in values] for name, values in zip(names, columns, strict=True)}
    for name in found.keys() & set(MACHINERY):  # as in the rows that are released
        found[name] = [value and redacted_text(value) for value in found[name]]
    return found


def _column(db: "duckdb.DuckDBPyConnection", query: str) -> list[Any]:
    return [value for (value,) in db.execute(query).fetchall()]


def _finite(value: Any) -> Any:
    """What JSON can say: a number that is not finite is null."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
