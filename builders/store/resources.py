"""Where the prompts, schemas and cards are: at the top of a checkout, inside the package once installed."""

import os
from pathlib import Path

from builders.cli.errors import UserError

PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """The folder of resources of that name (prompts, schemas, data_cards)."""
    installed = PACKAGE / "resources" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def resource(kind: str, name: str) -> Path:
    """One resource file; UserError names those that exist."""
    path = folder(kind) / name
    if not os.path.isfile(path):  # not Path.is_file, which raises on too long a name
        there = ", ".join(sorted(p.name for p in folder(kind).iterdir() if p.is_file()))
        raise UserError(f"There is no {name} in {kind}: choose one of {there}.", exit_code=2)
    return path
