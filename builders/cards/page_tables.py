"""The chosen triplets and all that they name, gathered by id into tables of one DuckDB connection.

Texts are cut while they are read, and what does not fit the connection's memory goes to its disk: a corpus of millions
of chunks is read through once and never held.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.store.schemas import arrow_schema
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

CUT = 4_000  # characters of a text
MOST = 50  # positives and negatives of a row, each
RANKED_ONLY = MOST + 1  # the level of a chunk that a judge ordered and that is neither positive nor negative
# {table: the record of its rows}
TABLES = {
    "chunks": "chunk",
    "queries": "query",
    "documents": "document",
    "candidates": "candidates",
    "preferences": "preference",
    "judgements": "judgement",
}


def released_triplets(versions: VersionSet) -> list[Version]:
    """The versions of triplets that were named; where none was, those that no other one was made from."""
    named = [v for v in versions.named if v.table == "triplets"]
    if named:
        return named
    found = versions.of("triplets")
    behind = {str(b) for v in found for b in versions.behind(v, "triplets") if str(b) != str(v)}
    return [v for v in found if str(v) not in behind]


def name_tables(db: "duckdb.DuckDBPyConnection", versions: VersionSet, triplets: Sequence[Version]) -> None:
    """A view of each table over all of its versions with a column `version`, and `behind`: (triplets, name, version)."""
    _view(db, "triplets", "triplet", triplets)
    links = []
    for table, record in TABLES.items():
        _view(db, table, record, versions.of(table))
        links += [(str(t), table, str(b)) for t in triplets for b in versions.behind(t, table)]
    db.execute("CREATE TEMP TABLE behind (triplets VARCHAR, name VARCHAR, version VARCHAR)")
    if links:
        db.executemany("INSERT INTO behind VALUES (?, ?, ?)", links)


def _view(db: "duckdb.DuckDBPyConnection", name: str, record: str, versions: Sequence[Version]) -> None:
    parts = [f"SELECT {_quoted(str(v))} AS version, * FROM read_parquet([{_files(v)}])" for v in versions]  # noqa: S608
    if not parts:
        db.register(f"no_{name}", arrow_schema(record).empty_table())
        parts = [f"SELECT '' AS version, * FROM no_{name}"]  # noqa: S608 (a table of ours)
    db.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")


def _files(version: Version) -> str:
    shards = version.shards()
    if gone := [shard for shard in shards if not shard.is_file()]:
        raise UserError(
            f"The shard {gone[0]} of {version} is missing: delete the version's folder, then run the command that made "
            "it again."
        )
    return ", ".join(_quoted(str(shard)) for shard in shards)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def gather(db: "duckdb.DuckDBPyConnection", drawn: Sequence[tuple[str, str]]) -> None:
    """Tables of what the drawn rows name: chosen, page_queries, page_documents, page_orders, refs, page_chunks."""
    import pyarrow as pa

    names = [("version", pa.string()), ("triplet_id", pa.string())]
    columns = [pa.array([row[at] for row in drawn], kind) for at, (_, kind) in enumerate(names)]
    db.register("drawn", pa.table(columns, schema=pa.schema(names)))
    for statement in _STATEMENTS:
        db.execute(statement)
    db.unregister("drawn")


_STATEMENTS = (
    # list_slice bounds a row that somebody made by hand
    f"""
    CREATE OR REPLACE TEMP TABLE chosen AS
    SELECT row_number() OVER (ORDER BY version, method, language, source, triplet_id) - 1 AS row, version, triplet_id,
           query_id, chunk_id, document_id, source, method, language, split, retriever, judge, ranking,
           len(positive_ids) AS positives, len(negative_ids) AS negatives,
           {", ".join(f"list_slice({s}_{w}, 1, {MOST}) AS {s}_{w}" for s in ("positive", "negative")
                      for w in ("ids", "ranks", "scores"))}
    FROM triplets SEMI JOIN drawn USING (version, triplet_id)
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE page_queries AS
    SELECT row_number() OVER (ORDER BY version, query_id) - 1 AS number, *
    FROM (
        SELECT q.version, q.query_id, any_value(c.version) AS triplets, any_value(q.chunk_id) AS chunk_id,
               any_value(q.document_id) AS document_id, any_value(q.method) AS method,
               any_value(substr(q.text, 1, {CUT})) AS text, any_value(length(q.text)) AS length,
               any_value(q.start) AS start, any_value(q.end) AS "end", any_value(q.task) AS task,
               any_value(q.stated_language) AS stated_language, any_value(q.model) AS model,
               any_value(q.prompt_version) AS prompt_version, any_value(q.parse) AS parse,
               any_value(substr(q.reply, 1, {CUT})) AS reply, any_value(length(q.reply)) AS reply_length
        FROM chosen c JOIN behind b ON b.triplets = c.version AND b.name = 'queries'
        JOIN queries q ON q.version = b.version AND q.query_id = c.query_id
        GROUP BY q.version, q.query_id
    )
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE page_documents AS
    SELECT row_number() OVER (ORDER BY version, document_id) - 1 AS number, *
    FROM (
        SELECT d.version, d.document_id, any_value(substr(d.title, 1, {CUT})) AS title, any_value(d.licence) AS licence,
               any_value(d.language) AS language, any_value(d.place) AS place, any_value(length(d.text)) AS length
        FROM page_queries q JOIN behind b ON b.triplets = q.triplets AND b.name = 'documents'
        JOIN documents d ON d.version = b.version AND d.document_id = q.document_id
        GROUP BY d.version, d.document_id
    )
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE page_orders AS
    SELECT c.row, c.version AS triplets, p.version, p.own_rank, p.preference_method, p.model, p.prompt_version, p.parse,
           p.rank_agreement, p.first_agreement, p.judge_scores, p.retriever_ranks, p.retriever_scores,
           list_slice(p.chunk_ids, 1, {MOST}) AS chunk_ids,
           list_transform(list_slice(p.replies, 1, {MOST}), lambda r: substr(r, 1, {CUT})) AS replies
    FROM chosen c JOIN preferences p ON p.version = c.ranking AND p.query_id = c.query_id
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE refs AS
    SELECT row, version AS triplets, 'own' AS side, 1 AS at, chunk_id, 0 AS level FROM chosen
    UNION ALL
    SELECT row, version, 'positive', generate_subscripts(positive_ids, 1), unnest(positive_ids), 0 FROM chosen
    UNION ALL
    SELECT row, version, 'negative', generate_subscripts(negative_ids, 1), unnest(negative_ids),
           generate_subscripts(negative_ids, 1) FROM chosen
    UNION ALL
    SELECT row, triplets, 'ordered', generate_subscripts(chunk_ids, 1), unnest(chunk_ids), {RANKED_ONLY}
    FROM page_orders
    """,
    # numbered by level, so that the texts that are on the page are those of the first numbers
    f"""
    CREATE OR REPLACE TEMP TABLE page_chunks AS
    SELECT *, min(number) OVER (PARTITION BY text_hash) AS first
    FROM (
        SELECT row_number() OVER (ORDER BY w.level, w.version, w.chunk_id) - 1 AS number,
               w.version, w.chunk_id, w.level, substr(c.title, 1, {CUT}) AS title, c.language, c.tokens, c.start,
               c.end, c.text_hash, substr(c.text, 1, {CUT}) AS text, length(c.text) AS length
        FROM (
            SELECT b.version, r.chunk_id, min(r.level) AS level
            FROM refs r JOIN behind b ON b.triplets = r.triplets AND b.name = 'chunks' GROUP BY ALL
        ) w JOIN chunks c ON c.version = w.version AND c.chunk_id = w.chunk_id
    )
    """,
)
