"""Drafts of judged rows and chunks, joined on disk: what a query is asked with, and what each judgement is of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.building import Building
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

MEMORY = "2GB"  # what does not fit goes to a file in the version's working folder
SHARD_ROWS = 50_000

# A set may state a query's text many times (once a triple) and a judgement too: the first text, the highest relevance.
TABLES = """
CREATE TABLE asked AS
SELECT query_id, arg_min(text, "row") AS text, arg_min(language, "row") AS language, count(DISTINCT text) AS texts,
       bool_or(document_ids IS NOT NULL) AS judged
FROM read_parquet($drafts, hive_partitioning = false) GROUP BY query_id;

CREATE TABLE judged AS
SELECT query_id, document_id, max(relevance) AS relevance, count(DISTINCT relevance) > 1 AS disagreed
FROM (
    SELECT query_id, unnest(document_ids) AS document_id, unnest(relevances) AS relevance
    FROM read_parquet($drafts, hive_partitioning = false)
)
GROUP BY query_id, document_id;

CREATE TABLE chunks AS
SELECT chunk_id, document_id, source, language, split, licence, text_hash
FROM read_parquet($chunks, hive_partitioning = false)
"""

QUERIES = """
WITH first AS (
    SELECT query_id, chunks.* FROM judged JOIN chunks USING (document_id) WHERE relevance > 0
    QUALIFY row_number() OVER (PARTITION BY query_id ORDER BY relevance DESC, chunk_id) = 1
), counts AS (
    SELECT query_id, count(*) FILTER (relevance > 0) AS positives FROM judged GROUP BY query_id
)
SELECT asked.query_id, asked.text, asked.language AS stated, coalesce(positives, 0) AS positives,
       first.* EXCLUDE (query_id)
FROM asked LEFT JOIN first USING (query_id) LEFT JOIN counts USING (query_id)
WHERE asked.judged AND asked.text IS NOT NULL
"""

OTHER_TEXTS = """
SELECT DISTINCT query_id, drafts.text
FROM read_parquet($drafts, hive_partitioning = false) AS drafts JOIN asked USING (query_id)
WHERE asked.texts > 1 AND drafts.text <> asked.text ORDER BY ALL
"""

JUDGEMENTS = """
SELECT judged.*, chunks.chunk_id, queries.query_id IS NOT NULL AS kept, dropped.reason AS query_reason,
       lost.reason AS document_reason
FROM judged LEFT JOIN queries USING (query_id) LEFT JOIN chunks USING (document_id)
     LEFT JOIN dropped ON dropped.row_id = judged.query_id LEFT JOIN lost ON lost.row_id = judged.document_id
"""


@contextmanager
def joined(made: Building, drafts: Version, chunks: Version) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB on disk with the tables `asked`, `judged` and `chunks`; made anew in a run that goes on."""
    import duckdb

    path = made.folder / "work" / "join.duckdb"
    for stale in path.parent.glob("join.duckdb*"):
        stale.unlink()
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(path.parent / "join"),
        "threads": 2,
    }
    with duckdb.connect(str(path), config=settings) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would write between our own lines
        given = {"drafts": _paths(drafts.shards()), "chunks": _paths(chunks.shards())}
        for statement in TABLES.split(";"):
            wanted = {name: paths for name, paths in given.items() if f"${name}" in statement}
            connection.execute(statement, wanted)
        yield connection


def rejections_as(connection: "duckdb.DuckDBPyConnection", name: str, versions: list[Version]) -> None:
    """A table of (row_id, reason) of what the versions rejected; a chunk goes by its document's id."""
    connection.execute(f"CREATE TABLE {name} (row_id VARCHAR, reason VARCHAR)")
    for version in versions:
        if shards := version.rejected_shards():
            connection.execute(
                f"INSERT INTO {name} SELECT regexp_replace(row_id, '#[0-9]{{4,}}$', ''), min(reason) "  # noqa: S608
                "FROM read_parquet($shards, hive_partitioning = false) WHERE reason <> 'duplicate_id' GROUP BY ALL",
                {"shards": _paths(shards)},
            )


def queries_as_table(connection: "duckdb.DuckDBPyConnection", queries: Version) -> None:
    shards = _paths(queries.shards())
    connection.execute(
        "CREATE TABLE queries AS SELECT query_id FROM read_parquet($shards, hive_partitioning = false)",
        {"shards": shards},
    )


def in_shards(connection: "duckdb.DuckDBPyConnection", select: str, order: str) -> Iterator["Part"]:
    """The rows of a SELECT in a fixed order, SHARD_ROWS at a time, each part read only when it is asked for."""
    connection.execute(
        f"CREATE OR REPLACE TABLE ordered AS SELECT *, row_number() OVER (ORDER BY {order}) AS number "  # noqa: S608
        f"FROM ({select}) ORDER BY number"
    )
    found = connection.execute("SELECT count(*) FROM ordered").fetchone()
    for start in range(0, found[0] if found else 0, SHARD_ROWS):
        yield Part(connection, start)


class Part:
    """Rows start + 1 to start + SHARD_ROWS of the table `ordered`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", start: int) -> None:
        self.connection, self.start = connection, start

    def rows(self) -> list[dict[str, Any]]:
        return fetch(
            self.connection,
            f"SELECT * EXCLUDE (number) FROM ordered WHERE number > {self.start} "  # noqa: S608
            f"AND number <= {self.start + SHARD_ROWS} ORDER BY number",
        )


def fetch(connection: "duckdb.DuckDBPyConnection", select: str, **given: Any) -> list[dict[str, Any]]:
    """All rows of a SELECT."""
    result = connection.execute(select, given)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _paths(shards: list[Path]) -> list[str]:
    return [str(shard) for shard in shards]
