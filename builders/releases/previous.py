"""The release before: read, checked, and compared with by what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.releases.choice import TABLES, Chosen
from builders.releases.manifests import parquet_files, read_manifest
from builders.releases.names import FIRST, MAJOR, MINOR, PATCH, next_release, numbers_of
from builders.store.folders import bytes_and_sha256
from builders.store.schemas import schema_hash


@dataclass(frozen=True)
class Previous:
    """A release's folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def release(self) -> str:
        return str(self.manifest["release"])


def read_previous(folder: Path, name: str) -> Previous:
    """UserError where it is no release of that name, or a file of it was changed since."""
    manifest = read_manifest(folder)
    if manifest["name"] != name:
        raise UserError(
            f"--previous {folder} is a release of {manifest['name']}, not of {name}: name one of the same data set.",
            exit_code=2,
        )
    for file in [*parquet_files(manifest["configs"]), *manifest["files"]]:
        path = folder / file["path"]
        if not path.is_file() or bytes_and_sha256(path) != {"bytes": file["bytes"], "sha256": file["sha256"]}:
            raise UserError(
                f"{path} of the release before is missing, or was changed after it was written: fetch that release "
                "again, so that the changes since can be told."
            )
    return Previous(folder, manifest)


def change_since(previous: Previous, chosen: Chosen, negatives: int) -> str:
    """major: a config or column went, or came to mean something else. minor: other rows. patch: the same rows.

    By schemas and content hashes of versions, before a row is written: whoever reads rows by their columns can go on
    with the same major version, and whoever compares results needs the same minor one.
    """
    if _negatives(previous) != negatives:
        return MAJOR
    is_same = True
    for config, table in TABLES.items():
        released = chosen.rows_of(config)
        if previous.manifest["configs"][config]["schema"] != schema_hash(released[0].record):
            return MAJOR
        before = [
            given["content_hash"]
            for given in previous.manifest["versions"]
            if given["version"].partition("/")[0] == table and (config != "triplets" or given["is_named"])
        ]
        is_same = is_same and sorted(before) == sorted(v.content_hash for v in released)
    return PATCH if is_same else MINOR


def release_name(wanted: str | None, previous: Previous | None, change: str) -> str:
    """The semantic version: as wanted, or by what changed. UserError where it is not above the one before."""
    if previous is None:
        return wanted or FIRST
    proposed = next_release(previous.release, change)
    if wanted is not None and numbers_of(wanted) <= numbers_of(previous.release):
        raise UserError(
            f"--release {wanted} is not above {previous.release}, the release before: give {proposed} or leave it out.",
            exit_code=2,
        )
    return wanted or proposed


def _negatives(previous: Previous) -> int:
    """How many columns of negatives its pairs have."""
    import pyarrow.parquet as pq

    files = [file["path"] for file in parquet_files({"pairs": previous.manifest["configs"]["pairs"]})]
    names = pq.read_schema(previous.folder / files[0]).names
    return sum(name.startswith("negative_") for name in names)
