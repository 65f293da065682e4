"""A folder that appears whole or not at all, and what its files are."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

from builders.store.locks import locked


@contextmanager
def new_folder(out: Path) -> Iterator[tuple[Path, Path]]:
    """(a folder that becomes `out` when the body ends well, a folder for what is needed on the way), on one disk.

    What a killed run left there is dropped; UserError where another run is making the same folder.
    """
    out = Path(os.path.abspath(out))
    partial = out.with_name(f".{out.name}.partial")
    with locked(partial / "lock", str(out)):
        rows, work = partial / "rows", partial / "work"
        for left in (rows, work):
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
        try:
            yield rows, work
            rows.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def file_facts(folder: Path) -> list[dict[str, Any]]:
    """{path, bytes, sha256} of every file below the folder, by path; each is on disk afterwards."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        found.append({"path": path.relative_to(folder).as_posix(), **bytes_and_sha256(path)})
    return found


def bytes_and_sha256(path: Path) -> dict[str, Any]:
    """{bytes, sha256} of one file."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}
