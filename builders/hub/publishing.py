"""A folder becomes one tagged commit of a repository on the Hub."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.hub.client import download, set_up_client, token
from builders.hub.faults import AGAIN, in_one_sentence
from builders.hub.files import File, some
from builders.hub.place import Place, Repository, Tag, compare, files_at, look
from builders.hub.sending import CARD, send
from builders.store.versions import MANIFEST

HUBS_OWN = (".gitattributes", CARD)  # what the Hub puts into a repository that is made on its page


@dataclass(frozen=True)
class Published:
    """`commit` holds the folder's files under the tag; `is_new` is False where it did before this run."""

    commit: str
    is_new: bool


def publish_folder(
    folder: Path,
    files: Sequence[File],
    repository: Repository,
    tag: Tag,
    *,
    name: str,
    replaces: Sequence[str],
    public: bool = False,
) -> Published:
    """Make the repository where there is none, send what is new or changed in one commit on main, and tag it.

    The folder holds a manifest.json with `name`, and main only takes the place of such a one. Files on main that match
    `replaces` and are not among `files` are deleted in the same commit; others that are not among them stay. One
    commit, and not the several that the client makes of a large folder: a reader of main never meets half a release.
    Interrupted, it goes on: objects that the Hub has are not sent again. UserError for whatever the Hub refuses, and
    where the tag is there with other files.
    """
    set_up_client()
    if token() is None:
        raise UserError(
            "There is no token of the Hub here: make one with the right to write at its page, "
            "then log in with `hf auth login` or set HF_TOKEN."
        )
    with in_one_sentence(repository, "asking for"):
        place = look(repository, tag.name)
    if place is None:
        place = _create(repository, tag, public=public)
    _check_visibility(repository, place, public=public)
    if place.tagged:
        _check_tagged(folder, files, repository, place, tag)
        return Published(place.tagged, is_new=False)
    _check_is_ours(repository, place, name)
    commit = send(folder, files, repository, place, tag, replaces)
    _check_arrived(folder, files, repository, commit)
    _tag(repository, commit, tag)
    return Published(commit, is_new=True)


def _create(repository: Repository, tag: Tag, *, public: bool) -> Place:
    from huggingface_hub import HfApi

    with in_one_sentence(repository, "making"):
        HfApi().create_repo(repository.name, repo_type=repository.kind, private=not public)
        place = look(repository, tag.name)
    if place is None:
        raise UserError(f"{repository.name} was made but cannot be seen: log in with a token that may read it.")
    say(f"made the {'public' if public else 'private'} {repository.kind} {repository.name}")
    return place


def _check_visibility(repository: Repository, place: Place, *, public: bool) -> None:
    if not public and not place.is_private:
        raise UserError(
            f"{repository.name} is public: give --public to publish for all to see, or name another repository.",
            exit_code=2,
        )
    if public and place.is_private:
        say(f"{repository.name} is private and stays so: change it on its settings page.")


def _check_tagged(folder: Path, files: Sequence[File], repository: Repository, place: Place, tag: Tag) -> None:
    found = compare(folder, files, place.tagged_files)
    if found.to_send:
        raise UserError(
            f"{tag.name} of {repository.name} is there already, and differs in "
            f"{some([file.path for file in found.to_send])}: a tag stays what it is, so raise the version, "
            "and publish that."
        )


def _check_is_ours(repository: Repository, place: Place, name: str) -> None:
    """A slip of the pen must not put a release over something else."""
    others = [path for path in place.files if path not in HUBS_OWN]
    if not others:
        return
    if MANIFEST not in place.files:
        raise UserError(
            f"{repository.name} holds something else ({some(others)}) and no {MANIFEST}: name another repository."
        )
    there = _name_there(repository, place.head)
    if there != name:
        raise UserError(f"{repository.name} holds {there!r} and not {name!r}: name another repository.")


def _name_there(repository: Repository, revision: str) -> object:
    with TemporaryDirectory() as work, in_one_sentence(repository, "reading"):
        path = download(repository, MANIFEST, revision, Path(work))
        try:
            manifest = json.loads(path.read_text())
        except ValueError:
            return None
    return manifest.get("name") if isinstance(manifest, dict) else None


def _check_arrived(folder: Path, files: Sequence[File], repository: Repository, commit: str) -> None:
    """Before the tag: it cannot be taken back."""
    with in_one_sentence(repository, "listing the files of"):
        arrived = compare(folder, files, files_at(repository, commit))
    if arrived.to_send:
        raise UserError(
            f"{repository.name} did not take {some([file.path for file in arrived.to_send])}, so it was not tagged: "
            "look whether a .gitignore there leaves them out, then run this again."
        )


def _tag(repository: Repository, commit: str, tag: Tag) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    with in_one_sentence(repository, "tagging"):
        try:
            HfApi().create_tag(
                repository.name, tag=tag.name, tag_message=tag.message, revision=commit, repo_type=repository.kind
            )
        except HfHubHTTPError as fault:
            if fault.response.status_code != 409:
                raise
            raise UserError(
                f"Someone else tagged {tag.name} in {repository.name} meanwhile. {AGAIN} It says whether theirs "
                "differs."
            ) from fault
