"""Near-duplicates: what MinHash bands propose and exact Jaccard verifies is what comparing everything finds."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.text.duplicates import (
    BANDS,
    JACCARD,
    ROWS,
    bands,
    jaccard,
    minhashes,
    shingle_hashes,
    shingles,
    union_minhash,
)
from builders.text.hashes import normalise

WORDS = [f"{a}{b}" for a in "ka le mi no ru sa te vi wo zu".split() for b in "bar den fil gor hun".split()]


def near_copies(texts=50, copies=5, words=80, seed=5):
    """Texts of random words, each with copies in which a few words were replaced, dropped or doubled."""
    draw = random.Random(seed)
    made = []
    for _ in range(texts):
        original = [draw.choice(WORDS) for _ in range(words)]
        made.append(" ".join(original))
        for _ in range(copies):
            copy = list(original)
            for _ in range(draw.randrange(0, 7)):
                at = draw.randrange(len(copy))
                copy[at : at + 1] = draw.choice([[draw.choice(WORDS)], [], [copy[at]] * 2])
            made.append(" ".join(copy))
    return made


def brute_jaccard(a, b):
    one, other = set(shingles(a)), set(shingles(b))
    return len(one & other) / len(one | other)


def candidates(texts):
    """Pairs that share a band, found by comparing all with all."""
    rows = [bands(m) for m in minhashes([shingles(t) for t in texts])]
    return {
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if any(a == b for a, b in zip(rows[i], rows[j], strict=True))
    }


@pytest.fixture(scope="module")
def texts():
    return near_copies()


@pytest.mark.slow
def test_bands_propose_nearly_all_near_duplicates_and_few_others(texts):
    exact = {pair: brute_jaccard(texts[pair[0]], texts[pair[1]]) for pair in combinations(range(len(texts)), 2)}
    alike = {pair for pair, share in exact.items() if share >= 0.75}
    found = candidates(texts)
    assert len(alike) > 300
    assert len(alike & found) >= 0.99 * len(alike)
    strangers = {pair for pair, share in exact.items() if share < 0.2}
    assert len(strangers & found) < 0.01 * len(strangers)
    for pair in found:  # precision is 1, since what is proposed is verified
        assert jaccard(*(shingle_hashes([texts[i]]) for i in pair)) == pytest.approx(exact[pair])


def test_similarity_of_minhashes_is_that_of_the_texts(texts):
    rows = np.array(minhashes([shingles(t) for t in texts[:50]]))
    errors = [
        np.mean(rows[i] == rows[j]) - brute_jaccard(texts[i], texts[j]) for i, j in combinations(range(len(rows)), 2)
    ]
    assert abs(np.mean(errors)) < 0.01
    assert max(map(abs, errors)) < 0.25


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=3, max_size=12).map(" ".join), min_size=1, max_size=5))
def test_a_union_has_the_minhash_of_its_shingles_together(parts):
    together = [s for part in parts for s in shingles(part)]
    assert union_minhash(minhashes([shingles(p) for p in parts])) == minhashes([together])[0]
    assert list(shingle_hashes(parts)) == sorted(set(shingle_hashes(parts)))
    assert len(shingle_hashes(parts)) == len(set(together))


def test_minhashes_are_the_same_in_every_version():
    row = minhashes([shingles("the harbour freezes in winter")])[0]
    assert len(row) == BANDS * ROWS
    assert row[:3] == [3267124795, 3962527370, 3723551398]
    assert bands(row)[:2] == [139565282935263353, 496576432587392215]


@given(st.text())
def test_order_and_company_change_no_minhash(text):
    own = shingles(normalise(text))
    assert minhashes([own, ["other"]])[0] == minhashes([["x y z"], own[::-1] * 2])[1]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("one", 1),
        ("one two three", 1),
        ("one two three four", 2),
        ("北京大学", 2),
        ("ข้าว", 2),
        ("hello 世界", 1),
    ],
)
def test_a_shingle_is_three_words_or_three_characters_of_a_script_without_spaces(text, count):
    assert len(shingles(text)) == count


def test_jaccard_of_nothing_is_nothing():
    nothing, one = shingle_hashes([]), shingle_hashes(["a b c"])
    assert jaccard(nothing, nothing) == jaccard(nothing, one) == 0.0
    assert jaccard(one, one) == 1.0 > JACCARD
