"""A published folder read back from the Hub by its tag, and compared with the folder that it was made from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress
from builders.hub.client import download
from builders.hub.faults import in_one_sentence
from builders.hub.files import File, some
from builders.hub.place import Repository, compare, files_at
from builders.hub.release_folder import ReleaseFolder, rows_fault
from builders.store.folders import bytes_and_sha256


def check_listing(folder: Path, files: Sequence[File], repository: Repository, tag: str) -> None:
    """Every file is under the tag with its size and hash, as the Hub lists them; nothing is read."""
    with in_one_sentence(repository, "listing the files of"):
        there = files_at(repository, tag)
    found = compare(folder, files, there)
    if found.to_send:
        raise UserError(
            f"{tag} of {repository.name} does not hold {some([f.path for f in found.to_send])} as it was "
            "sent: delete the tag on the Hub, then run this again."
        )


def check_downloads(files: Sequence[File], repository: Repository, tag: str) -> int:
    """Download every file by the tag and compare its hash; how many there were."""
    with Progress("read back", len(files), unit="files") as progress, TemporaryDirectory() as work:
        for file in files:
            with in_one_sentence(repository, "reading back"):
                path = download(repository, file.path, tag, Path(work))
            if File(file.path, **bytes_and_sha256(path)) != file:
                raise UserError(
                    f"{file.path} of {repository.name} at {tag} is not what was sent: delete the tag on the Hub, then "
                    "run this again."
                )
            path.unlink()
            progress.step()
    return len(files)


def check_rows(release: ReleaseFolder, repository: Repository) -> int:
    """Download every Parquet file by the tag and compare its rows with the manifest; how many rows were read."""
    rows = 0
    with Progress("read back", len(release.parquet), unit="files") as progress, TemporaryDirectory() as work:
        for entry in release.parquet:
            fault = _rows_fault_there(repository, release.release, entry, Path(work))
            if fault:
                raise UserError(
                    f"{entry['path']} of {repository.name} at {release.release} {fault}, unlike what was sent: "
                    "delete the tag on the Hub, then run this again."
                )
            rows += entry["rows"]
            progress.step(note=f"{rows:,} rows")
    return rows


def _rows_fault_there(repository: Repository, tag: str, entry: Mapping[str, Any], work: Path) -> str | None:
    with in_one_sentence(repository, "reading back"):
        path = download(repository, entry["path"], tag, work)
    try:
        return rows_fault(path, entry)
    finally:
        path.unlink()
