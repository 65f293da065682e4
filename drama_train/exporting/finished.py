"""A model's folder that appears whole or not at all, and stays where it is when it would be made again as it is."""

import shutil
from collections.abc import Callable
from pathlib import Path

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.store.folders import file_facts, new_folder
from builders.store.versions import MANIFEST


def appear(out: Path, fill: Callable[[Path], None]) -> Path:
    """`fill` writes the files into the folder it is given. UserError where `out` holds anything else."""
    if out.name in ("", "..") or out.resolve() == Path.cwd():  # a new folder would be put in the place of one in use
        raise UserError(f"--out {out} is no folder of its own: give the name of a folder to make.", exit_code=2)
    if out.is_file():
        raise UserError(f"{out} is a file: give --out the name of a folder to make.", exit_code=2)
    is_there = out.is_dir() and any(out.iterdir())
    if is_there and not (out / MANIFEST).is_file():
        raise UserError(f"{out} holds files that are no exported model: give --out another name, or move them away.")
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f".{out.name}.made")
    shutil.rmtree(made, ignore_errors=True)
    with new_folder(made) as (folder, _):
        fill(folder)
    try:
        if not is_there:
            made.rename(out)
        elif _content(made) == _content(out):
            say(f"already exported: {out}")
        else:
            raise UserError(f"{out} holds another model: give --out another name, or move that folder away.")
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out


def _content(folder: Path) -> list[tuple[str, str]]:
    """The manifest tells the time, and the rest does not."""
    return [(one["path"], one["sha256"]) for one in file_facts(folder) if one["path"] != MANIFEST]
