"""Checks a set of versions: quality.json, and the failing rows of each check as Parquet."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.quality.failing_rows import FailingRows, write_failing
from builders.quality.headers import SEVERITIES, Check, prepared, read_checks
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

    from builders.quality.running import Runner

QUALITY = "quality.json"
FAILING = "failing"
SHAPE = "Columns that are missing, of another type, or of no definition: nothing that reads the table can be believed."


def check_versions(
    versions: VersionSet, folder: Path, *, memory: str = "2GB", threads: int | None = None
) -> dict[str, Any]:
    """Write `folder`/quality.json and `folder`/failing/CHECK.parquet. Returns what quality.json holds.

    UserError where DuckDB finds the memory too little. The files are taken to be what their manifests say
    (verify_files).
    """
    import duckdb

    from builders.store.duck import duckdb_connection
    from builders.store.parquet import write_bytes
    from builders.store.schemas import first_fault

    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / FAILING, ignore_errors=True)  # of a run before this one
    start = time.monotonic()
    try:
        with duckdb_connection(memory, threads, folder) as connection:
            _work_on_disk(connection)
            connection.execute("SET preserve_insertion_order = false")  # a row knows its number: less is held back
            entries = list(_entries(connection, versions, folder / FAILING))
    except duckdb.OutOfMemoryException as fault:
        raise UserError(
            f"The checks of {', '.join(map(str, versions.named))} do not fit into {memory}: give more with --memory "
            f"({str(fault).splitlines()[0]})."
        ) from None
    entries.sort(key=lambda one: (SEVERITIES.index(one["severity"]), one["name"]))
    failed = [one["severity"] for one in entries if one["status"] == "failed"]
    quality = {
        "versions": [str(version) for version in versions.versions],
        "checks": entries,
        "errors": failed.count("error"),
        "warnings": failed.count("warning"),
        "memory": memory,
        "seconds": round(time.monotonic() - start, 3),
    }
    if wrong := first_fault("quality", quality):
        raise ValueError(f"quality.json is not of its schema: {wrong}")
    write_bytes(folder / QUALITY, json.dumps(quality, indent=1, ensure_ascii=False).encode())
    return quality


def _work_on_disk(connection: "duckdb.DuckDBPyConnection") -> None:
    """What several checks read goes to a database among the spilled files, which are removed at the end.

    There it is compressed: pairs of 10 million triplets take 0.7 GB, and 1.9 GB as a table in memory that is spilled.
    """
    ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
    path = str(Path(folder) / "work.duckdb").replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS work; USE work")


def checks_hash(versions: Sequence[Version], named: Sequence[Version] = ()) -> str:
    """Names a folder of checks: other versions, other checks or other schemas make another.

    named: those that were asked for; a revision named with what it revises is checked against it, and by itself not.
    """
    from builders.quality.headers import HERE

    digest = blake2b(digest_size=6)
    for version in versions:
        digest.update(f"{version} {version.content_hash} {version.manifest['identity']['schema']}\n".encode())
    digest.update("".join(f"named {version}\n" for version in sorted(map(str, named))).encode())
    for path in sorted(HERE.rglob("*.sql")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _entries(connection: "duckdb.DuckDBPyConnection", versions: VersionSet, folder: Path) -> Iterator[dict[str, Any]]:
    """The shapes of all tables, then their columns, then what the SQL files say of them together."""
    from builders.quality.running import Runner
    from builders.quality.schema_checks import column_checks
    from builders.quality.sources import all_of, open_versions, tables_of_records

    def keep(name: str, failing: FailingRows) -> None:
        if failing.count:
            write_failing(folder, name, failing.rows)

    shapes = _shapes(versions)
    for entry, failing in shapes:
        keep(entry["name"], failing)
        yield entry
    broken = {table for entry, _ in shapes if entry["status"] == "failed" for table in entry["tables"]}
    open_versions(connection, versions, without=broken)
    runner = Runner(connection, prepared(), [str(v) for v in versions.versions], keep)
    checks = read_checks()
    records = tables_of_records(versions, without=broken)
    with Progress("checks", len(records) + len(checks), unit="checks") as progress:
        for record, tables in records.items():
            yield from runner.run_columns(column_checks(tables, all_of(record), record))
            progress.step(note=f"columns of {record}")
        for entry in _run(runner, checks, {v.table for v in versions.versions}, broken):
            yield entry
            progress.step(note=entry["name"])
    say("tables that several checks read: " + ", ".join(f"{name} {s:.1f} s" for name, s in runner.seconds.items()))


def _run(runner: "Runner", checks: Sequence[Check], there: set[str], broken: set[str]) -> Iterator[dict[str, Any]]:
    from builders.quality.sources import METHODS_SQL

    methods: set[str] = set()
    for table in ("queries", "triplets"):
        methods |= {str(row[0]) for row in runner.connection.execute(METHODS_SQL.format(table)).fetchall()}

    def status(check: Check) -> str | None:
        if not there.issuperset(check.tables) or (check.methods and not methods.intersection(check.methods)):
            return "not_run"
        return "failed" if broken.intersection(check.tables) else None

    yield from runner.run(checks, status)


def _shapes(versions: VersionSet) -> list[tuple[dict[str, Any], FailingRows]]:
    """(entry, failing) of the check of each record's columns: those that it has, and of their types."""
    import pyarrow as pa

    from builders.quality.failing_rows import first_rows
    from builders.quality.running import entry
    from builders.quality.schema_checks import shape_faults
    from builders.quality.sources import tables_of_records

    shapes = []
    for record, tables in tables_of_records(versions).items():
        faults, examined = [], 0
        for number, version in enumerate(versions.versions):
            if version.record == record:
                examined += len(version.shards())
                faults += [{"version": number, "key": name, "detail": what} for name, what in shape_faults(version)]
        batches = pa.Table.from_pylist(faults).to_batches() if faults else []
        failing = first_rows(batches, [str(version) for version in versions.versions])
        check = Check(f"schema.{record}", "error", tuple(tables), "", 0.0, SHAPE, "")
        shapes.append((entry(check, examined, failing), failing))
    return shapes
