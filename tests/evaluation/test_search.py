"""Searching a set: equal to brute force, by any number of dimensions, and never outside a query's pool."""

from dataclasses import replace

import numpy as np
import pytest

from drama_train.evaluation.search import DEPTH, document_numbers, shortened, vector_rankings, word_rankings
from drama_train.evaluation.sets import EvaluationSet
from tests.evaluation.making import brute_force, make_set, vectors


@pytest.mark.parametrize("pools", [True, False])
@pytest.mark.parametrize("dim", [None, 16, 5])
def test_equal_to_brute_force(pools: bool, dim: int | None) -> None:
    searched = make_set(1, documents=420, pools=pools)
    queries, documents = vectors(12, 16, 2), vectors(420, 16, 3)
    documents[7] = documents[5]  # a tie
    _, numbers = document_numbers(searched)
    found = vector_rankings(searched, queries, [(numbers, documents)], dim)
    cut = [each[:, :dim].astype(np.float64) for each in (queries, documents)]
    by_hand = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in cut]
    expected = brute_force(searched, by_hand[0], by_hand[1], DEPTH)
    assert found == expected
    assert {len(row) for row in found.values()} == {DEPTH}
    if dim == 5:
        assert found != vector_rankings(searched, queries, [(numbers, documents)])


def test_blocks_of_documents_are_one_search() -> None:
    searched = make_set(4)
    queries, documents = vectors(12, 8, 5), vectors(240, 8, 6)
    _, numbers = document_numbers(searched)
    blocks = [(numbers[start : start + 37], documents[start : start + 37]) for start in range(0, 240, 37)]
    whole = vector_rankings(searched, queries, [(numbers, documents)])
    assert len(whole) == 12
    assert vector_rankings(searched, queries, blocks) == whole


def test_shortened_vectors_are_slices_of_length_one() -> None:
    given = vectors(5, 8, 7)
    given[2, :3] = 0
    cut = shortened(given, 3)
    assert cut.shape == (5, 3)
    for row in (0, 1, 3, 4):
        np.testing.assert_allclose(cut[row], given[row, :3] / np.linalg.norm(given[row, :3]), rtol=1e-6)
    assert cut[2].tolist() == [0, 0, 0]
    np.testing.assert_allclose(shortened(given[:2], None), given[:2], atol=1e-6)


@pytest.mark.parametrize("by", ["vectors", "words"])
def test_pools_never_leak(by: str) -> None:
    """Every document of another language is as near as can be, and is not found."""
    searched = make_set(8, documents=60)
    assert searched.document_languages is not None
    wanted = dict.fromkeys(searched.queries, "rivers")
    searched = replace(searched, queries=wanted, documents=dict.fromkeys(searched.documents, "rivers"))
    if by == "words":
        found = word_rankings(searched)
    else:
        same = np.tile(vectors(1, 8, 9), (60, 1))
        _, numbers = document_numbers(searched)
        found = vector_rankings(searched, same[:12], [(numbers, same)])
    assert {len(row) for row in found.values()} == {20}
    for query, row in found.items():
        assert {searched.document_languages[document] for document in row} == {searched.languages[query]}


def _words(**changed: object) -> EvaluationSet:
    texts = {"a": "cold rivers of the north", "b": "warm rivers", "c": "mountains", "q": "rivers of the north"}
    made = EvaluationSet(
        name="words",
        queries={"q": "rivers of the north"},
        documents=texts,
        judgements={"q": {"a": 1}},
        languages={"q": "en"},
        document_languages=None,
        revision="1",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_words_find_what_shares_them_and_the_query_itself_is_left_out_where_asked() -> None:
    assert word_rankings(_words())["q"] == ["q", "a", "b"]
    assert word_rankings(_words(without_own=True))["q"] == ["a", "b"]
    judged = _words(without_own=True, judgements={"q": {"q": 1}})  # the id is a document's by chance
    assert word_rankings(judged)["q"] == ["q", "a", "b"]


def test_words_are_as_rare_as_in_their_pool() -> None:
    """`rare` stands in every English text and in no other German one but z."""
    texts = {"x": "rare apple", "y": "rare pear", "z": "rare plum", "w": "plum plum"}
    spoken = {"x": "en", "y": "en", "z": "de", "w": "de"}
    judgements = {"q-en": {"x": 1}, "q-de": {"z": 1}}
    searched = _words(
        queries={"q-en": "rare pear", "q-de": "rare plum"},
        documents=texts,
        judgements=judgements,
        languages={"q-en": "en", "q-de": "de"},
        document_languages=spoken,
    )
    assert word_rankings(searched) == {"q-de": ["z", "w"], "q-en": ["y", "x"]}
