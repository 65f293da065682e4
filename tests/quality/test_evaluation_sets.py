"""Evaluation sets: what is read of them, and the sentence for each that cannot be read."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.quality.evaluation_sets import EvaluationSet, check_names, named_specs, open_set
from builders.quality.mteb_tasks import open_task, task_set
from tests.judged_sets import fields, lines
from tests.quality.planting import DOCUMENTS, QUERIES, beir


def texts(one: EvaluationSet) -> dict[tuple[str, str], tuple[str, bool]]:
    found = [((t.role, t.id), (t.text, t.relevant)) for t in one.read()]
    assert len(dict(found)) == len(found)
    return dict(found)


EXPECTED = {("query", i): (t, True) for i, t in QUERIES.items()} | {
    ("document", i): (t, i != "other") for i, t in DOCUMENTS.items()
}


def test_a_folder_is_read_twice_the_same_and_its_fingerprint_is_its_content(tmp_path: Path) -> None:
    one, two = (open_set(name, str(beir(tmp_path / name)), None) for name in ("one", "two"))
    assert texts(one) == texts(one) == texts(two) == EXPECTED
    assert (one.name, one.fingerprint) == ("one", two.fingerprint)
    for file in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        changed = tmp_path / "two" / file
        before = changed.read_bytes()
        changed.write_bytes(before + b"\n")
        assert open_set("two", str(tmp_path / "two"), None).fingerprint != two.fingerprint
        changed.write_bytes(before)


def test_queries_that_nothing_answers_are_no_evaluation_queries(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    fields(folder / "qrels/test.tsv", [("query-id", "corpus-id", "score"), ("q0", "d1", 0), ("q1", "d1", 2)])
    read = texts(open_set("set", str(folder), None))
    assert [i for role, i in read if role == "query"] == ["q1"]
    assert [i for (role, i), (_, relevant) in read.items() if role == "document" and relevant] == ["d1"]


def test_the_judgements_may_be_of_any_split(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    test = folder / "qrels/test.tsv"
    dev = test.rename(folder / "qrels/dev.tsv")
    assert texts(open_set("set", str(folder), None)) == EXPECTED  # the only one there is
    fields(test, [("q0", "d0", 1)])
    assert len(texts(open_set("set", str(folder), None))) == 1 + len(DOCUMENTS)
    assert texts(open_set("set", str(folder), "dev")) == EXPECTED
    test.unlink()
    dev.with_name("train.tsv").write_bytes(dev.read_bytes())
    with pytest.raises(UserError, match=r"has no qrels/test.tsv; it has dev, train: choose one with --qrels"):
        open_set("set", str(folder), None)


def test_a_document_without_a_text_is_passed_over(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "empty", "title": "Only a title", "text": ""}\n')
    assert texts(open_set("set", str(folder), None)) == EXPECTED


def damage_json(folder: Path) -> None:
    path = folder / "corpus.jsonl"
    path.write_text(path.read_text().replace('"title"', '"title', 1))


def no_positive(folder: Path) -> None:
    fields(folder / "qrels/test.tsv", [("query-id", "corpus-id", "score"), ("q0", "d0", 0)])


def other_ids(folder: Path) -> None:
    fields(folder / "qrels/test.tsv", [("query-id", "corpus-id", "score"), ("z0", "d0", 1)])


def one_other_id(folder: Path) -> None:
    fields(folder / "qrels/test.tsv", [("q0", "d0", 1), ("z0", "d0", 1)])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "corpus.jsonl").unlink(), r"not a whole data set.*it has no corpus.jsonl"),
        (lambda folder: (folder / "queries.jsonl").unlink(), r"it has no queries.jsonl"),
        (lambda folder: (folder / "qrels/test.tsv").unlink(), r"has no qrels/test.tsv; it has none"),
        (damage_json, r"cannot be read at corpus.jsonl row 1 \(invalid_json.*mend that row"),
        (lambda folder: (folder / "queries.jsonl").write_text('{"_id": 1}\n'), r"queries.jsonl row 1 \(invalid_row"),
        (lambda folder: (folder / "qrels/test.tsv").write_text("q\td\t1\nq\td\tx\n"), r"qrels/test.tsv row 2"),
        (no_positive, r"has no judged query: none has a relevance above 0"),
        (other_ids, r"has no judged query: none is among its queries \(the first is z0\)"),
        (one_other_id, r"judges 1 queries without giving their texts, the first z0"),
        (lambda folder: (folder / "corpus.jsonl").write_text(""), r"holds no row"),
    ],
)
def test_a_set_that_cannot_be_read_is_one_sentence(damage: Callable[[Path], Any], told: str, tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    damage(folder)
    with pytest.raises(UserError, match=told):
        texts(open_set("set", str(folder), None))


def test_what_is_no_set_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file.jsonl").touch()
    with pytest.raises(UserError, match=r"nowhere is not there: give a folder in the BEIR layout"):
        open_set("nowhere", "nowhere", None)
    with pytest.raises(UserError, match=r"file.jsonl is a file: give a folder"):
        open_set("file", str(tmp_path / "file.jsonl"), None)


def test_sets_name_themselves_or_are_named_and_may_not_clash(tmp_path: Path) -> None:
    specs = ["a/scifact", "mteb:NFCorpus", "mine=b/scifact", "packs/two.parquet", f"{tmp_path}/x=y"]
    named = [("scifact", "a/scifact"), ("NFCorpus", "mteb:NFCorpus"), ("mine", "b/scifact")]
    assert named_specs(specs) == [*named, ("two.parquet", "packs/two.parquet"), ("x=y", f"{tmp_path}/x=y")]
    check_names(["scifact", "mine"])
    with pytest.raises(UserError, match=r"Two sets are called scifact: .*--against OTHER=scifact"):
        check_names(["scifact", "mine", "scifact"])
    with pytest.raises(UserError, match=r"--against mine= names no set"):
        named_specs(["mine="])


class Task:
    """As a task of mteb is once its data are loaded, after a load that fails where `fault` is given."""

    eval_splits, hf_subsets = ("test",), ("default",)
    metadata = SimpleNamespace(name="Small", dataset={"path": "owner/small", "revision": "abc"})

    def __init__(self, subsets: tuple[str, ...] = ("default",), fault: Exception | None = None) -> None:
        self.subsets, self.fault = subsets, fault
        self.dataset: dict[str, Any] = {}

    def load_data(self) -> None:
        if self.fault:
            raise self.fault
        held = {
            "queries": [{"id": i, "text": t} for i, t in QUERIES.items()],
            "corpus": [{"id": i, "title": "", "text": t} for i, t in [*DOCUMENTS.items(), ("blank", " ")]],
            "relevant_docs": {q: {d: 1, "other": 0} for q, d in _pairs()},
        }
        self.dataset = {subset: {"test": held} for subset in self.subsets}

    def convert_v1_dataset_format_to_v2(self, num_proc: int | None) -> None:
        pass


def _pairs() -> list[tuple[str, str]]:
    answers = [i for i in DOCUMENTS if i != "other"]
    return [(q, answers[n % len(answers)]) for n, q in enumerate(QUERIES)]


def test_a_task_holds_what_the_folder_does() -> None:
    one = task_set("small", Task(), "2.0")
    assert texts(one) == texts(one) == EXPECTED
    assert one.fingerprint != task_set("small", Task(), "2.1").fingerprint
    two = texts(task_set("small", Task(("de", "en")), "2.0"))
    assert len(two) == 2 * len(EXPECTED)
    assert two["query", "en/test/q1"] == EXPECTED["query", "q1"]


@pytest.mark.parametrize("fault", [ConnectionError("no\nroute"), ValueError("no route"), KeyError("no route")])
def test_a_task_that_cannot_be_had_is_one_sentence(fault: Exception) -> None:
    told = (
        r"texts of mteb:Small cannot be had \('?no route'?\): make its data set owner/small reachable, or give a hash"
    )
    with pytest.raises(UserError, match=told):
        texts(task_set("small", Task(fault=fault), "2.0"))


def test_without_mteb_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(UserError, match=r"mteb:SciFact needs the mteb package.*pip install 'drama\[eval\]'"):
        open_set("SciFact", "mteb:SciFact", None)


@pytest.mark.slow
def test_real_tasks_go_by_their_names() -> None:
    mteb = pytest.importorskip("mteb")
    with pytest.raises(UserError, match=r"has no task SciFakt \(did you mean SciFact\?\)"):
        open_task("x", "SciFakt", None)
    with pytest.raises(UserError, match=r"Banking77Classification is a task of Classification"):
        open_task("x", "Banking77Classification", None)
    with pytest.raises(UserError, match=r"mteb:SciFact is evaluated on test, not on dev: choose one with --qrels"):
        open_task("x", "SciFact", "dev")
    assert open_task("x", "SciFact", "test").fingerprint == open_task("y", "SciFact", None).fingerprint
    task = mteb.get_task("SciFact")  # its own class, with data by hand: what is read of it is what mteb evaluates
    task.queries, task.corpus = {"test": QUERIES}, {"test": {i: {"title": "", "text": t} for i, t in DOCUMENTS.items()}}
    task.relevant_docs, task.data_loaded = {"test": {q: {d: 1} for q, d in _pairs()}}, True
    assert texts(task_set("x", task, mteb.__version__)) == EXPECTED


def test_two_columns_of_a_corpus_may_hold_the_text(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    lines(folder / "corpus.jsonl", [{"_id": i, "title": "", "contents": t} for i, t in DOCUMENTS.items()])
    assert texts(open_set("set", str(folder), None)) == EXPECTED
