"""Evaluation sets by their texts: folders in the BEIR layout and tasks of mteb, under names of their own."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document
from builders.text.judged.beir import open_beir
from builders.text.judged.sets import JudgedSet
from builders.text.readers.columns import USUAL_COLUMNS
from builders.text.readers.opening import fingerprint

MTEB = "mteb:"
PACK_ENDING = ".parquet"


@dataclass(frozen=True, slots=True)
class EvaluationText:
    """A judged query, or a document of the set. `relevant`: of a document, that it is judged to answer a query."""

    role: str  # query | document
    id: str
    text: str
    relevant: bool = True


@dataclass(frozen=True)
class EvaluationSet:
    """A set that can be read, more than once and in one order. `fingerprint` changes when its content does."""

    name: str
    fingerprint: str
    read: Callable[[], Iterator[EvaluationText]]


def named_specs(specs: Sequence[str], flag: str = "--against") -> list[tuple[str, str]]:
    """(name, what to open) of what the user gave: NAME=WHAT, or WHAT, which names itself; a pack has names inside."""
    found = []
    for spec in specs:
        name, equals, rest = spec.partition("=")
        if not equals or "/" in name:
            name, rest = spec.removeprefix(MTEB) if spec.startswith(MTEB) else Path(spec).absolute().name, spec
        if not name or not rest:
            raise UserError(
                f"{flag} {spec} names no set: give a folder, mteb:TASK, a pack or NAME=FOLDER.", exit_code=2
            )
        found.append((name, rest))
    return found


def check_names(names: Sequence[str], flag: str = "--against") -> None:
    """UserError where two sets have one name: what overlaps with which could not be told."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"Two sets are called {twice[0]}: name one of them otherwise, as in {flag} OTHER={twice[0]}.",
            exit_code=2,
        )


def open_set(name: str, spec: str, qrels: str | None) -> EvaluationSet:
    """The set that `spec` points at. UserError where it cannot be read, in words that name it."""
    if spec.startswith(MTEB):
        from builders.quality.mteb_tasks import open_task

        return open_task(name, spec.removeprefix(MTEB), qrels)
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise UserError(
            f"The evaluation set {spec} {what}: give a folder in the BEIR layout (corpus.jsonl, queries.jsonl, "
            f"qrels/test.tsv), {MTEB}TASK, or a pack made with --pack ({PACK_ENDING}).",
            exit_code=2,
        )
    judged = open_beir(folder, name, USUAL_COLUMNS, qrels or usual_qrels(folder))
    whole = fingerprint([judged.fingerprint, judged.documents.fingerprint])
    return EvaluationSet(name, whole, lambda: judged_texts(judged, str(folder)))


def usual_qrels(folder: Path) -> str:
    """test; else the only one there is."""
    there = sorted({path.name.split(".tsv")[0] for path in folder.glob("qrels/*.tsv*")})
    return there[0] if len(there) == 1 else "test"


def judged_texts(judged: JudgedSet, where: str) -> Iterator[EvaluationText]:
    """The queries that have a judged-positive document, then all documents.

    UserError at the first row that cannot be read (what is not compared would be called clean), but for documents
    without a text, which nothing can overlap with.
    """
    texts: dict[str, str] = {}
    asked: dict[str, None] = {}
    relevant: set[str] = set()
    for row in judged.read():
        if isinstance(row, BadRow):
            raise _unreadable(where, row)
        positives = [document_id for document_id, relevance in row.judged or () if relevance > 0]
        if positives:
            asked[row.query_id] = None
            relevant.update(positives)
        if row.text is not None:
            texts.setdefault(row.query_id, row.text)
    known = [query_id for query_id in asked if query_id in texts]
    if not known:
        what = "has a relevance above 0" if not asked else f"is among its queries (the first is {next(iter(asked))})"
        raise UserError(
            f"{where} has no judged query: none {what}, so there is nothing to compare with: mend its qrels."
        )
    if len(known) < len(asked):
        lost = next(query_id for query_id in asked if query_id not in texts)
        raise UserError(
            f"{where} judges {len(asked) - len(known):,} queries without giving their texts, the first {lost}: add "
            "them to its queries."
        )
    yield from (EvaluationText("query", query_id, texts[query_id]) for query_id in known)
    for item in judged.documents.read():
        if isinstance(item, Document):
            yield EvaluationText("document", item.id, item.text, item.id in relevant)
        elif item.reason != "empty":
            raise _unreadable(where, item)


def _unreadable(where: str, row: BadRow) -> UserError:
    return UserError(
        f"The evaluation set {where} cannot be read at {row.where} ({row.reason}: {row.detail}): mend that row, or "
        "take it out."
    )
