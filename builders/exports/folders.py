"""The manifest of an export, and whether a folder holds that very export."""

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.store.folders import file_facts
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


def write_manifest(folder: Path, identity: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    """export.json, last: what was exported, how, what came of it, and each file.

    It holds no time and no path of this machine, so that the same rows make the same bytes.
    """
    made_with = provenance() | {"libraries": {name: version(name) for name in LIBRARIES}}
    manifest = {"identity": identity, **counts, "made_with": made_with, "files": file_facts(folder)}
    write_bytes(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
