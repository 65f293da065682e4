"""A folder that appears whole or not at all, and the manifest in it."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.store.locks import locked
from builders.store.parquet import write_bytes
from builders.store.provenance import provenance

MANIFEST = "export.json"
LIBRARIES = ("drama", "polars", "pyarrow")


def already_made(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Whether this very export stands there. UserError where something else does."""
    if not os.path.lexists(folder):
        return False
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give --out the name of a folder to make.", exit_code=2)
    if not any(folder.iterdir()):
        return False
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        if found["identity"] == identity:
            return True
        what = f"another export, to {found['identity']['to']}"
    except (OSError, ValueError, KeyError, TypeError):
        what = "files that are no export"
    raise UserError(f"{folder} holds {what}: name a folder that is not there yet, or move that one away.", exit_code=2)


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


def write_manifest(folder: Path, identity: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    """export.json, last: what was exported, how, what came of it, and each file.

    It holds no time and no path of this machine, so that the same rows make the same bytes.
    """
    made_with = provenance() | {"libraries": {name: version(name) for name in LIBRARIES}}
    manifest = {"identity": identity, **counts, "made_with": made_with, "files": _facts(folder)}
    write_bytes(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")


def _facts(folder: Path) -> list[dict[str, Any]]:
    """{path, bytes, sha256} of every file below the folder, by path; each is on disk afterwards."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = file_digest(file, "sha256").hexdigest()
        found.append({"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": digest})
    return found
