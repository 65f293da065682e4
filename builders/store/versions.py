"""Finished versions of tables: where they are, what their manifests say, how to name and read them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
REJECTED = "rejected"
# Tables that a stage makes on the way to its own, which holds all that they rejected.
PASSES = ("signatures", "clusters", "query_drafts", "query_duplicates", "judged_rows", "triplet_drafts")
_PARTS = ("table", "version", "stage", "finished", "rows", "counts", "usage", "content_hash", "identity", "files")
_AGAIN = "delete the version's folder, then run the command that made it again."


@dataclass(frozen=True)
class Version:
    """One finished version of one table: a folder of Parquet shards and the manifest that was written last."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def table(self) -> str:
        return str(self.manifest["table"])

    @property
    def name(self) -> str:
        return str(self.manifest["version"])

    @property
    def content_hash(self) -> str:
        return str(self.manifest["content_hash"])

    @property
    def record(self) -> str:
        return str(self.manifest["identity"]["record"])

    def __str__(self) -> str:
        return f"{self.table}/{self.name}"

    def shards(self) -> list[Path]:
        return [self.folder / f["path"] for f in self.manifest["files"] if not f["path"].startswith(REJECTED)]

    def rejected_shards(self) -> list[Path]:
        return [self.folder / f["path"] for f in self.manifest["files"] if f["path"].startswith(REJECTED)]

    def inputs(self) -> "list[Version]":
        """The versions that this one was made from; UserError where one of them holds other rows now."""
        data = self.folder.parent.parent
        found = []
        for given in self.manifest["identity"]["inputs"]:
            version = find_version(data, f"{given['table']}/{given['version']}", table=given["table"])
            if version.content_hash != given["content"]:
                raise UserError(
                    f"{self} was made from {version} when that held other rows (content {given['content']}, now "
                    f"{version.content_hash}): build {self.table} again from what is there."
                )
            found.append(version)
        return found


def read_version(folder: Path) -> Version | None:
    """The version in that folder, or None where its manifest has not been written (unfinished).

    UserError where the manifest is damaged.
    """
    path = folder / MANIFEST
    if not os.path.isfile(path):  # not Path.is_file, which raises where a user's words make too long a name
        return None
    try:
        manifest = json.loads(path.read_bytes())
        lacking = [part for part in _PARTS if part not in manifest]
    except (ValueError, TypeError) as fault:
        raise UserError(f"The manifest {path} is damaged ({fault}): {_AGAIN}") from None
    if lacking:
        raise UserError(f"The manifest {path} is damaged (it lacks {', '.join(lacking)}): {_AGAIN}")
    return Version(folder, manifest)


def all_versions(data: Path) -> Iterator[Version]:
    """Every finished version under the data folder, oldest first."""
    found = [read_version(p.parent) for p in data.glob(f"*/*/{MANIFEST}")]
    yield from sorted((v for v in found if v), key=lambda v: (v.manifest["finished"], _written_ns(v), str(v)))


def _written_ns(version: Version) -> int:
    """Orders versions that were finished in the same second."""
    return (version.folder / MANIFEST).stat().st_mtime_ns


def unfinished(data: Path) -> list[Path]:
    """Folders of versions that were begun and have no manifest yet."""
    return sorted(p.parent for p in data.glob("*/*/work") if not (p.parent / MANIFEST).exists())


def find_version(data: Path, wanted: str, *, table: str | None = None) -> Version:
    """The version that the user means: a folder, `table/version` or its beginning, a name, or a table for its latest.

    UserError where there is none, more than one, or where it holds another table than `table`.
    """
    exact = read_version(data / wanted) or read_version(Path(wanted))
    if exact:
        versions = [exact]
    else:
        versions = [v for v in all_versions(data) if str(v).startswith(wanted) or v.name.startswith(wanted)]
        if wanted in {v.table for v in versions}:  # a table's name alone: its latest version
            versions = [v for v in versions if v.table == wanted][-1:]
    if len(versions) > 1:
        names = {str(v) for v in versions}
        listed = ", ".join(str(v) if len(names) == len(versions) else str(v.folder) for v in versions)
        raise UserError(f"{wanted} names {len(versions)} versions ({listed}): give more of the name.", exit_code=2)
    if not versions:
        raise UserError(f"There is no finished version {wanted} in {data}: {_what_is_there(data, table)}", exit_code=2)
    if table is not None and versions[0].table != table:
        raise UserError(
            f"{wanted} is a version of {versions[0].table}, and {table} is needed: {_what_is_there(data, table)}",
            exit_code=2,
        )
    return versions[0]


def latest_version(data: Path, table: str) -> Version:
    """The version of the table that was finished last; UserError where there is none."""
    versions = [v for v in all_versions(data) if v.table == table]
    if not versions:
        raise UserError(
            f"There is no finished version of {table} in {data}: build one first "
            "(`python -m builders.corpus` makes chunks).",
            exit_code=2,
        )
    say(f"from {versions[-1]}, the latest ({versions[-1].manifest['stage'].removeprefix('builders.')})")
    return versions[-1]


def _what_is_there(data: Path, table: str | None) -> str:
    names = [str(v) for v in all_versions(data) if table is None or v.table == table]
    if not names:
        return "nothing has been built there yet; `python -m builders.tables list` shows what there is."
    return "there are " + ", ".join(names[-8:]) + "."


def read_rows(shard: Path, only: list[str] | None = None) -> list[dict[str, Any]]:
    """All rows of one shard."""
    rows: list[dict[str, Any]] = read_table(shard, only).to_pylist()
    return rows


def read_column(shard: Path, name: str) -> list[Any]:
    """One column of one shard."""
    values: list[Any] = read_table(shard, [name]).column(name).to_pylist()
    return values


def read_table(shard: Path, only: list[str] | None = None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(shard) as file:
            return file.read(columns=only, use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid):
        raise UserError(f"The shard {shard} of a finished version is missing or damaged: {_AGAIN}") from None
