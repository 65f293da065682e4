"""Where a row comes from: the row itself, the chunk and the document behind it, and how each was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.parquet import storable
from builders.store.schemas import key_column, parent_columns
from builders.store.versions import Version, all_versions, read_version

if TYPE_CHECKING:
    import duckdb

# The tables whose rows are named by a query, the latest first.
QUERY_TABLES = ("preferences", "candidates", "queries")
_ABOUT_ROWS = ("contamination", "opinions", "triplets")


@dataclass(frozen=True)
class Found:
    """A row in a version; `rejected` where it stands among the rejections."""

    version: Version
    row: dict[str, Any]
    rejected: bool


def find_row(data: Path, row_id: str) -> list[Found]:
    """The row in every version that has it, the newest version first; a rejection where a version rejected it."""
    found, row_id = [], storable(row_id)
    for version in reversed(list(all_versions(data))):
        row = _select(version.shards(), key_column(version.record), row_id)
        if row:
            found.append(Found(version, row, False))
        elif row := _select(version.rejected_shards(), "row_id", row_id):
            found.append(Found(version, row, True))
    return found


def parents(found: Found) -> Iterator[tuple[str, str]]:
    """(table, row id) of the rows that this row was made from, nearest first.

    A rejection has its id alone, which tells: a triplet's begins with its query's, a query's with its chunk's, a
    chunk's with its document's, a judgement's is its query's and its chunk's, an opinion's its triplet's and its
    chunk's. What a row of the same table would be is not a parent, but for a triplet that a later version of triplets
    left out.
    """
    if found.rejected:
        row_id, table = found.row["row_id"], found.version.table
        if table in ("judgements", "opinions"):
            query_id, _, chunk_id = row_id.partition("=")
            if table == "opinions":
                yield "triplets", query_id
                query_id = query_id.rpartition("+")[0]
            yield from (("queries", query_id), ("chunks", chunk_id), ("documents", chunk_id.rpartition("#")[0]))
            return
        query_id = row_id.rpartition("+")[0] if table == "triplets" else row_id
        chunk_id = query_id.rpartition("~")[0] or query_id
        if table == "triplets":
            yield table, row_id
        if table in ("triplets", *QUERY_TABLES[:-1]):
            yield from ((parent, query_id) for parent in QUERY_TABLES if parent != table)
        yield "chunks", chunk_id
        yield "documents", chunk_id.rpartition("#")[0]
        return
    for column, tables in parent_columns(found.version.record).items():
        if found.row.get(column) is not None:
            yield from ((table, found.row[column]) for table in tables)


def chain(found: Found) -> list[Found]:
    """The row, what it was before a revision, then its parents, and theirs, in the versions it was made from."""
    links, seen = [found, *_revised(found)], set()
    ahead = list(parents(found))
    while ahead:
        table, row_id = ahead.pop(0)
        if (table, row_id) in seen:
            continue
        seen.add((table, row_id))
        for version in _ancestors(found.version):
            if version.table == table and (row := _select(version.shards(), key_column(version.record), row_id)):
                links.append(Found(version, row, False))
                if found.version.table in _ABOUT_ROWS:
                    ahead += parents(links[-1])
                break
    return links


def _revised(found: Found) -> Iterator[Found]:
    """Of a triplet that was revised: the opinions by which it lost negatives, and the row as it was, nearest first."""
    if found.version.table != "triplets" or found.rejected:
        return
    behind, now = list(_ancestors(found.version)), found.row
    for version in behind:
        key = now["triplet_id"]
        before = _select(version.shards(), "triplet_id", key) if version.table == "triplets" else None
        if before is None or before == now:
            continue
        for opinions in [one for one in behind if one.table == "opinions"]:
            for chunk in [c for c in before["negative_ids"] if c not in now["negative_ids"]]:
                said = _select(opinions.shards(), "opinion_id", f"{key}={chunk}")
                if said and said["verdict"] == "relevant":
                    yield Found(opinions, said, False)
        yield Found(version, before, False)
        now = before


def _ancestors(version: Version) -> Iterator[Version]:
    """Inputs, inputs of inputs, and so on; those that were deleted are passed over."""
    data = version.folder.parent.parent
    for given in version.manifest["identity"]["inputs"]:
        found = read_version(data / given["table"] / given["version"])
        if found:
            yield found
            yield from _ancestors(found)


@cache
def _duckdb() -> "duckdb.DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "1GB"})
    connection.execute("SET enable_progress_bar = false")  # it would write between our own lines
    return connection


def _select(shards: list[Path], column: str, row_id: str) -> dict[str, Any] | None:
    """The row with that key, by DuckDB: row groups whose range of keys cannot hold it are not read."""
    if not shards:
        return None
    import duckdb

    rows = "SELECT * FROM read_parquet($files, hive_partitioning = false)"
    query = f'{rows} WHERE "{column}" = $id LIMIT 1'
    try:
        result = _duckdb().execute(query, {"files": [str(s) for s in shards], "id": row_id})
        row = result.fetchone()
    except duckdb.Error as fault:
        words = str(fault).split("\n")[0]
        raise UserError(
            f"A shard in {shards[0].parent} is missing or damaged ({words}): delete the version's folder, then run the "
            "command that made it again."
        ) from None
    names = [column[0] for column in result.description or ()]
    return dict(zip(names, row, strict=True)) if row else None
