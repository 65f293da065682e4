"""Evaluation sets: a release's heldout split by hand, what is refused, a rehearsal."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.store.parquet import write_parquet
from drama_train.evaluation.sets import EvaluationSet, heldout_set
from drama_train.training.releases import open_release
from tests.evaluation.making import make_set
from tests.release_making import expected_rows, manifest_of, write_manifest, write_release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release") / "notes")


def _rewritten(made: Path, folder: Path, config: str, split: str, rows: list[dict]) -> Path:  # type: ignore[type-arg]
    """The release with other rows in that split; without rows, without it."""
    shutil.copytree(made, folder)
    told = manifest_of(folder)
    if not rows:
        del told["configs"][config]["splits"][split]
    else:
        path = f"{config}/{split}/00000.parquet"
        written = write_parquet(folder / path, rows, told["configs"][config]["record"])
        told["configs"][config]["splits"][split] = {"rows": len(rows), "files": [{"path": path} | written]}
    write_manifest(folder, told["name"], told["release"], told["configs"])
    return folder


def test_the_heldout_split_by_hand(made: Path) -> None:
    searched = heldout_set(open_release(str(made)))
    chunks = expected_rows(made, "corpus", "heldout")
    queries = expected_rows(made, "queries", "heldout")
    assert len(chunks) == len(queries) == 12
    assert searched.name == "notes-heldout"
    assert searched.documents == {row["chunk_id"]: row["text"] for row in chunks}
    assert searched.queries == {row["query_id"]: row["text"] for row in queries}
    assert searched.judgements == {row["query_id"]: {row["chunk_id"]: 1} for row in queries}
    assert set(searched.languages.values()) == {"en"}
    assert searched.document_languages == dict.fromkeys(searched.documents, "en")
    assert searched.revision == f"notes v1.0.0 {manifest_of(made)['content_hash']}, 5 negatives"
    assert searched.notes == ()


def test_a_query_of_two_rows_has_the_positives_of_both_and_is_searched_in_its_chunks_language(
    made: Path, tmp_path: Path
) -> None:
    rows = expected_rows(made, "triplets", "heldout")
    train = expected_rows(made, "triplets", "train")[0]
    more = rows[0] | {"triplet_id": rows[0]["query_id"] + "+rerank", "method": "rerank"}
    more |= {"positive_ids": [rows[1]["chunk_id"], rows[0]["chunk_id"], train["chunk_id"]]}
    more |= {"positive_ranks": [1, 2, 3], "positive_scores": [1.0, 1.0, 1.0]}
    release = _rewritten(made, tmp_path / "two", "triplets", "heldout", [*rows, more])
    chunks = expected_rows(made, "corpus", "heldout")
    chunks[1]["language"] = "de"
    searched = heldout_set(open_release(str(_rewritten(release, tmp_path / "three", "corpus", "heldout", chunks))))
    found = searched.judgements[rows[0]["query_id"]]
    assert found == {rows[0]["chunk_id"]: 1, rows[1]["chunk_id"]: 1, train["chunk_id"]: 1}
    assert len(searched.documents) == 13  # a positive of another split is searched for too
    assert searched.languages[rows[1]["query_id"]] == "de"
    assert searched.notes == (
        "1 judged documents are in another language than their query, so they count as not found",
    )
    assert {language: len(pool[1]) for language, pool in searched.pools.items()} == {"de": 1, "en": 12}


def test_the_best_ranked_negatives_are_searched_too(made: Path, tmp_path: Path) -> None:
    rows = expected_rows(made, "triplets", "heldout")
    train = [row["chunk_id"] for row in expected_rows(made, "corpus", "train")]
    rows[2] |= {"negative_ids": train[:7], "negative_ranks": list(range(31, 38)), "negative_scores": [0.5] * 7}
    searched = heldout_set(open_release(str(_rewritten(made, tmp_path / "hard", "triplets", "heldout", rows))))
    heldout = {row["chunk_id"] for row in expected_rows(made, "corpus", "heldout")}
    assert set(searched.documents) == heldout | set(train[:5])
    assert searched.judgements[rows[2]["query_id"]] == {rows[2]["chunk_id"]: 1}


def test_a_release_that_holds_nothing_out_is_one_sentence(made: Path, tmp_path: Path) -> None:
    release = open_release(str(_rewritten(made, tmp_path / "none", "triplets", "heldout", [])))
    with pytest.raises(UserError, match=r"none holds nothing out to measure on: make its chunks again .*--heldout"):
        heldout_set(release)


def test_a_positive_that_is_nowhere_is_named(made: Path, tmp_path: Path) -> None:
    rows = expected_rows(made, "triplets", "heldout")
    rows[3]["positive_ids"] = ["nowhere#0000"]
    release = open_release(str(_rewritten(made, tmp_path / "lost", "triplets", "heldout", rows)))
    with pytest.raises(UserError, match="nowhere#0000 is not among the corpus"):
        heldout_set(release)


def test_pools_are_those_of_the_languages() -> None:
    searched = make_set(1)
    assert list(searched.pools) == ["de", "en", "th"]
    for language, (queries, documents) in searched.pools.items():
        assert {searched.languages[query] for query in queries} == {language}
        assert searched.document_languages is not None
        assert {searched.document_languages[document] for document in documents} == {language}
    assert sum(len(documents) for _, documents in searched.pools.values()) == len(searched.documents)
    whole = make_set(1, pools=False)
    assert whole.pools == {"": (sorted(whole.queries), sorted(whole.documents))}


def _without(searched: EvaluationSet, **changed: object) -> EvaluationSet:
    return replace(searched, **changed)  # type: ignore[arg-type]


def test_what_is_no_set_is_named_and_counted() -> None:
    made = make_set(1)
    assert made.document_languages is not None
    with pytest.raises(UserError, match="made has no query with a relevant document"):
        _without(made, judgements={}, queries={}, languages={})
    with pytest.raises(UserError, match="made judges 2 queries without giving their texts, the first q003"):
        _without(made, queries={query: text for query, text in made.queries.items() if query not in ("q003", "q007")})
    with pytest.raises(UserError, match="made has no document"):
        _without(made, documents={}, document_languages=None)
    spoken = {d: "en" if own == "th" else own for d, own in made.document_languages.items()}
    with pytest.raises(UserError, match=r"4 queries in languages that no document is in, 4 of them in 'th'"):
        _without(made, document_languages=spoken)
    with pytest.raises(ValueError, match="not of the same queries, as more"):
        _without(made, queries={**made.queries, "more": "text"})


@pytest.mark.parametrize("pools", [True, False])
def test_a_rehearsal_holds_its_answers_and_says_so(pools: bool) -> None:
    whole = make_set(2, queries=30, documents=600, pools=pools)
    some = whole.limited(7)
    assert len(some.queries) == 7
    assert {query: whole.judgements[query] for query in some.judgements} == some.judgements
    assert all(document in some.documents for found in some.judgements.values() for document in found)
    assert 70 <= len(some.documents) <= 70 + 21
    if pools:
        assert {len(queries) for queries, _ in some.pools.values()} == {2, 3}
    assert some.revision != whole.revision
    assert some.notes == ("a rehearsal of 7 queries: its scores are no result",)
    assert whole.limited(30) is whole
