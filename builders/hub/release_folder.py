"""A release folder, checked against its own manifest before anything of it is sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.hub.files import File, some
from builders.hub.listed import check_files, check_names, tell_surplus
from builders.releases.manifests import MANIFEST, parquet_files, read_manifest
from builders.releases.manifests import content_hash as release_hash
from builders.store.content import content_hash
from builders.store.folders import bytes_and_sha256
from builders.store.schemas import first_fault

NEEDED = ("README.md", "quality.json")
AGAIN = "make the release again"


@dataclass(frozen=True)
class ReleaseFolder:
    """A release whose files are all there and are what its manifest says."""

    folder: Path
    manifest: Mapping[str, Any]
    manifest_file: File

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def release(self) -> str:
        return str(self.manifest["release"])

    @cached_property
    def parquet(self) -> list[Mapping[str, Any]]:
        """The manifest's entries for Parquet files, in order of path."""
        return sorted(parquet_files(self.manifest["configs"]), key=lambda entry: str(entry["path"]))

    @cached_property
    def files(self) -> list[File]:
        """Every file that is sent, in order of path: those that the manifest names, and the manifest."""
        return sorted([*named_files(self.manifest), self.manifest_file], key=lambda file: file.path)


def read_release(folder: Path) -> ReleaseFolder:
    """The release, after every file was read. UserError names what is missing, changed, or not as the manifest says.

    Files that the manifest does not name are told, and are no part of the release.
    """
    manifest = read_manifest(folder)
    release = ReleaseFolder(folder, manifest, File(MANIFEST, **bytes_and_sha256(folder / MANIFEST)))
    check_names(folder, release.files, NEEDED, AGAIN)
    check_files(folder, release.files, AGAIN)
    _check_rows(release)
    tell_surplus(folder, release.files)
    return release


def check_quality(release: ReleaseFolder) -> None:
    """UserError where a check of severity error failed, or the release was not checked; warnings are told."""
    path = release.folder / "quality.json"
    try:
        quality = json.loads(path.read_text())
        fault = first_fault("quality", quality)
    except ValueError as error:
        fault = str(error)
    if fault:
        raise UserError(f"{path} does not have its form ({fault}): make the release again.")
    failed = {
        severity: [c["name"] for c in quality["checks"] if (c["severity"], c["status"]) == (severity, "failed")]
        for severity in ("error", "warning")
    }
    for severity, names in failed.items():
        told = {release.manifest["quality"][f"{severity}s"], quality[f"{severity}s"], len(names)}
        if len(told) > 1:
            raise UserError(
                f"{release.folder}: {MANIFEST} and quality.json disagree on how many checks of severity {severity} "
                "failed: make the release again."
            )
    if failed["error"]:
        count = len(failed["error"])
        raise UserError(
            f"{release.folder} is not published, because {count} {'check' if count == 1 else 'checks'} of severity "
            f"error failed: {some(failed['error'])}. quality.json names the rows; mend them and make the release again."
        )
    if failed["warning"]:
        say(f"warned of in its checks: {some(failed['warning'])}")


def named_files(manifest: Mapping[str, Any]) -> list[File]:
    """The files that a release's manifest names, in its order."""
    return [File(e["path"], e["bytes"], e["sha256"]) for e in [*parquet_files(manifest["configs"]), *manifest["files"]]]


def _check_rows(release: ReleaseFolder) -> None:
    """What is compared with what the Hub gives back must be right here."""
    for entry in release.parquet:
        fault = rows_fault(release.folder / entry["path"], entry)
        if fault:
            raise UserError(f"{release.folder / entry['path']} {fault}, as {MANIFEST} says: make the release again.")
    if release_hash(release.manifest["configs"]) != release.manifest["content_hash"]:
        raise UserError(f"{release.folder / MANIFEST} has not the content hash of its files: make the release again.")
    for name, config in release.manifest["configs"].items():
        for split, one in config["splits"].items():
            rows = sum(entry["rows"] for entry in one["files"])
            if rows != one["rows"]:
                raise UserError(
                    f"{release.folder / MANIFEST} gives {name}/{split} {one['rows']:,} rows, and its files {rows:,}: "
                    "make the release again."
                )


def rows_fault(path: Path, entry: Mapping[str, Any]) -> str | None:
    """How the rows of a Parquet file differ from the manifest's entry for it, or None."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        content = content_hash(table)
    except (pa.ArrowException, ValueError, OSError) as fault:
        return f"cannot be read as Parquet ({' '.join(str(fault).split())[:200]})"
    if len(table) != entry["rows"]:
        return f"has {len(table):,} rows and not {entry['rows']:,}"
    return None if content == entry["content_hash"] else f"has the content {content} and not {entry['content_hash']}"
