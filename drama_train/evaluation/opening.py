"""What a user calls a set (a BEIR folder, `mteb:TASK`, `release:FOLDER`, `needle:`), opened one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builders.cli.errors import UserError
from builders.quality.evaluation_sets import MTEB, check_names, named_specs
from drama_train.evaluation.long_context import DOCUMENTS, LENGTHS, TESTS, Test, long_context_set
from drama_train.evaluation.sets import EvaluationSet, heldout_set, rehearsal

RELEASE = "release:"
HUB = "hf://"
_FLAG = "--on"


@dataclass(frozen=True)
class TokenCounter:
    """What counts the tokens of long texts: the tokenizer of a model, and the name and revision of it."""

    counts: Callable[[Sequence[str]], list[int]]
    name: str


@dataclass(frozen=True)
class Opening:
    """How sets are opened. qrels: the split of judgements; None: test, or what a task is evaluated on."""

    qrels: str | None = None
    limit: int | None = None
    counter: Callable[[], TokenCounter] | None = None
    """Makes the counter, which loads a model; None where no system has a tokenizer."""


@dataclass(frozen=True)
class Named:
    """A set that is not read yet: what it is called, and how it is opened."""

    name: str
    open: Callable[[], EvaluationSet]
    max_length: int | None = None
    """Tokens that a model must be able to read, as of the set itself."""


def named_sets(specs: Sequence[str], opening: Opening) -> list[Named]:
    """The sets that `--on` names, in that order; each is read when it is opened, and then with its `name`.

    UserError where one names nothing that could be a set, or two have one name.
    """
    found = [one for spec in specs for one in _named(spec, opening)]
    check_names([one.name for one in found], _FLAG)
    return found


def _named(spec: str, opening: Opening) -> Iterator[Named]:
    test = next((test for test in TESTS if spec == test or spec.startswith(f"{test}:")), None)
    if test is not None:
        for length in _lengths(spec, test):
            yield Named(f"{test}-{length}", _long(test, length, opening), length)
        return
    ((name, what),) = named_specs([spec], _FLAG)
    if what.startswith((RELEASE, HUB)):
        place = what.removeprefix(RELEASE)
        own = f"{place.rstrip('/').split('/')[-1].split('@')[0]}-heldout"
        name = own if name in (what, Path(what).absolute().name) else name
        opened: Callable[[], EvaluationSet] = lambda: _heldout(place)  # noqa: E731
    elif what.startswith(MTEB):
        opened = lambda: _task(name, what.removeprefix(MTEB), opening.qrels)  # noqa: E731
    else:
        opened = lambda: _folder(name, what, opening.qrels)  # noqa: E731
    yield Named(name, lambda: _limited(replace(opened(), name=name), opening.limit))


def _limited(whole: EvaluationSet, limit: int | None) -> EvaluationSet:
    return whole if limit is None else whole.limited(limit)


def _heldout(place: str) -> EvaluationSet:
    from drama_train.training.releases import open_release

    return heldout_set(open_release(place))


def _task(name: str, task: str, qrels: str | None) -> EvaluationSet:
    from drama_train.evaluation.judged import mteb_set

    return mteb_set(name, task, qrels)


def _folder(name: str, what: str, qrels: str | None) -> EvaluationSet:
    from drama_train.evaluation.judged import beir_set

    folder = Path(what).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"The evaluation set {what} is not there: give a folder in the BEIR layout (corpus.jsonl, queries.jsonl, "
            f"qrels/test.tsv), {MTEB}TASK, {RELEASE}FOLDER, {HUB}OWNER/NAME@REVISION, {TESTS[0]}: or {TESTS[1]}:.",
            exit_code=2,
        )
    return beir_set(name, folder, qrels)


def _lengths(spec: str, test: Test) -> Sequence[int]:
    """All of `needle:`, or those of `needle:256,1024`."""
    given = spec.partition(":")[2]
    if not given:
        return LENGTHS
    parts = given.split(",")
    if odd := [part for part in parts if not part.isdecimal() or int(part) not in LENGTHS]:
        raise UserError(
            f"{_FLAG} {spec}: {odd[0]!r} is no length of the test: give {', '.join(map(str, LENGTHS))}, or {test}: for "
            "all of them.",
            exit_code=2,
        )
    return [int(part) for part in parts]


def _long(test: Test, length: int, opening: Opening) -> Callable[[], EvaluationSet]:
    def opened() -> EvaluationSet:
        if opening.counter is None:
            raise UserError(
                f"{_FLAG} {test}: makes texts by the tokens of a model, and no system here has a tokenizer: name a "
                "model with --model.",
                exit_code=2,
            )
        counter = opening.counter()
        if opening.limit is None or opening.limit >= DOCUMENTS:
            return long_context_set(test, length, counter.counts, counter.name)
        few = max(2, opening.limit)
        made = long_context_set(test, length, counter.counts, counter.name, documents=few)
        return replace(made, notes=(*made.notes, rehearsal(few)))

    return opened
