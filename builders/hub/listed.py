"""The files that a manifest names: their names, whether they are there, and whether they are what it says."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.hub.files import File, some
from builders.store.folders import bytes_and_sha256
from builders.store.versions import MANIFEST


def check_names(folder: Path, files: Sequence[File], needed: Sequence[str], again: str) -> None:
    """UserError where a name is given twice, leads out of the folder, or one of `needed` is not among them.

    again: what to do next, such as "make the release again".
    """
    counts = Counter(file.path for file in files)
    twice = [path for path, count in counts.items() if count > 1]
    if twice:
        raise UserError(f"{folder / MANIFEST} names {some(twice)} twice: {again}.")
    for path in counts:
        if not _is_below(path) or not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{folder / MANIFEST} names {path!r}, which is no file below its folder: {again}.")
    left_out = [path for path in needed if path not in counts]
    if left_out:
        raise UserError(f"{folder / MANIFEST} names no {' and no '.join(left_out)}: {again}.")


def _is_below(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return str(PurePosixPath(path)) == path and "\\" not in path and not {"/", "..", ".git"} & set(parts)


def check_files(folder: Path, files: Sequence[File], again: str) -> None:
    """UserError names the files that are missing, or that were changed; every one is read."""
    missing = [file.path for file in files if not (folder / file.path).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {some(missing)}, which {MANIFEST} names: {again}.")
    changed = []
    with Progress("check", len(files), unit="files") as progress:
        for file in files:
            if File(file.path, **bytes_and_sha256(folder / file.path)) != file:
                changed.append(file.path)
            progress.step()
    if changed:
        raise UserError(
            f"{folder} was changed after it was made: {some(changed)} {'is' if len(changed) == 1 else 'are'} "
            f"not what {MANIFEST} says. {again[0].upper()}{again[1:]}."
        )


def tell_surplus(folder: Path, files: Sequence[File]) -> None:
    """What is there and is not sent."""
    surplus = sorted(set(_paths_below(folder)) - {file.path for file in files})
    if surplus:
        say(f"not sent, because {MANIFEST} does not name them: {some(surplus)}")


def _paths_below(folder: Path) -> Iterator[str]:
    for root, _, names in os.walk(folder):
        for name in names:
            yield (Path(root) / name).relative_to(folder).as_posix()
