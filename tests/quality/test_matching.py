"""Matching against brute force: what two texts share, whatever portions they are compared in."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.quality import key_index, matching
from builders.quality.matching import Matcher, Thresholds
from builders.quality.text_keys import text_keys
from builders.text.hashes import normalise
from tests.quality.planting import edited, han, text

ANY = Thresholds(0, 0.5)
PHRASES = [text(i, 9) for i in range(4)] + [han(5, 20), text(0, 4), "a a a a a a a a a a"]
TEXTS = st.lists(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4).map(" ".join), max_size=5, unique=True)


def found(
    training: list[str], evaluation: list[str], thresholds: Thresholds = ANY
) -> dict[tuple[int, int], tuple[str, float]]:
    frame = Matcher(text_keys(training), thresholds).matches(text_keys(evaluation))
    assert len(frame.unique(["training", "evaluation"])) == len(frame)
    return {(row["training"], row["evaluation"]): (row["match"], row["share"]) for row in frame.iter_rows(named=True)}


def runs(normalised: str) -> list[tuple[int, tuple[str, ...]]]:
    words = split(normalised)
    found = []
    for start in range(len(words)):
        size = 16 if sum(len(w) == 1 and ord(w) >= 0x4E00 for w in words[start : start + 8]) > 4 else 8
        if start + size <= len(words):
            found.append((start, tuple(words[start : start + size])))
    return found


def split(normalised: str) -> list[str]:
    return "".join(f" {c} " if ord(c) >= 0x4E00 else c for c in normalised).split()


def share(one: str, two: str) -> float:
    """The words of the shorter text that stand in runs in common, over its words; of equal lengths the larger."""
    one, two = normalise(one), normalise(two)
    common = {run for _, run in runs(one)} & {run for _, run in runs(two)}
    covered = [
        len({start + i for start, run in runs(t) if run in common for i in range(len(run))}) / max(len(split(t)), 1)
        for t in (one, two)
    ]
    lengths = [len(split(t)) for t in (one, two)]
    return max(covered) if lengths[0] == lengths[1] else covered[int(lengths[1] < lengths[0])]


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS)
def test_matches_are_those_of_brute_force(training: list[str], evaluation: list[str]) -> None:
    expected = {}
    for (i, one), (j, two) in product(enumerate(training), enumerate(evaluation)):
        if normalise(one) == normalise(two):
            expected[i, j] = ("exact", 1.0)
        elif value := share(one, two):
            expected[i, j] = ("ngram", pytest.approx(value))
    got = found(training, evaluation, Thresholds(0, 1.0))
    assert {pair: one for pair, one in got.items() if one[0] != "minhash"} == expected


def test_portions_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    training = [f"{text(i, 9)} {text(i % 7, 30)}" for i in range(40)]
    evaluation = [f"{text(i % 7, 30)} {text(50 + i, 12)}" for i in range(30)] + [edited(training[3], 1)]
    whole = found(training, evaluation)
    assert {match for match, _ in whole.values()} == {"ngram"} and len(whole) > 100
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 150)
    assert found(training, evaluation) == whole


def test_near_copies_without_a_run_are_found_by_their_minhash(monkeypatch: pytest.MonkeyPatch) -> None:
    words = text(1, 70).split()
    words[6::7] = ["x"] * 10  # no run of 8 is left, and four of seven runs of three
    got = found([" ".join(words), text(2, 70)], [text(1, 70), text(3, 70)], Thresholds(0, 0.3))
    assert list(got) == [(0, 0)]
    assert got[0, 0][0] == "minhash" and 0.3 <= got[0, 0][1] < 0.6
    assert found([" ".join(words)], [text(1, 70)], Thresholds(0, 0.7)) == {}


def test_runs_of_too_many_texts_are_boilerplate_and_copies_are_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_index, "COMMON", 5)
    licence = text(1, 20)
    training = [f"{licence} {text(10 + i, 3)}" for i in range(6)]
    strict = Thresholds(0, 1.0)
    assert Matcher(text_keys(training), strict).common()["common_ngrams"] == 13
    assert found(training, [licence, training[2]], strict) == {(2, 1): ("exact", 1.0)}
    monkeypatch.setattr(key_index, "COMMON", 6)
    assert len(found(training, [licence, training[2]], strict)) == 12


def test_nothing_against_nothing_is_nothing() -> None:
    assert found([], []) == found([], ["a b"]) == found([text(1, 20)], []) == {}
    assert np.array_equal(Matcher(text_keys([]), ANY).keys.starts, [0])
