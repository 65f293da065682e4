"""Retrieval tasks of the mteb package as evaluation sets."""

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.cli.progress import say
from builders.quality.evaluation_sets import MTEB, EvaluationSet, judged_texts
from builders.text.documents import Document, Source
from builders.text.judged.sets import JudgedRow, JudgedSet
from builders.text.readers.opening import fingerprint

if TYPE_CHECKING:
    from builders.quality.evaluation_sets import EvaluationText


def open_task(name: str, task_name: str, split: str | None) -> EvaluationSet:
    """The texts of the task of that name; what it holds is loaded when it is read. UserError as `find_task`."""
    task = find_task(task_name, split)
    return task_set(name, task, version("mteb"))


def find_task(task_name: str, split: str | None) -> Any:
    """mteb's object for a retrieval task, nothing loaded. `split` None takes those it is evaluated on.

    UserError where mteb is not installed, has no such task, or the task retrieves nothing.
    """
    try:
        import mteb
    except ImportError:
        raise UserError(
            f"{MTEB}{task_name} needs the mteb package, which is not installed: pip install 'drama[eval]'.", exit_code=2
        ) from None
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    try:
        task = mteb.get_task(task_name)
    except KeyError:
        known = [one.metadata.name for one in mteb.get_tasks(task_types=["Retrieval"], exclude_superseded=False)]
        raise UserError(
            f"mteb {mteb.__version__} has no task {task_name}{nearest(task_name, known)}: name one of its retrieval "
            "tasks.",
            exit_code=2,
        ) from None
    if not isinstance(task, AbsTaskRetrieval):
        raise UserError(
            f"{MTEB}{task_name} is a task of {task.metadata.type}, which has no queries with judged documents: name a "
            "retrieval task.",
            exit_code=2,
        )
    if split is not None:
        if split not in task.metadata.eval_splits:
            raise UserError(
                f"{MTEB}{task_name} is evaluated on {', '.join(task.metadata.eval_splits)}, not on {split}: choose one "
                "with --qrels.",
                exit_code=2,
            )
        task.filter_eval_splits([split])
    return task


def task_set(name: str, task: Any, package: str) -> EvaluationSet:
    """The texts that a task object of that version of mteb holds."""

    def read() -> "Iterator[EvaluationText]":
        for part in judged_parts(name, task):
            yield from judged_texts(part, f"{MTEB}{task.metadata.name}")

    return EvaluationSet(name, task_fingerprint(task, package), read)


def task_fingerprint(task: Any, package: str) -> str:
    """The data set's commit, and the code that reads it, determine the content."""
    dataset = task.metadata.dataset
    parts = ["mteb", package, dataset["path"], dataset["revision"], *task.eval_splits, *task.hf_subsets]
    return fingerprint(parts)


def judged_parts(name: str, task: Any) -> Iterator[JudgedSet]:
    """Each subset and split of the task, loaded now; UserError where the data cannot be had.

    Where there are several, ids begin with theirs, and the subset's name (with the split's, where it has several) is
    the language of queries and documents: each is a set by itself, in which nothing of another is searched.
    """
    _load(task)
    found = [(subset, split, held) for subset, splits in task.dataset.items() for split, held in splits.items()]
    for subset, split, held in found:
        place = f"{subset}/{split}"
        pool = subset if len(task.dataset[subset]) == 1 else place
        yield _judged(name, f"{place}/", pool, held) if len(found) > 1 else _judged(name, "", None, held)


def _load(task: Any) -> None:
    """Fetch the data set; whatever the libraries raise becomes a sentence."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    # RuntimeError: a data set that is a script; the others: files that are not what the task's code takes them for
    faults = (DatasetsError, HTTPError, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)
    say(f"loading {MTEB}{task.metadata.name}: {task.metadata.dataset['path']}")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it tells of each of five attempts
    try:
        task.load_data()
        task.convert_v1_dataset_format_to_v2(num_proc=None)
    except faults as fault:
        words = " ".join(str(fault).split())[:300] or type(fault).__name__
        raise UserError(
            f"The texts of {MTEB}{task.metadata.name} cannot be had ({words}): make its data set "
            f"{task.metadata.dataset['path']} reachable, or give a hash pack that was made where it is."
        ) from fault


def _judged(name: str, prefix: str, language: str | None, held: Mapping[str, Any]) -> JudgedSet:
    def rows() -> Iterator[JudgedRow]:
        for query_id, judged in held["relevant_docs"].items():
            pairs = tuple((prefix + str(document_id), int(relevance)) for document_id, relevance in judged.items())
            yield JudgedRow(prefix + str(query_id), None, pairs, name)
        for row in held["queries"]:
            yield JudgedRow(prefix + str(row["id"]), str(row["text"]), None, name, language)

    def documents() -> Iterator[Document]:
        for row in held["corpus"]:
            text = row["text"]
            if isinstance(text, str) and text.strip():
                yield Document(prefix + str(row["id"]), text, name, row.get("title") or "", language)

    return JudgedSet("mteb", Source("mteb", name, "", documents), "", rows, "")
