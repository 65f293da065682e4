"""The chosen triplets and all that they name, gathered by id into tables of one DuckDB connection.

Texts are cut while they are read, and what does not fit the connection's memory goes to its disk: a corpus of millions
of chunks is read through once and never held.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.store.schemas import arrow_schema
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

CUT = 4_000  # characters of a text
MOST = 50  # positives and negatives of a row, each
SQL = Path(__file__).with_suffix(".sql")
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
    """A view of each table over all of its versions, with a column `version`; `behind` says which triplets are made of
    which: (triplets, name of a table, version).
    """
    _view(db, "triplets", "triplet", triplets)
    links = []
    for table, record in TABLES.items():
        _view(db, table, record, versions.of(table))
        links += [(str(t), table, str(b)) for t in triplets for b in versions.behind(t, table)]
    db.execute("CREATE TEMP TABLE behind (triplets VARCHAR, name VARCHAR, version VARCHAR)")
    if links:
        db.executemany("INSERT INTO behind VALUES (?, ?, ?)", links)


def _view(db: "duckdb.DuckDBPyConnection", name: str, record: str, versions: Sequence[Version]) -> None:
    rows = scan(versions)
    if not versions:
        db.register(f"no_{name}", arrow_schema(record).empty_table())
        rows = f"SELECT '' AS version, * FROM no_{name}"  # noqa: S608 (a table of ours)
    db.execute(f"CREATE TEMP VIEW {name} AS {rows}")


def scan(versions: Sequence[Version]) -> str:
    """SQL that reads the rows of these versions, with a column `version`."""
    parts = [
        f"SELECT {_quoted(str(v))} AS version, * FROM read_parquet([{_files(v)}], hive_partitioning = false)"  # noqa: S608 (quoted)
        for v in versions
    ]
    return " UNION ALL BY NAME ".join(parts)


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
    db.execute(f"SET VARIABLE cut = {CUT}; SET VARIABLE most = {MOST}")
    db.execute(SQL.read_text("utf-8"))
    db.unregister("drawn")
