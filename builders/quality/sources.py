"""The versions of a set as views in DuckDB: each table whole, its rows numbered, with what its ids are looked up in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.schemas import arrow_schema, columns
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

# Tables that checks read, and the record of each: those that are not in the set are views without rows.
RECORDS = {
    "documents": "document",
    "chunks": "chunk",
    "queries": "query",
    "candidates": "candidates",
    "preferences": "preference",
    "judgements": "judgement",
    "triplets": "triplet",
}
METHODS = ("sent", "qgen", "rerank", "triplet", "supervised")
METHODS_SQL = "SELECT DISTINCT method FROM {}"
_LOOKED_UP = ("documents", "chunks", "queries")


@dataclass
class Spaces:
    """Sets of versions that ids are looked up in, numbered: most rows were made from one version of each table."""

    versions: VersionSet
    numbers: dict[frozenset[str], int] = field(default_factory=dict)

    def of(self, version: Version, table: str) -> int:
        """The number of the set of those versions of `table` that this version was made from."""
        behind = frozenset(str(v) for v in self.versions.behind(version, table))
        return self.numbers.setdefault(behind, len(self.numbers))

    def members(self) -> list[tuple[int, str]]:
        return [(number, name) for names, number in self.numbers.items() for name in sorted(names)]


def open_versions(
    connection: "duckdb.DuckDBPyConnection", versions: VersionSet, *, without: Collection[str] = ()
) -> None:
    """Make the views, and the tables `versions`, `spaces` (which versions an id is looked up in) and `promises`.

    Beside its own columns a row has `version` (its number), `row` (its number in the table), and `documents_of`,
    `chunks_of` and `queries_of`: the spaces that its ids are looked up in.
    """
    numbers = {str(version): number for number, version in enumerate(versions.versions)}
    spaces = Spaces(versions)
    methods = ", ".join(f"'{method}'" for method in METHODS)
    connection.execute(f"CREATE TYPE METHOD AS ENUM ({methods})")
    connection.execute("CREATE TABLE versions (version USMALLINT, name VARCHAR)")
    connection.executemany("INSERT INTO versions VALUES (?, ?)", [[number, name] for name, number in numbers.items()])
    for table in [*RECORDS, *sorted({v.table for v in versions.versions} - RECORDS.keys() - set(without))]:
        there = trained_on(versions) if table == "triplets" else versions.of(table)
        there = [] if table in without else there
        connection.execute(f"CREATE VIEW {_name(table)} AS {_view(connection, table, there, numbers, spaces)}")
    for record in sorted({v.record for v in versions.versions if v.table not in without}):
        there = [v for v in versions.versions if v.record == record and v.table not in without]
        view = _view(connection, record, there, numbers, spaces)
        connection.execute(f"CREATE VIEW {_name(all_of(record))} AS {view}")
    connection.execute("CREATE TABLE spaces (space USMALLINT, version USMALLINT)")
    for space, name in spaces.members():
        connection.execute("INSERT INTO spaces VALUES (?, ?)", [space, numbers[name]])
    _make_promises(connection, versions, numbers)
    _make_looked_at(connection, versions)


def all_of(record: str) -> str:
    """The view of every row of a record, in whatever table and version."""
    return f"all rows of {record}"


def tables_of_records(versions: VersionSet, *, without: Collection[str] = ()) -> dict[str, list[str]]:
    """{record: the tables of the set whose rows it describes}: drafts of queries are described as queries are."""
    found: dict[str, list[str]] = {}
    for version in versions.versions:
        tables = found.setdefault(version.record, [])
        if version.table not in (*tables, *without):
            tables.append(version.table)
    return {record: tables for record, tables in sorted(found.items()) if tables}


def trained_on(versions: VersionSet) -> list[Version]:
    """The versions of triplets that are named or that no other was made from.

    What was revised since (contaminated rows dropped, negatives promoted) is not trained on, and says otherwise.
    """
    made = versions.of("triplets")
    behind = {str(v) for one in made for v in versions.behind(one, "triplets") if v is not one}
    behind |= {f"{given['table']}/{given['version']}" for one in made for given in one.manifest["identity"]["inputs"]}
    named = {str(v) for v in versions.named}
    return [v for v in made if str(v) in named or str(v) not in behind]


def _view(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    there: Sequence[Version],
    numbers: dict[str, int],
    spaces: Spaces,
) -> str:
    """The SELECT of a table's rows, all its versions one after the other."""
    parts, first_row = [], 0
    for version in there:
        firsts = []
        for given in _shards(version):
            firsts.append(first_row)
            first_row += given["rows"]
        if not firsts:
            continue
        shards = ", ".join(_path(version.folder / given["path"]) for given in _shards(version))
        looked_up = ", ".join(f"{spaces.of(version, other)}::USMALLINT AS {other}_of" for other in _LOOKED_UP)
        record = ", ".join(_name(column) for column in columns(version.record))
        parts.append(
            f"SELECT {numbers[str(version)]}::USMALLINT AS version, "  # noqa: S608 (our names, quoted paths)
            f"{firsts}[file_index::BIGINT + 1]::BIGINT + file_row_number AS row, {looked_up}, {record} "
            f"FROM read_parquet([{shards}], hive_partitioning = false)"
        )
    if parts:
        return " UNION ALL ".join(parts)
    import pyarrow as pa

    beside = [pa.field("version", pa.uint16()), pa.field("row", pa.int64())]
    beside += [pa.field(f"{other}_of", pa.uint16()) for other in _LOOKED_UP]
    record_name = there[0].record if there else RECORDS[table]
    empty = pa.schema([*beside, *arrow_schema(record_name)]).empty_table()
    connection.register(f"no_{table}", empty)
    return f"SELECT * FROM no_{table}"  # noqa: S608 (a name of our own)


def _shards(version: Version) -> list[dict[str, Any]]:
    return [given for given in version.manifest["files"] if version.folder / given["path"] in version.shards()]


def _make_promises(connection: "duckdb.DuckDBPyConnection", versions: VersionSet, numbers: dict[str, int]) -> None:
    """What the version of each triplets row promised: the fewest negatives, and the window of ranks they come from."""
    connection.execute(
        "CREATE TABLE promises (of USMALLINT, least INTEGER, deep INTEGER, positives_last INTEGER, "
        "negatives_first INTEGER, negatives_last INTEGER)"
    )
    for version in trained_on(versions):
        source = _with_settings(version, versions)
        config = source.manifest["identity"]["config"] if source else {}
        inputs = source.manifest["identity"]["inputs"] if source else []
        is_judged = bool(inputs) and inputs[0]["table"] == "judgements"
        first, last = (None, None) if is_judged else config.get("negatives") or (None, None)
        _, positives_last = config.get("positives") or (None, None)
        promise = [numbers[str(version)], config.get("least", 1), config.get("deep"), positives_last, first, last]
        connection.execute("INSERT INTO promises VALUES (?, ?, ?, ?, ?, ?)", promise)


def _with_settings(version: Version, versions: VersionSet) -> Version | None:
    """The version that promised: this one, or the one that it revises."""
    known = {str(v): v for v in versions.versions}
    found: Version | None = version
    while found is not None and "least" not in found.manifest["identity"]["config"]:
        names = [f"{given['table']}/{given['version']}" for given in found.manifest["identity"]["inputs"]]
        found = next((known[name] for name in names if known[name].table == "triplets"), None)
    return found


def _make_looked_at(connection: "duckdb.DuckDBPyConnection", versions: VersionSet) -> None:
    """How many texts each version of `contamination` examined: it holds those alone that it found."""
    connection.execute("CREATE TABLE looked_at (examined BIGINT)")
    for version in versions.of("contamination"):
        counts = version.manifest["counts"]
        examined = sum(number for name, number in counts.items() if name.startswith("examined:"))
        connection.execute("INSERT INTO looked_at VALUES (?)", [examined])


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _path(path: Path) -> str:
    """The path as SQL, its own brackets and stars meaning themselves."""
    escaped = "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(path.absolute()))
    return "'" + escaped.replace("'", "''") + "'"
