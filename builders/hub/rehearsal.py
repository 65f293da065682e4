"""What publishing would do, told file by file, with no change."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.hub.files import File, size

if TYPE_CHECKING:
    from builders.hub.place import Comparison, Place, Repository


def rehearse(
    folder: Path, files: Sequence[File], repository: "Repository", tag: str, *, title: str, replaces: Sequence[str]
) -> None:
    """Each file with its size and what is there under its path; the total. Without a token the Hub is not asked."""
    from builders.hub.sending import stale_paths

    place = _place(repository, tag)
    found = _found(folder, files, place, tag)
    for file in files:
        state = f"{found.state(file):<8}" if found else ""
        say(f"  {state}{file.path}  {size(file.bytes)}")
    for path in stale_paths(files, place, replaces) if place else ():
        say(f"  deleted {path}")
    total = size(sum(file.bytes for file in files))
    to_send = f", {size(sum(file.bytes for file in found.to_send))} to send" if found else ""
    say(f"{title}: {len(files)} files, {total}{to_send}; nothing was changed")


def _place(repository: "Repository", tag: str) -> "Place | None":
    """What is there, or None with the reason told."""
    from builders.hub.client import set_up_client, token
    from builders.hub.faults import in_one_sentence
    from builders.hub.place import look

    if token() is None:
        say("The Hub was not asked: there is no token here (log in with `hf auth login`, or set HF_TOKEN).")
        return None
    set_up_client()
    try:
        with in_one_sentence(repository, "asking for"):
            place = look(repository, tag)
    except UserError as fault:
        say(f"What is there is not known. {fault}")
        return None
    if place is None:
        say(f"{repository.name} is not there, or not to be seen: it would be made.")
    return place


def _found(folder: Path, files: Sequence[File], place: "Place | None", tag: str) -> "Comparison | None":
    from builders.hub.place import compare

    if place is None:
        return None
    if place.tagged:
        say(f"{tag} is there already: compared with its files.")
    return compare(folder, files, place.tagged_files if place.tagged else place.files)
