"""Retrieval tasks of the mteb package as evaluation sets."""

import logging
from collections.abc import Iterator, Mapping
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
    """The task of that name; what it holds is loaded when it is read. `split` None takes those it is evaluated on.

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
    return task_set(name, task, mteb.__version__)


def task_set(name: str, task: Any, package: str) -> EvaluationSet:
    """The set that a task object holds: its data set's commit, and the code that reads it, determine the content."""
    dataset = task.metadata.dataset
    parts = ["mteb", package, dataset["path"], dataset["revision"], *task.eval_splits, *task.hf_subsets]

    def read() -> "Iterator[EvaluationText]":
        _load(task)
        for prefix, held in _parts(task):
            yield from judged_texts(_judged(name, prefix, held), f"{MTEB}{task.metadata.name}")

    return EvaluationSet(name, fingerprint(parts), read)


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


def _parts(task: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(what the ids begin with, the data) of each subset and split: nothing where there is one alone."""
    found = [(f"{subset}/{split}/", held) for subset, splits in task.dataset.items() for split, held in splits.items()]
    yield from found if len(found) > 1 else [("", held) for _, held in found]


def _judged(name: str, prefix: str, held: Mapping[str, Any]) -> JudgedSet:
    def rows() -> Iterator[JudgedRow]:
        for query_id, judged in held["relevant_docs"].items():
            pairs = tuple((prefix + str(document_id), int(relevance)) for document_id, relevance in judged.items())
            yield JudgedRow(prefix + str(query_id), None, pairs, name)
        for row in held["queries"]:
            yield JudgedRow(prefix + str(row["id"]), str(row["text"]), None, name)

    def documents() -> Iterator[Document]:
        for row in held["corpus"]:
            text = row["text"]
            if isinstance(text, str) and text.strip():
                yield Document(prefix + str(row["id"]), text, name, row.get("title") or "")

    return JudgedSet("mteb", Source("mteb", name, "", documents), "", rows, "")
