"""BEIR folders and tasks of mteb as sets: titles, languages, what cannot count, what cannot be read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builders.cli.errors import UserError
from drama_train.evaluation.judged import beir_set, task_set
from drama_train.evaluation.sets import UNKNOWN, EvaluationSet
from tests.judged_sets import fields, lines

CORPUS = [
    {"_id": "a", "title": "Rivers", "text": "cold in the north", "lang": "en"},
    {"_id": "b", "title": "", "text": "Flüsse im Norden", "lang": "de"},
    {"_id": "c", "title": "Mountains", "text": "high and old", "lang": "en"},
]
QUERIES = [
    {"_id": "q1", "text": "rivers?", "lang": "en"},
    {"_id": "q2", "text": "Flüsse?", "lang": "de"},
    {"_id": "q3", "text": "never judged", "lang": "en"},
    {"_id": "q4", "text": "judged by nought", "lang": "fi"},
]
QRELS = [("query-id", "corpus-id", "score"), ("q1", "a", 2), ("q1", "c", 0), ("q2", "b", 1), ("q4", "a", 0)]


def folder(path: Path, corpus: Any = CORPUS, queries: Any = QUERIES, qrels: Any = QRELS) -> Path:
    lines(path / "corpus.jsonl", corpus)
    lines(path / "queries.jsonl", queries)
    fields(path / "qrels" / "test.tsv", qrels)
    return path


def read(path: Path) -> EvaluationSet:
    return beir_set("small", path)


def test_a_folder_by_hand(tmp_path: Path) -> None:
    found = read(folder(tmp_path))
    assert found.documents == {
        "a": "Rivers\ncold in the north",
        "b": "Flüsse im Norden",
        "c": "Mountains\nhigh and old",
    }
    assert found.queries == {"q1": "rivers?", "q2": "Flüsse?"}
    assert found.judgements == {"q1": {"a": 2, "c": 0}, "q2": {"b": 1}}
    assert found.languages == {"q1": "en", "q2": "de"}
    assert found.pools == {"de": (["q2"], ["b"]), "en": (["q1"], ["a", "c"])}
    assert found.notes == ("2 queries have no relevant document and are not asked",)


def test_the_revision_is_the_content(tmp_path: Path) -> None:
    one, two = read(folder(tmp_path / "one")), read(folder(tmp_path / "two"))
    assert one.revision == two.revision
    other = [*CORPUS[:2], CORPUS[2] | {"text": "high"}]
    assert read(folder(tmp_path / "two", corpus=other)).revision != one.revision


def test_documents_without_languages_are_one_pool(tmp_path: Path) -> None:
    plain = [{key: value for key, value in row.items() if key != "lang"} for row in CORPUS]
    found = read(folder(tmp_path, corpus=plain))
    assert found.pools == {"": (["q1", "q2"], ["a", "b", "c"])}
    assert found.languages == {"q1": "en", "q2": "de"}
    asked = [{key: value for key, value in row.items() if key != "lang"} for row in QUERIES]
    assert set(read(folder(tmp_path, corpus=plain, queries=asked)).languages.values()) == {UNKNOWN}


def test_where_only_some_have_languages_all_is_searched_and_told(tmp_path: Path) -> None:
    corpus = [*CORPUS[:2], {"_id": "c", "title": "", "text": "no language"}]
    found = read(folder(tmp_path, corpus=corpus))
    assert found.document_languages is None
    assert found.notes[0] == (
        "1 documents and 0 queries have no language, so every query is searched among all documents"
    )


def test_what_cannot_count_is_counted(tmp_path: Path) -> None:
    corpus = [*CORPUS, {"_id": "e", "title": "only a title", "text": "", "lang": "en"}]
    qrels = [*QRELS, ("q1", "nowhere", 1), ("q1", "e", 1), ("q1", "gone", 0), ("q1", "b", 1)]
    found = read(folder(tmp_path, corpus=corpus, qrels=qrels))
    assert found.notes == (
        "2 queries have no relevant document and are not asked",
        "1 documents have no text and are not searched",
        "2 relevant documents, the first nowhere, are not in the corpus, or have no text, so they count as not found",
        "1 judged documents are in another language than their query, so they count as not found",
    )
    assert found.judgements["q1"]["nowhere"] == 1  # so recall and the ideal ranking know of it


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"qrels": [*QRELS, ("q9", "a", 1)]}, "small judges 1 queries without giving their texts, the first q9"),
        (
            {"qrels": [("query-id", "corpus-id", "score"), ("q1", "a", 0)]},
            "small has no query with a relevant document",
        ),
        ({"qrels": [*QRELS, ("q1", "a", "high")]}, r"cannot be read at qrels/test.tsv row 6 \(invalid_row"),
        ({"corpus": [*CORPUS, CORPUS[0]]}, "has two documents a: give each an id"),
        ({"corpus": [*CORPUS, {"_id": "x", "text": 7}]}, r"cannot be read at corpus.jsonl row 4 \(invalid_row"),
        ({"queries": [*QUERIES, {"_id": "q9"}]}, r"cannot be read at queries.jsonl row 5 \(invalid_row"),
        ({"corpus": CORPUS[:1] + CORPUS[2:]}, r"1 queries in languages that no document is in, 1 of them in 'de'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(changed: Any, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=fault):
        read(folder(tmp_path, **changed))


def test_the_only_judgements_are_taken_and_others_are_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "qrels/test.tsv").rename(tmp_path / "qrels/dev.tsv")
    assert len(read(tmp_path).queries) == 2
    with pytest.raises(UserError, match=r"has no qrels/train.tsv; it has dev: choose one with --qrels"):
        beir_set("small", tmp_path, "train")


class Task:
    """As a retrieval task of mteb is once its data are there."""

    metadata = SimpleNamespace(name="Small", dataset={"path": "owner/small", "revision": "abc"})
    hf_subsets = ("de", "en")
    ignore_identical_ids = True

    def __init__(self, splits: tuple[str, ...] = ("test",), subsets: tuple[str, ...] = ("de", "en")) -> None:
        held = {
            "queries": [{"id": "1", "text": "rivers?"}],
            "corpus": [{"id": "1", "title": "T", "text": "cold"}, {"id": "2", "title": "", "text": "old"}],
            "relevant_docs": {"1": {"2": 1, "1": 0}},
        }
        self.eval_splits = splits
        self.dataset = {subset: dict.fromkeys(splits, held) for subset in subsets}

    def load_data(self) -> None: ...

    def convert_v1_dataset_format_to_v2(self, num_proc: int | None) -> None: ...


def test_each_subset_of_a_task_is_a_pool_of_its_own() -> None:
    found = task_set("small", Task(), "2.0")
    assert found.queries == {"de/test/1": "rivers?", "en/test/1": "rivers?"}
    assert found.pools["de"] == (["de/test/1"], ["de/test/1", "de/test/2"])
    assert found.documents["de/test/1"] == "T\ncold"
    assert found.judgements["en/test/1"] == {"en/test/2": 1, "en/test/1": 0}
    assert found.without_own
    assert "2.0" in found.revision
    assert found.revision != task_set("small", Task(), "2.1").revision


def test_splits_of_a_subset_are_pools_of_their_own_and_a_lone_one_has_no_language() -> None:
    assert list(task_set("small", Task(("dev", "test")), "2.0").pools) == ["de/dev", "de/test", "en/dev", "en/test"]
    alone = task_set("small", Task(subsets=("default",)), "2.0")
    assert alone.pools == {"": (["1"], ["1", "2"])}
    assert alone.languages == {"1": UNKNOWN}


@pytest.mark.slow
def test_a_task_of_mteb_itself() -> None:
    mteb = pytest.importorskip("mteb")
    task = mteb.get_task("SciFact")
    task.queries, task.corpus = {"test": {"q": "rivers?"}}, {"test": {"a": {"title": "T", "text": "cold"}}}
    task.relevant_docs, task.data_loaded = {"test": {"q": {"a": 1}}}, True
    found = task_set("scifact", task, mteb.__version__)
    assert (found.queries, found.documents) == ({"q": "rivers?"}, {"a": "T\ncold"})
    assert found.judgements == {"q": {"a": 1}}
