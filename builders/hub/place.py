"""A repository of the Hub: what it holds, compared with a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal

from builders.hub.files import File

ANSWER_S = 30.0  # a first question that takes longer will not be answered


@dataclass(frozen=True)
class Repository:
    """A repository by name, owner/name."""

    name: str
    kind: Literal["dataset", "model"] = "dataset"


@dataclass(frozen=True)
class Tag:
    """The tag that a commit gets, and what is written with both."""

    name: str
    title: str
    message: str


@dataclass(frozen=True)
class Place:
    """A repository as it is: its last commit on main and, where the tag is there, the tag's; {path: file} of each."""

    is_private: bool
    head: str
    files: Mapping[str, Any]
    tagged: str | None
    tagged_files: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Files of a folder by what is there under their paths."""

    new: list[File]
    changed: list[File]
    same: list[File]

    @property
    def to_send(self) -> list[File]:
        return [*self.new, *self.changed]

    def state(self, file: File) -> str:
        return "new" if file in self.new else "changed" if file in self.changed else "same"


def look(repository: Repository, tag: str) -> Place | None:
    """The repository, or None where the Hub knows none of that name that this user may see."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    api = HfApi()
    try:
        info = api.repo_info(repository.name, repo_type=repository.kind, timeout=ANSWER_S)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None
    try:
        tagged = api.repo_info(repository.name, repo_type=repository.kind, revision=tag, timeout=ANSWER_S).sha
    except RevisionNotFoundError:
        tagged = None
    head = str(info.sha)
    files = files_at(repository, head)
    there = files if tagged == head else files_at(repository, tagged) if tagged else {}
    return Place(bool(info.private), head, files, tagged, there)


def files_at(repository: Repository, revision: str) -> dict[str, Any]:
    """{path: the client's RepoFile} at a commit, a tag or a branch."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    listed = HfApi().list_repo_tree(repository.name, recursive=True, revision=revision, repo_type=repository.kind)
    return {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}


def compare(folder: Path, files: Sequence[File], there: Mapping[str, Any]) -> Comparison:
    """Which files are new, changed or the same; by the hashes that the Hub lists, without a download."""
    parts: dict[str, list[File]] = {"new": [], "changed": [], "same": []}
    for file in files:
        entry = there.get(file.path)
        state = "new" if entry is None else "same" if is_same(folder, file, entry) else "changed"
        parts[state].append(file)
    return Comparison(**parts)


def is_same(folder: Path, file: File, entry: Any) -> bool:
    """A large file is listed with its sha256, a small one with git's hash, which is computed from the folder's copy."""
    if entry.size != file.bytes:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file.sha256)
    content = (folder / file.path).read_bytes()
    return bool(sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == entry.blob_id)
