"""An exported model -> a model on the Hugging Face Hub, checked, tagged and read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from builders.cli.command import run
from builders.cli.progress import say
from builders.releases.names import FIRST, check_repository, numbers_of

if TYPE_CHECKING:
    from builders.hub.place import Repository
    from drama_train.exporting.manifest import ModelFolder

PROG = "python -m drama_train publish"
# What an export fills, so that a file which is no longer part of it goes; a file that someone added elsewhere stays.
REPLACES = ("*.safetensors", "*.safetensors.index.json", "model.onnx*", "plots/*", "1_Pooling/*", "2_Normalize/*")


@dataclass(frozen=True)
class PublishModel:
    """Publish an exported model on the Hugging Face Hub: check it, send it, tag it, read it back.

    The token is the one of `hf auth login` or HF_TOKEN. An interrupted run goes on where it was when it is run again.
    Example: python -m drama_train publish models/notes-small --to me/notes-small
    """

    model: Annotated[Path, tyro.conf.Positional]
    """The folder that `python -m drama_train export` made."""
    to: str
    """The model on the Hub, owner/name; made where there is none."""
    tag: str = FIRST
    """The version, like v1.0.0: a tag stays what it is, so another model needs another one."""
    public: bool = False
    """For all to see. Not given: a model that is made is private, and one that is public is not published to."""
    verify: Literal["full", "listing"] = "full"
    """After publishing. full: download every file by the tag and compare it; listing: compare the hash of every file
    with the Hub's listing, and download nothing."""
    tolerance: float = 1e-4
    """The largest difference from the golden vectors, in every program installed here."""
    dry_run: bool = False
    """Check the model and list what would be sent; change nothing. Without a token the Hub is not asked."""

    def __post_init__(self) -> None:
        check_repository(self.to, "--to")
        numbers_of(self.tag, "--tag")


def main(config: PublishModel) -> None:
    """Prints the model as other commands take it, hf://owner/name@version."""
    from builders.hub.client import token
    from builders.hub.place import Repository, Tag
    from builders.hub.publishing import publish_folder
    from builders.hub.reading_back import check_listing
    from builders.hub.rehearsal import rehearse
    from builders.hub.secrets import refuse_secrets
    from drama_train.exporting.checking import tell_findings
    from drama_train.exporting.manifest import read_model_folder

    model, repository = read_model_folder(config.model), Repository(config.to, "model")
    refuse_secrets(model.folder, model.files, token())
    tell_findings(model.folder, config.tolerance, say)
    title = f"{model.name} {config.tag}"
    if config.dry_run:
        rehearse(model.folder, model.files, repository, config.tag, title=title, replaces=REPLACES)
        return
    tag = Tag(config.tag, title, f"{title}, content {model.manifest['content_hash']}")
    published = publish_folder(
        model.folder, model.files, repository, tag, name=model.name, replaces=REPLACES, public=config.public
    )
    say(f"{'published' if published.is_new else 'already published'}: {title} is commit {published.commit[:12]}")
    check_listing(model.folder, model.files, repository, config.tag)
    if config.verify == "full":
        _read_back(model, repository, config.tag)
    say(f'load it: SentenceTransformer("{config.to}", revision="{config.tag}")')
    print(f"hf://{config.to}@{config.tag}")


def _read_back(model: "ModelFolder", repository: "Repository", tag: str) -> None:
    from builders.hub.reading_back import check_downloads

    say(f"read back by {tag}: {check_downloads(model.files, repository, tag):,} files are those of the folder")


def command(arguments: Sequence[str]) -> int:
    """Parse and publish."""
    return run(PublishModel, main, arguments, prog=PROG)
