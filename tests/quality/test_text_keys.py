"""Keys of texts: n-grams that are the same where the words are, of a length that the script asks for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.quality import text_keys as keys_module
from builders.quality.text_keys import MINHASHES, TextKeys, lengths, text_keys
from builders.text.duplicates import jaccard, shingle_hashes
from builders.text.hashes import normalise, text_hash
from tests.quality.planting import edited, han, loud, text

WORDS = st.lists(st.sampled_from("a b c d 日 本 語 ก emb".split()), max_size=30).map(" ".join)


def ngrams(keys: TextKeys, number: int = 0) -> list[int]:
    return [int(n) for n in keys.ngrams[keys.starts[number] : keys.starts[number + 1]]]


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_texts_have_the_same_keys_together_as_alone(texts: list[str]) -> None:
    together = text_keys(texts)
    assert len(together) == len(texts)
    for number, one in enumerate(texts):
        alone = text_keys([one])
        assert ngrams(together, number) == ngrams(alone)
        assert (together.minhashes[number] == alone.minhashes[0]).all()
        assert (together.hashes[number], together.words[number]) == (alone.hashes[0], alone.words[0])


def test_portions_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text(i, 3 * i) for i in range(9)]
    whole = text_keys(texts)
    monkeypatch.setattr(keys_module, "PORTION", 4)
    for name in ("words", "ngrams", "starts", "minhashes"):
        assert np.array_equal(getattr(whole, name), getattr(text_keys(texts), name))
    assert whole.hashes == text_keys(texts).hashes


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS)
def test_two_n_grams_are_equal_where_their_words_are(one: str, two: str) -> None:
    def runs(words: list[str]) -> dict[int, tuple[str, ...]]:
        found = {}
        for start in range(max(len(words) - 7, 0)):
            size = 16 if sum(word in "日本語ก" for word in words[start : start + 8]) > 4 else 8
            if start + size <= len(words):
                found[start] = tuple(words[start : start + size])
        return found

    a, b = (runs(t.split()) for t in (one, two))
    keys = text_keys([one, two])
    first, second = ngrams(keys), ngrams(keys, 1)
    assert {place for place, key in enumerate(first) if key} == set(a)
    assert {place for place, key in enumerate(second) if key} == set(b)
    for i, run in a.items():
        for j, other in b.items():
            assert (first[i] == second[j]) is (run == other)
    assert keys.is_short().tolist() == [not a, not b]


def test_scripts_without_spaces_need_sixteen_characters() -> None:
    keys = text_keys([han(1, 15), han(1, 16), text(1, 7), text(1, 8), ""])
    assert keys.is_short().tolist() == [True, False, True, False, True]
    assert keys.words.tolist() == [15, 16, 7, 8, 0]
    assert lengths(keys.ngrams[keys.ngrams != 0]).tolist() == [16, 8]


def test_case_width_and_punctuation_make_no_difference() -> None:
    keys = text_keys([text(1, 20), loud(text(1, 20)), "ＡＢＣ's x", "abc s X"])
    assert keys.hashes[0] == keys.hashes[1] == text_hash(normalise(text(1, 20)))
    assert ngrams(keys) == ngrams(keys, 1) != []
    assert keys.hashes[2] == keys.hashes[3]


@pytest.mark.parametrize("seed", range(5))
def test_the_minhashes_estimate_the_similarity(seed: int) -> None:
    one, two = text(seed, 200), edited(text(seed, 200), seed)
    keys = text_keys([one, two])
    exact = jaccard(shingle_hashes([one]), shingle_hashes([two]))
    assert 0.4 < exact < 0.8
    assert abs((keys.minhashes[0] == keys.minhashes[1]).mean() - exact) < 4 * 0.045
    assert keys.minhashes.shape == (2, MINHASHES)


def test_some_of_the_texts_are_taken_in_their_order() -> None:
    texts = [text(i, 5 + 3 * i) for i in range(6)]
    taken, alone = text_keys(texts).take(np.array([4, 0, 5])), text_keys([texts[4], texts[0], texts[5]])
    for name in ("words", "ngrams", "starts", "minhashes"):
        assert np.array_equal(getattr(taken, name), getattr(alone, name))
    assert taken.hashes == alone.hashes
