"""A release opened for training: its manifest checked, its tables memory-mapped through `datasets`, texts by id."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.schemas import arrow_schema, first_fault, schema_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.uint64]

TABLES = ("corpus", "queries", "triplets")
_HUB = re.compile(r"hf://(?:datasets/)?(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>[^@]+))?")


@dataclass(frozen=True)
class Release:
    """A folder and its manifest. `place` is what the user gave."""

    place: str
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def repository(self) -> str | None:
        """owner/name of a release of the Hub; None for a folder."""
        named = _HUB.fullmatch(self.place)
        return named["repo"] if named else None

    @property
    def title(self) -> str:
        return f"{self.manifest['name']} {self.manifest['release']}"

    @property
    def content_hash(self) -> str:
        return str(self.manifest["content_hash"])

    def files(self, table: str, split: str | None = None) -> list[Path]:
        """The Parquet files of the table's split; of all splits where None."""
        splits = self.manifest["configs"][table]["splits"]
        chosen = splits.values() if split is None else [splits[split]] if split in splits else []
        return [self.folder / file["path"] for one in chosen for file in one["files"]]


def open_release(place: str) -> Release:
    """The release in a folder, or of `hf://owner/name@revision`, whose tables are fetched.

    UserError where it is none, lacks a table, was made by another version of the schemas, or a file is not what the
    manifest says.
    """
    folder = _fetched(place) if place.startswith("hf://") else Path(place)
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{place} is no release (it has no manifest.json): make one with `python -m builders.release`.")
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as fault:
        raise UserError(f"The manifest of {place} is damaged ({fault}): make or fetch the release again.") from None
    if (wrong := first_fault("release", manifest)) is not None:
        raise UserError(f"The manifest of {place} does not follow release.schema.json ({wrong}): make it again.")
    release = Release(place, folder, manifest)
    for table in TABLES:
        _check_table(release, table)
    return release


def _check_table(release: Release, table: str) -> None:
    given = release.manifest["configs"].get(table)
    if given is None or not given["splits"]:
        raise UserError(f"{release.place} has no {table}: train from a release that has {', '.join(TABLES)}.")
    if given["schema"] != schema_hash(given["record"]):
        raise UserError(
            f"The {table} of {release.place} follow another version of {given['record']}.schema.json than this code: "
            "make the release again, or use the drama that it was made with "
            f"({release.manifest['made_with'].get('libraries', {}).get('drama', 'unknown')})."
        )
    for split in given["splits"].values():
        for file in split["files"]:
            path = release.folder / file["path"]
            if not path.is_file():
                raise UserError(f"{release.place} lacks {file['path']}: fetch or make the release again.")
            with path.open("rb") as opened:
                if file_digest(opened, "sha256").hexdigest() != file["sha256"]:
                    raise UserError(
                        f"{file['path']} of {release.place} is not what its manifest says (sha256): fetch or make the "
                        "release again."
                    )
            _check_columns(release, path, given["record"])


def _check_columns(release: Release, path: Path, record: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = f"{path.relative_to(release.folder)} of {release.place}"
    try:
        found = pq.read_schema(path)
    except pa.ArrowInvalid as fault:
        raise UserError(f"{where} is no Parquet file ({fault}): fetch or make the release again.") from None
    for wanted in arrow_schema(record):
        if wanted.name not in found.names:
            raise UserError(f"{where} has no column {wanted.name}: make the release again.")
        if found.field(wanted.name).type != wanted.type:
            raise UserError(
                f"The column {wanted.name} of {where} is {found.field(wanted.name).type} and no {wanted.type}: make "
                "the release again."
            )


def _fetched(place: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    named = _HUB.fullmatch(place)
    if named is None:
        raise UserError(f"{place} names no data set: write hf://owner/name@v1.0.0.", exit_code=2)
    wanted = ["manifest.json", *(f"{table}/*" for table in TABLES)]
    try:
        folder = snapshot_download(
            named["repo"], repo_type="dataset", revision=named["revision"], allow_patterns=wanted
        )
    except (HfHubHTTPError, LocalEntryNotFoundError) as fault:
        reason = str(fault).strip().split("\n")[0]
        raise UserError(
            f"{place} cannot be fetched ({reason}): check the name, the revision, and your login."
        ) from None
    return Path(folder)


class Rows:
    """A table of one or several releases, by id: memory-mapped, with 16 bytes a row in memory."""

    def __init__(self, releases: Sequence[Release], table: str, key: str) -> None:
        import numpy as np

        self.table = _mapped(releases, table)
        hashes = _hashed(self.table, key)
        self._order = np.argsort(hashes, kind="stable").astype(np.int64)
        self._hashes = hashes[self._order]
        self._what = table

    def numbers(self, ids: Sequence[str]) -> "NDArray[np.int64]":
        """The row of each id. UserError that names the first that is not there."""
        import numpy as np
        import polars as pl

        wanted = pl.Series(ids, dtype=pl.String).hash(seed=0).to_numpy()
        at = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        lost = self._hashes[at] != wanted
        if lost.any():
            raise UserError(
                f"{ids[int(lost.argmax())]} is not among the {self._what} of the release: make the release again."
            )
        return np.asarray(self._order[at])

    def column(self, name: str, numbers: "NDArray[np.int64]") -> list[Any]:
        """The values of that column in those rows, in their order."""
        return self.columns((name,), numbers)[name]

    def columns(self, names: Sequence[str], numbers: "NDArray[np.int64]") -> dict[str, list[Any]]:
        """The values of those columns in those rows, in their order."""
        found: dict[str, list[Any]] = self.table.select_columns(list(names))[numbers.tolist()]
        return {name: found[name] for name in names}

    def hashed(self, name: str) -> "Ids":
        """(R,) hashes of the texts of that column, in the order of the rows."""
        return _hashed(self.table, name)


def _mapped(releases: Sequence[Release], table: str) -> Any:
    """The rows of all splits of all releases, written once as Arrow by `datasets` and mapped into memory.

    `datasets` knows files by path and time: another release in the same place may have both, so it is told the content.
    """
    import pyarrow.parquet as pq
    from datasets import config, load_dataset
    from datasets.exceptions import DatasetsError
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    paths = [path for release in releases for path in release.files(table)]
    files = [str(path) for path in paths if pq.read_metadata(path).num_rows]
    titles = " and ".join(release.title for release in releases)
    if not files:
        raise UserError(f"The {table} of {titles} have no row: make a release that has some.")
    content = blake2b("\n".join(release.content_hash for release in releases).encode(), digest_size=8).hexdigest()
    try:
        return load_dataset("parquet", name=f"{table}-{content}", data_files=files, split="train")
    except (DatasetsError, OSError) as fault:
        reason = str(fault.__cause__ or fault).strip().split("\n")[0]
        raise UserError(
            f"The {table} of {titles} cannot be written into {config.HF_DATASETS_CACHE} ({reason}): make room there, "
            "or name another folder with HF_DATASETS_CACHE."
        ) from None


def _hashed(table: Any, key: str) -> "Ids":
    import numpy as np
    import polars as pl

    parts = [
        pl.Series(batch[key]).hash(seed=0).to_numpy()
        for batch in table.select_columns([key]).with_format("arrow").iter(batch_size=100_000)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
