"""Rows of a finished version changed behind its back, with a manifest that says that they belong there."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from builders.quality.failing_rows import FailingRows
from builders.quality.headers import prepared, read_checks
from builders.quality.running import Runner
from builders.quality.sources import open_versions
from builders.store.duck import duckdb_connection
from builders.store.schemas import arrow_schema, key_column
from builders.store.version_sets import VersionSet, version_set
from builders.store.versions import Version, all_versions, read_version
from tests.making import rows_of

Row = dict[str, Any]


class World:
    """The versions of a data folder, to be read and broken."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def version(self, table: str, method: str | None = None) -> Version:
        """The first version of the table; with a method, the first whose rows are of it."""
        found = [v for v in all_versions(self.data) if v.table == table]
        return found[0] if method is None else next(v for v in found if rows_of(v)[0]["method"] == method)

    def rows(self, table: str, method: str | None = None) -> list[Row]:
        return rows_of(self.version(table, method))

    def all_of(self, table: str) -> list[Version]:
        return [v for v in all_versions(self.data) if v.table == table]

    def count(self, version: Version, counts: dict[str, int]) -> None:
        """These counts in the manifest."""
        manifest = json.loads((version.folder / "manifest.json").read_text())
        (version.folder / "manifest.json").write_text(json.dumps(manifest | {"counts": counts}))

    def train_row(self, table: str, method: str | None = None) -> Row:
        return next(row for row in self.rows(table, method) if row.get("split", "train") == "train")

    def other_chunk(self, row: Row, **wanted: Any) -> str:
        """A chunk of these facts that the row does not name, of no document that it names."""
        named = {row["chunk_id"], *row.get("positive_ids", ()), *row.get("negative_ids", ()), *row.get("chunk_ids", ())}
        documents = {one.rpartition("#")[0] for one in named}
        found = [c for c in self.rows("chunks") if all(c[k] == v for k, v in wanted.items())]
        return str(next(c["chunk_id"] for c in found if c["document_id"] not in documents))

    def write(self, version: Version, rows: list[Row]) -> None:
        """All rows of the version, in one shard; any column may be null."""
        schema = pa.schema([field.with_nullable(True) for field in arrow_schema(version.record)])
        write_shard(version, pa.Table.from_pylist(rows, schema=schema))

    def change(self, table: str, method: str | None, key: str, /, **values: Any) -> str:
        """These values in the row of that key; a function of the value there gives one. Returns the key."""
        version = self.version(table, method)
        rows = rows_of(version)
        row = next(row for row in rows if row[key_column(version.record)] == key)
        for name, value in values.items():
            row[name] = value(row[name]) if callable(value) else value
        self.write(version, rows)
        return key

    def repeat(self, table: str) -> str:
        """The first row of the table once more."""
        version = self.version(table)
        rows = rows_of(version)
        self.write(version, [rows[0], *rows])
        return str(rows[0][key_column(version.record)])


def write_shard(version: Version, table: pa.Table) -> None:
    """The table as the version's only shard."""
    path = version.folder / "00000.parquet"
    pq.write_table(table, path)
    manifest = json.loads((version.folder / "manifest.json").read_text())
    content = path.read_bytes()
    facts = {"rows": len(table), "bytes": len(content), "sha256": sha256(content).hexdigest(), "content_hash": ""}
    manifest["files"] = [{"path": path.name, **facts}]
    (version.folder / "manifest.json").write_text(json.dumps(manifest))
    assert read_version(version.folder) is not None


def as_set(data: Path) -> VersionSet:
    """All triplets that are there, with what is behind them, and what was said of them."""
    return version_set([v for v in all_versions(data) if v.table in ("triplets", "contamination")])


def outcome_of(data: Path, name: str) -> tuple[Row, FailingRows]:
    """(entry of quality.json, failing rows) of one check alone."""
    kept: dict[str, FailingRows] = {}
    versions = as_set(data)
    with duckdb_connection(threads=1) as connection:
        open_versions(connection, versions)
        runner = Runner(connection, prepared(), [str(v) for v in versions.versions], kept.__setitem__)
        (check,) = [check for check in read_checks() if check.name == name]
        (entry,) = runner.run([check], lambda _: None)
    return entry, kept[name]
