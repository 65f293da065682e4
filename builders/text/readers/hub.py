"""A data set on the Hugging Face Hub, streamed at one commit."""

import re
from collections.abc import Iterator
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.readers.columns import Columns, needed_columns
from builders.text.readers.opening import fingerprint
from builders.text.readers.rows import Record, documents, not_empty

if TYPE_CHECKING:
    from datasets import IterableDataset

SPEC = re.compile(r"hf://(?:datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^@\s]+))?")


def open_hub(spec: str, name: str | None, columns: Columns, config: str | None, split: str) -> Source:
    """The rows of `hf://owner/name@revision` as documents. Raises UserError where the data set cannot be had."""
    repo, commit, config = resolve(spec, config, split)
    place = f"{repo} {config}/{split}"

    def read() -> Iterator[Document | BadRow]:
        rows = documents(hub_records(repo, commit, config, split, columns), columns, place)
        yield from not_empty(rows, f"{place} at {commit} holds no row: choose another split or config.")

    parts = [repo, commit, config, split, repr(astuple(columns))]
    return Source("hub", name or repo.split("/")[1], fingerprint(["hub", *parts]), read)


def resolve(spec: str, config: str | None, split: str) -> tuple[str, str, str]:
    """(repository, commit, config) of `hf://owner/name@revision`; UserError where one of them, or the split, is not.

    The revision (a branch, a tag, a commit; main where none is given) is resolved to a commit at once, so that what is
    read later is what was fingerprinted.
    """
    match = SPEC.fullmatch(spec)
    if not match:
        raise UserError(f"{spec} is not a data set: write hf://owner/name or hf://owner/name@revision.", exit_code=2)
    repo = match["repo"]
    commit = _commit(repo, match["revision"] or "main")
    config = _config(repo, commit, config)
    _check_split(repo, commit, config, split)
    return repo, commit, config


def _commit(repo: str, revision: str) -> str:
    from huggingface_hub import HfApi, errors

    try:
        commit = HfApi().dataset_info(repo, revision=revision, timeout=30).sha
    except errors.GatedRepoError as error:
        raise UserError(
            f"{repo} is gated: ask for access at its page on the Hub, then log in with `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(
            f"{repo} has no revision {revision!r}{_revisions(repo)}: name a branch, a tag or a commit after the @."
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise UserError(
            f"There is no data set {repo} on the Hub, or you may not see it: check the name, "
            "or log in with `hf auth login` if it is private."
        ) from error
    except _unreachable() as error:
        raise UserError(f"The Hub could not be asked for {repo} ({_line(error)}): try again later.") from error
    if commit is None:
        raise UserError(f"The Hub gave no commit for {repo}@{revision}: name a commit after the @.")
    return str(commit)


def _revisions(repo: str) -> str:
    from huggingface_hub import HfApi

    try:
        refs = HfApi().list_repo_refs(repo, repo_type="dataset")
    except _unreachable():
        return ""
    names = [ref.name for ref in [*refs.branches, *refs.tags]]
    return f" (it has {', '.join(names[:20])})"


def _config(repo: str, commit: str, config: str | None) -> str:
    from datasets import get_dataset_config_names

    names = _asked(repo, lambda: get_dataset_config_names(repo, revision=commit))
    if config is None and len(names) == 1:
        return str(names[0])
    if config is None and "default" in names:
        return "default"
    if config is None:
        raise UserError(f"{repo} has several configs, {', '.join(names)}: choose one as its config.", exit_code=2)
    if config not in names:
        raise UserError(f"{repo} has no config {config!r}: choose one of {', '.join(names)}.", exit_code=2)
    return config


def _check_split(repo: str, commit: str, config: str, split: str) -> None:
    from datasets import get_dataset_split_names

    names = _asked(repo, lambda: get_dataset_split_names(repo, config, revision=commit))
    if split not in names:
        raise UserError(f"{repo} {config} has no split {split!r}: choose one of {', '.join(names)}.", exit_code=2)


def _asked(repo: str, question: Any) -> Any:
    """The answer of `datasets`, whose faults with a repository are of many classes."""
    from datasets.exceptions import DatasetsError

    try:
        return question()
    except (DatasetsError, *_unreachable(), RuntimeError, ValueError) as error:
        raise UserError(
            f"{repo} cannot be read as a data set ({_line(error)}): give one of plain data files."
        ) from error


def hub_records(repo: str, commit: str, config: str, split: str, columns: Columns | None) -> Iterator[Record]:
    """The rows of a split, through `datasets`, which never runs code of the repository here."""
    from datasets import load_dataset

    stream: IterableDataset = _asked(
        repo, lambda: load_dataset(repo, config, split=split, revision=commit, streaming=True)
    )
    rows = iter(_narrowed(stream, columns, f"{repo} {config}/{split}"))
    number = 0
    while True:
        row = _asked(repo, lambda: next(rows, None))
        if row is None:
            return
        number += 1
        yield number, row


def _narrowed(stream: "IterableDataset", columns: Columns | None, place: str) -> "IterableDataset":
    """Only the columns that are needed, so that images and embeddings beside it are not decoded."""
    names = stream.column_names
    if not names:
        return stream
    return stream.select_columns(needed_columns(names, columns, place))


def _unreachable() -> tuple[type[Exception], ...]:
    # The HTTP library that the client stands on has changed its name twice; this is its error under any of them.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return (HTTPError, OSError)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
