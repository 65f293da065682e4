"""What a user points at as rows with all their columns, before a column is given a meaning."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.documents import BadRow
from builders.text.readers.opening import content_hash, ending, fingerprint, undamaged
from builders.text.readers.rows import not_empty

# Where a row stands ("rows.jsonl row 17"), and the row, or the fault for which it could not be read.
Placed = tuple[str, Mapping[str, object] | BadRow]


@dataclass(frozen=True, slots=True)
class Records:
    """Rows that are not documents. `read` streams them in one fixed order and may be called more than once."""

    name: str
    fingerprint: str
    read: Callable[[], Iterator[Placed]]


def open_records(spec: str, config: str | None, split: str) -> Records:
    """The rows of `hf://owner/name@revision`, or of a file, folder or pattern of Parquet, JSON Lines, CSV or TSV.

    Raises UserError where nothing of these is there.
    """
    if spec.startswith("hf://"):
        return _of_hub(spec, config, split)
    from builders.text.readers.paths import find_files

    kind, root, files = find_files(spec)
    if kind == "pages":
        raise UserError(f"{spec} holds pages of text, which have no columns: give Parquet, JSON Lines, CSV or TSV.")
    return _of_files(spec, root, files)


def name_of(spec: str, root: Path) -> str:
    """What a source is called where no name is given: its file without endings, or its folder."""
    return Path(spec).name.split(".")[0] if Path(spec).is_file() else os.path.basename(os.path.abspath(root))


def _of_hub(spec: str, config: str | None, split: str) -> Records:
    from builders.text.readers.hub import hub_records, resolve

    repo, commit, config = resolve(spec, config, split)
    place = f"{repo} {config}/{split}"

    def read() -> Iterator[Placed]:
        rows = ((f"{place} row {number}", row) for number, row in hub_records(repo, commit, config, split, None))
        yield from not_empty(rows, f"{place} at {commit} holds no row: choose another split or config.")

    return Records(repo.split("/")[1], fingerprint(["hub records", repo, commit, config, split]), read)


def _of_files(spec: str, root: Path, files: list[Path]) -> Records:
    from builders.text.readers.tables import RECORDS

    places = [file.relative_to(root).as_posix() for file in files]

    def rows() -> Iterator[Placed]:
        for place, file in zip(places, files, strict=True):
            for number, row in undamaged(file, RECORDS[ending(file)](file, place, None)):
                yield f"{place} row {number}", row

    def read() -> Iterator[Placed]:
        yield from not_empty(rows(), f"{spec} holds no row: fill it, or point at another source.")

    parts = [part for place, file in zip(places, files, strict=True) for part in (place, content_hash(file))]
    return Records(name_of(spec, root), fingerprint(["records", *parts]), read)
