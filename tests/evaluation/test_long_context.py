"""Texts of a length that differ in one sentence: made twice the same, as long as they say, told apart by words."""

from collections.abc import Sequence

import pytest

from builders.cli.errors import UserError
from drama_train.evaluation.long_context import LENGTHS, TESTS, Test, long_context_set
from drama_train.evaluation.scoring import scores_of
from drama_train.evaluation.search import word_rankings
from drama_train.evaluation.sets import EvaluationSet


def counts(texts: Sequence[str]) -> list[int]:
    """Words and their full stops, and two that a model adds."""
    return [len(text.replace(".", " .").split()) + 2 for text in texts]


def made(test: Test = "needle", length: int = 256, **changed: int) -> EvaluationSet:
    return long_context_set(test, length, counts, "words", **changed)


def sentences(text: str) -> list[str]:
    return [part.strip(" .") for part in text.split(". ")]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("length", [256, 1024])
def test_texts_have_that_many_tokens_and_differ_in_the_needle(test: Test, length: int) -> None:
    found = made(test, length)
    assert len(found.documents) == len(found.queries) == 50
    lengths = counts(list(found.documents.values()))
    assert length - 40 < min(lengths) <= max(lengths) <= length
    shared = set.intersection(*(set(sentences(text)) for text in found.documents.values()))
    own = 2 if test == "passkey" else 1
    for text in found.documents.values():
        mine = [one for one in sentences(text) if one not in shared]
        assert own <= len(mine) <= own + 2  # a filler sentence that another text had no room for
    assert len(shared) > length / 20
    depths = [next(at for at, one in enumerate(sentences(t)) if one not in shared) for t in found.documents.values()]
    assert max(depths) - min(depths) > 0.7 * len(shared)


@pytest.mark.parametrize("test", TESTS)
def test_words_find_every_needle(test: Test) -> None:
    """So the answer is there, and is of one document alone."""
    found = made(test, 512)
    assert scores_of(found, word_rankings(found)).mean("accuracy_at_1") == 1.0


def test_the_same_seed_makes_the_same_texts_and_another_others() -> None:
    assert made() == made()
    assert made(seed=1).documents != made().documents
    assert made(seed=1).revision != made().revision
    assert made().max_length == 256
    assert len(made(documents=3).queries) == 3


def test_a_length_without_room_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"A text of 8 tokens has no room for a needle of 1\d"):
        made(length=8)
    assert tuple(256 << at for at in range(8)) == LENGTHS
