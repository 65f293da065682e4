"""A release folder -> a data set on the Hugging Face Hub, tagged with the release's version and read back."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.names import check_repository

if TYPE_CHECKING:
    from builders.hub.place import Comparison, Place, Repository
    from builders.hub.release_folder import ReleaseFolder

# What a release fills, so that a file which is no longer part of it goes; a file that someone added elsewhere stays.
REPLACES = ("corpus/*", "queries/*", "triplets/*", "pairs/*", "plots/*", "prompts/*", "manifests/*")


@dataclass(frozen=True)
class Publish:
    """Publish a release on the Hugging Face Hub: check it, send it, tag it, read it back.

    The token is the one of `hf auth login` or HF_TOKEN. An interrupted run goes on where it was when it is run again.
    Example: python -m builders.publish releases/notes --to me/notes
    """

    release: Annotated[Path, tyro.conf.Positional]
    """The folder of the release."""
    to: str
    """The data set on the Hub, owner/name; made where there is none."""
    public: bool = False
    """For all to see. Not given: a data set that is made is private, and one that is public is not published to."""
    verify: Literal["full", "listing"] = "full"
    """After publishing. full: download every Parquet file by the tag, and compare the rows; listing: compare the hash
    of every file with the Hub's listing, and download nothing."""
    dry_run: bool = False
    """Check the release and list what would be sent; change nothing. Without a token the Hub is not asked."""

    def __post_init__(self) -> None:
        check_repository(self.to, "--to")


def main(config: Publish) -> None:
    """Prints the data set as a source of other commands, hf://owner/name@version."""
    from builders.hub.client import token
    from builders.hub.place import Repository, Tag
    from builders.hub.publishing import publish_folder
    from builders.hub.reading_back import check_listing, check_rows
    from builders.hub.release_folder import check_quality, read_release

    release, repository = read_release(config.release), Repository(config.to)
    check_quality(release)
    _refuse_secrets(release, token())
    _tell_other_name(release, repository)
    if config.dry_run:
        _show(release, repository)
        return
    title = f"{release.name} {release.release}"
    tag = Tag(release.release, title, f"{title}, content {release.manifest['content_hash']}")
    published = publish_folder(
        config.release, release.files, repository, tag, name=release.name, replaces=REPLACES, public=config.public
    )
    say(f"{'published' if published.is_new else 'already published'}: {title} is commit {published.commit[:12]}")
    check_listing(release, repository)
    if config.verify == "full":
        say(f"read back by {tag.name}: {check_rows(release, repository):,} rows are those of the release")
    # what a reader opens first: texts in line, where the release has them
    configs = release.manifest["configs"]
    first = "pairs" if "pairs" in configs else next(iter(configs))
    say(f'load it: datasets.load_dataset("{config.to}", "{first}", revision="{tag.name}")')
    print(f"hf://{config.to}@{tag.name}")


def _refuse_secrets(release: "ReleaseFolder", token: str | None) -> None:
    from builders.hub.files import some
    from builders.hub.secrets import secrets_in

    found = [f"{path} ({what})" for path, what in secrets_in(release.folder, release.files, token)]
    if found:
        raise UserError(f"{release.folder} is not published, because it seems to hold a secret: {some(found)}.")


def _tell_other_name(release: "ReleaseFolder", repository: "Repository") -> None:
    """The card tells readers what to load."""
    named = release.manifest["made_with"].get("options", {}).get("repository")
    if named and named != repository.name:
        say(f"Warning: the card tells readers to load {named}, and not {repository.name}.")


def _show(release: "ReleaseFolder", repository: "Repository") -> None:
    """Each file with its size and what is there under its path; the total."""
    from builders.hub.files import size
    from builders.hub.sending import stale_paths

    place = _place(release, repository)
    found = _found(release, place)
    for file in release.files:
        state = f"{found.state(file):<8}" if found else ""
        say(f"  {state}{file.path}  {size(file.bytes)}")
    for path in stale_paths(release.files, place, REPLACES) if place else ():
        say(f"  deleted {path}")
    total = size(sum(file.bytes for file in release.files))
    to_send = f", {size(sum(file.bytes for file in found.to_send))} to send" if found else ""
    say(f"{release.name} {release.release}: {len(release.files)} files, {total}{to_send}; nothing was changed")


def _place(release: "ReleaseFolder", repository: "Repository") -> "Place | None":
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
            place = look(repository, release.release)
    except UserError as fault:
        say(f"What is there is not known. {fault}")
        return None
    if place is None:
        say(f"{repository.name} is not there, or not to be seen: it would be made.")
    return place


def _found(release: "ReleaseFolder", place: "Place | None") -> "Comparison | None":
    from builders.hub.place import compare

    if place is None:
        return None
    if place.tagged:
        say(f"{release.release} is there already: compared with its files.")
    return compare(release.folder, release.files, place.tagged_files if place.tagged else place.files)


if __name__ == "__main__":
    sys.exit(run(Publish, main))
