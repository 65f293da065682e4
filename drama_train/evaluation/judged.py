"""Judged data sets (a folder in the BEIR layout, a retrieval task of mteb) as evaluation sets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from builders.cli.errors import UserError
from builders.quality.evaluation_sets import MTEB, usual_qrels
from builders.text.documents import BadRow, Document
from builders.text.judged.beir import open_beir
from builders.text.judged.sets import JudgedSet
from builders.text.readers.columns import USUAL_COLUMNS
from builders.text.readers.opening import fingerprint
from drama_train.evaluation.sets import UNKNOWN, EvaluationSet, unreachable


def beir_set(name: str, folder: Path, qrels: str | None = None) -> EvaluationSet:
    """The folder's corpus, queries and judgements; `qrels` None takes test, or the only ones that are there."""
    judged = open_beir(folder, name, USUAL_COLUMNS, qrels or usual_qrels(folder))
    revision = fingerprint([judged.fingerprint, judged.documents.fingerprint])
    return evaluation_set(name, [judged], f"blake2b-{revision}", str(folder), without_own=True)


def mteb_set(name: str, task_name: str, split: str | None = None) -> EvaluationSet:
    """The retrieval task of the mteb package; each of its subsets is a language with a corpus of its own."""
    from importlib.metadata import version

    from builders.quality.mteb_tasks import find_task

    return task_set(name, find_task(task_name, split), version("mteb"))


def task_set(name: str, task: object, package: str) -> EvaluationSet:
    """The same of mteb's task object, whose data are loaded now."""
    from builders.quality.mteb_tasks import judged_parts, task_fingerprint

    where = f"{MTEB}{task.metadata.name}"  # type: ignore[attr-defined]
    revision = f"mteb-{package}-{task_fingerprint(task, package)}"
    own = bool(getattr(task, "ignore_identical_ids", False))
    return evaluation_set(name, judged_parts(name, task), revision, where, without_own=own)


def evaluation_set(
    name: str, parts: Iterable[JudgedSet], revision: str, where: str, *, without_own: bool
) -> EvaluationSet:
    """The parts as one set; a document's text is its title and its text, a line each.

    UserError at a row that cannot be read. What is left out, or cannot be found, is counted in the notes.
    """
    read = _Read(where)
    for part in parts:
        read.add(part)
    judgements = {query: grades for query, grades in read.judgements.items() if max(grades.values()) > 0}
    spoken, notes = read.document_languages(judgements)
    notes += read.counted(judgements, spoken)
    return EvaluationSet(
        name=name,
        queries={query: text for query, text in read.queries.items() if query in judgements},
        documents=read.documents,
        judgements=judgements,
        languages={query: read.languages.get(query) or UNKNOWN for query in judgements},
        document_languages=spoken,
        revision=revision,
        without_own=without_own,
        notes=tuple(notes),
    )


@dataclass
class _Read:
    """What was read so far of the set at `where`."""

    where: str
    queries: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    judgements: dict[str, dict[str, int]] = field(default_factory=dict)
    languages: dict[str, str | None] = field(default_factory=dict)
    spoken: dict[str, str | None] = field(default_factory=dict)
    empty: int = 0

    def add(self, judged: JudgedSet) -> None:
        for row in judged.read():
            if isinstance(row, BadRow):
                raise self._unreadable(row)
            if row.text is not None:
                self.queries.setdefault(row.query_id, row.text)
                self.languages.setdefault(row.query_id, row.language)
            if row.judged:
                self.judgements.setdefault(row.query_id, {}).update(row.judged)
        for item in judged.documents.read():
            if isinstance(item, Document):
                self._add_document(item)
            elif item.reason == "empty":
                self.empty += 1
            else:
                raise self._unreadable(item)

    def _add_document(self, document: Document) -> None:
        if document.id in self.documents:
            raise UserError(f"{self.where} has two documents {document.id}: give each an id of its own.")
        title = f"{document.title}\n" if document.title else ""
        self.documents[document.id] = title + document.text
        self.spoken[document.id] = document.language

    def _unreadable(self, row: BadRow) -> UserError:
        return UserError(
            f"The evaluation set {self.where} cannot be read at {row.where} ({row.reason}: {row.detail}): mend that "
            "row, or take it out."
        )

    def document_languages(self, judgements: dict[str, dict[str, int]]) -> tuple[dict[str, str] | None, list[str]]:
        """Those of the documents, where all documents and queries have one; and what to note where only some have."""
        spoken = {document: language for document, language in self.spoken.items() if language}
        silent = sum(not self.languages.get(query) for query in judgements)
        if len(spoken) == len(self.spoken) and not silent:
            return spoken, []
        if not spoken:
            return None, []
        lacking = f"{len(self.spoken) - len(spoken):,} documents and {silent:,} queries"
        return None, [f"{lacking} have no language, so every query is searched among all documents"]

    def counted(self, judgements: dict[str, dict[str, int]], spoken: dict[str, str] | None) -> list[str]:
        """Notes of what is in the data and cannot count."""
        unknown = [
            d for grades in judgements.values() for d, grade in grades.items() if d not in self.documents and grade > 0
        ]
        pairs = ((q, d) for q, grades in judgements.items() for d, grade in grades.items() if grade > 0)
        outside = sum(d in spoken and spoken[d] != self.languages[q] for q, d in pairs) if spoken else 0
        idle = len(self.queries.keys() - judgements.keys())
        notes = [f"{idle:,} queries have no relevant document and are not asked"] if idle else []
        notes += [f"{self.empty:,} documents have no text and are not searched"] if self.empty else []
        if unknown:
            notes.append(
                f"{len(unknown):,} relevant documents, the first {unknown[0]}, are not in the corpus, or have no text, "
                "so they count as not found"
            )
        return [*notes, *([unreachable(outside)] if outside else [])]
