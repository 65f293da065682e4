"""The rule of order, and the fusion of rankings."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.retrieval.rankings import EMPTY, Ranking, fuse, merge, pack, rounded, unpack

SCORES = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 0.5, 0.5000004, 0.4999996, -0.5])


@given(st.lists(st.tuples(SCORES, st.integers(0, 2**32 - 2)), max_size=30))
def test_packed_integers_sort_by_the_rule_and_come_back(pairs: list[tuple[float, int]]) -> None:
    scores = np.array([score for score, _ in pairs], np.float32)
    indices = np.array([index for _, index in pairs], np.int64)
    ranking = unpack(np.sort(pack(scores, indices))[None])
    wanted = sorted(zip((-rounded(scores)).tolist(), indices.tolist(), strict=True))
    assert list(zip((-ranking.scores[0]).tolist(), ranking.indices[0].tolist(), strict=True)) == wanted


def test_scores_that_round_to_the_same_are_ordered_by_index() -> None:
    ranking = unpack(np.sort(pack(np.array([0.5000004, 0.4999996]), np.array([10, 3])))[None])
    assert ranking.indices[0].tolist() == [3, 10]
    assert (ranking.scores == np.float32(0.5)).all()


def test_merge_keeps_the_best() -> None:
    kept = np.sort(pack(np.array([[0.9, 0.1]]), np.array([[4, 5]])))
    more = np.array([[EMPTY, pack(np.array([0.5]), np.array([7]))[0]]])
    assert unpack(merge(kept, more)).indices.tolist() == [[4, 7]]
    assert unpack(merge(np.full((1, 3), EMPTY), more)).indices.tolist() == [[7, -1, -1]]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 5), k=st.integers(1, 12))
def test_fusion_equals_a_sum_over_ranks(seed: int, n: int, k: int) -> None:
    draw = np.random.default_rng(seed)
    rankings = []
    for width in (3, 7):
        indices = np.array([draw.permutation(9)[:width] for _ in range(n)], np.int64).reshape(n, width)
        if n:
            indices[0, 2:] = -1  # fewer found
        rankings.append(Ranking(np.zeros((n, width), np.float32), indices))
    found = fuse(rankings, k)
    for row in range(n):
        sums: dict[int, float] = {}
        for ranking in rankings:
            for rank, index in enumerate(ranking.indices[row].tolist(), start=1):
                if index >= 0:
                    sums[index] = sums.get(index, 0.0) + 1 / (60 + rank)
        wanted = sorted((-float(rounded(np.array([score]))[0]), index) for index, score in sums.items())[:k]
        assert found.indices[row].tolist() == [index for _, index in wanted] + [-1] * (k - len(wanted))
        assert [-s for s in found.scores[row][: len(wanted)].tolist()] == [score for score, _ in wanted]


def test_a_document_that_both_find_comes_first() -> None:
    left = Ranking(np.zeros((1, 3), np.float32), np.array([[1, 2, 3]]))
    right = Ranking(np.zeros((1, 3), np.float32), np.array([[4, 2, 5]]))
    assert fuse([left, right], 2).indices.tolist() == [[2, 1]]
