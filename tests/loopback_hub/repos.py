"""Repositories of the loopback Hub: commits as folders of files, branches and tags, and which files are LFS objects."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ATTRIBUTES = "*.parquet filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".png")
LFS_BYTES = 10_000_000


@dataclass
class Repo:
    """One repository. `commits` maps a commit to the folder of its files, `refs` a branch or a tag to a commit."""

    commits: dict[str, Path]
    refs: dict[str, str]
    tags: set[str] = field(default_factory=set)
    gated: bool = False
    private: bool = False
    lfs: dict[str, dict[str, str]] = field(default_factory=dict)
    """{commit: {path: sha256}} of the files that are LFS objects."""
    story: list[dict[str, str]] = field(default_factory=list)
    """The commits that were made here, oldest first: id, title, message, parent."""
    tag_messages: dict[str, str] = field(default_factory=dict)

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)

    def sha256(self, commit: str, path: str) -> str | None:
        """The LFS object that the file is, or None for a file of git."""
        return self.lfs.get(commit, {}).get(path)

    def files(self, commit: str) -> dict[str, bytes]:
        root = self.commits[commit]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def save(self, folder: Path) -> None:
        kept = asdict(self) | {"tags": sorted(self.tags), "commits": {c: p.name for c, p in self.commits.items()}}
        (folder / "repo.json").write_text(json.dumps(kept, indent=1))


def saved_repo(folder: Path) -> Repo:
    kept = json.loads((folder / "repo.json").read_text())
    kept["commits"] = {commit: folder / name for commit, name in kept["commits"].items()}
    return Repo(**kept | {"tags": set(kept["tags"])})


def new_repo(folder: Path, *, private: bool) -> Repo:
    """As the Hub makes one: a first commit with .gitattributes."""
    repo = Repo({}, {}, private=private)
    content = base64.b64encode(ATTRIBUTES.encode()).decode()
    add_commit(repo, folder, "initial commit", "", [("file", {"path": ".gitattributes", "content": content})], None)
    return repo


def add_commit(
    repo: Repo,
    folder: Path,
    title: str,
    message: str,
    changes: Sequence[tuple[str, Mapping[str, Any]]],
    objects: Path | None,
) -> str:
    """A commit on main: the files of the one before it, changed. ValueError for an LFS object that is not there."""
    parent = repo.refs.get("main")
    told = json.dumps([parent, title, message, len(repo.story), [dict(value) for _, value in changes]])
    commit = hashlib.sha1(told.encode()).hexdigest()
    root, lfs = folder / commit, dict(repo.lfs.get(parent or "", {}))
    root.mkdir(parents=True)
    if parent:
        _copy(repo.commits[parent], root)
    for kind, value in changes:
        _change(root, lfs, kind, value, objects)
    repo.commits[commit], repo.refs["main"], repo.lfs[commit] = root, commit, lfs
    repo.story.append({"id": commit, "title": title, "message": message, "parent": parent or ""})
    repo.save(folder)
    return commit


def _copy(old: Path, new: Path) -> None:
    for path in old.rglob("*"):
        if path.is_file():
            there = new / path.relative_to(old)
            there.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, there)


def _change(root: Path, lfs: dict[str, str], kind: str, value: Mapping[str, Any], objects: Path | None) -> None:
    path = str(value["path"])
    assert ".." not in Path(path).parts and not path.startswith("/")
    there = root / path
    if kind == "deletedFolder":
        for below in [p.relative_to(root).as_posix() for p in there.rglob("*") if p.is_file()]:
            _change(root, lfs, "deletedFile", {"path": below}, objects)
        return
    there.unlink(missing_ok=True)
    lfs.pop(path, None)
    if kind == "deletedFile":
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        there.write_bytes(base64.b64decode(value["content"]))
    elif kind == "lfsFile":
        assert objects is not None
        if not (objects / value["oid"]).is_file():
            raise ValueError(f"the LFS object {value['oid']} of {path} was not uploaded")
        os.link(objects / value["oid"], there)
        lfs[path] = value["oid"]


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """What git holds of an LFS object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
