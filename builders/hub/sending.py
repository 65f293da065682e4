"""The files of a folder that are new or changed, sent to the Hub in one commit."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.hub.faults import in_one_sentence
from builders.hub.files import File, size, some
from builders.hub.place import Place, Repository, Tag, compare

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

CARD = "README.md"
BATCH_FILES, BATCH_BYTES = 16, 256_000_000


def send(
    folder: Path, files: Sequence[File], repository: Repository, place: Place, tag: Tag, replaces: Sequence[str]
) -> str:
    """The commit on main that holds the files: a new one on top of `place`, or its last where nothing has to change."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    found, stale = compare(folder, files, place.files), stale_paths(files, place, replaces)
    if not found.to_send and not stale:
        return place.head
    say(
        f"{len(found.new)} new files and {len(found.changed)} changed, {size(sum(f.bytes for f in found.to_send))}; "
        f"{len(found.same)} are there; {len(stale)} are deleted{': ' + some(stale) if stale else ''}"
    )
    _check_card(folder, found.to_send, repository)
    additions = [CommitOperationAdd(file.path, folder / file.path) for file in found.to_send]
    _send_objects(additions, repository)
    with in_one_sentence(repository, "committing to"):
        made = HfApi().create_commit(
            repository.name,
            [*additions, *(CommitOperationDelete(path, is_folder=False) for path in stale)],
            commit_message=tag.title,
            commit_description=tag.message,
            repo_type=repository.kind,
            revision="main",
            parent_commit=place.head,
        )
    return str(made.oid)


def stale_paths(files: Sequence[File], place: Place, replaces: Sequence[str]) -> list[str]:
    """What is on main and is deleted with the next commit."""
    kept = {file.path for file in files}
    return sorted(p for p in place.files if p not in kept and any(fnmatch(p, pattern) for pattern in replaces))


def _send_objects(additions: "Sequence[CommitOperationAdd]", repository: Repository) -> None:
    """What the Hub stores as objects, before the commit that names them; small texts travel in the commit itself."""
    from huggingface_hub import HfApi

    sent = 0
    with in_one_sentence(repository, "sending files to"), Progress("send", len(additions), unit="files") as progress:
        for batch in _batches(additions):
            HfApi().preupload_lfs_files(
                repository.name, batch, repo_type=repository.kind, revision="main", free_memory=False
            )
            sent += sum(one.upload_info.size for one in batch)
            progress.step(len(batch), note=size(sent))


def _batches(additions: "Sequence[CommitOperationAdd]") -> "Iterator[list[CommitOperationAdd]]":
    """So many at a time that a bar moves, and that a run which is stopped has little to send again."""
    batch: list[CommitOperationAdd] = []
    for one in additions:
        batch.append(one)
        if len(batch) == BATCH_FILES or sum(b.upload_info.size for b in batch) >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_card(folder: Path, files: Sequence[File], repository: Repository) -> None:
    """The Hub looks at a card's YAML again when it commits: here it says so before an hour of sending."""
    from huggingface_hub import RepoCard
    from yaml import YAMLError  # type: ignore[import-untyped]

    if not any(file.path == CARD for file in files):
        return
    try:
        with in_one_sentence(repository, "showing the card of"):
            RepoCard((folder / CARD).read_text()).validate(repository.kind)
    except (ValueError, YAMLError) as fault:
        raise UserError(
            f"The Hub does not take the YAML of {folder / CARD} ({' '.join(str(fault).split())[:300]}): "
            "make it again with the right one."
        ) from fault
