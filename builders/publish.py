"""A release folder -> a data set on the Hugging Face Hub, tagged with the release's version and read back."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from builders.cli.command import run
from builders.cli.progress import say
from builders.releases.names import check_repository

if TYPE_CHECKING:
    from builders.hub.place import Repository
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
    from builders.hub.rehearsal import rehearse
    from builders.hub.release_folder import check_quality, read_release
    from builders.hub.secrets import refuse_secrets

    release, repository = read_release(config.release), Repository(config.to)
    check_quality(release)
    refuse_secrets(release.folder, release.files, token())
    _tell_other_name(release, repository)
    title = f"{release.name} {release.release}"
    if config.dry_run:
        rehearse(release.folder, release.files, repository, release.release, title=title, replaces=REPLACES)
        return
    tag = Tag(release.release, title, f"{title}, content {release.manifest['content_hash']}")
    published = publish_folder(
        config.release, release.files, repository, tag, name=release.name, replaces=REPLACES, public=config.public
    )
    say(f"{'published' if published.is_new else 'already published'}: {title} is commit {published.commit[:12]}")
    check_listing(release.folder, release.files, repository, tag.name)
    if config.verify == "full":
        say(f"read back by {tag.name}: {check_rows(release, repository):,} rows are those of the release")
    # what a reader opens first: texts in line, where the release has them
    configs = release.manifest["configs"]
    first = "pairs" if "pairs" in configs else next(iter(configs))
    say(f'load it: datasets.load_dataset("{config.to}", "{first}", revision="{tag.name}")')
    print(f"hf://{config.to}@{tag.name}")


def _tell_other_name(release: "ReleaseFolder", repository: "Repository") -> None:
    """The card tells readers what to load."""
    named = release.manifest["made_with"].get("options", {}).get("repository")
    if named and named != repository.name:
        say(f"Warning: the card tells readers to load {named}, and not {repository.name}.")


if __name__ == "__main__":
    sys.exit(run(Publish, main))
