"""Agreement of orders against brute force, and judges that follow places or examples."""

import random
from collections import Counter
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.llm.rankings import ParsedRanking, parse_ranking
from builders.relevance.agreement import (
    Answered,
    constant_judge,
    count_replies,
    first_agreement,
    inversions,
    kendall_tau,
    mean_order,
    position_bias,
    rank_agreement,
)

pairs_of_orders = st.integers(2, 12).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.permutations(range(n))))


@given(pairs_of_orders)
def test_tau_counts_pairs_that_agree_less_those_that_do_not(orders: tuple[list[int], list[int]]) -> None:
    a, b = orders
    n = len(a)
    signs = [1 if (a.index(x) < a.index(y)) == (b.index(x) < b.index(y)) else -1 for x, y in combinations(range(n), 2)]
    assert kendall_tau(a, b) == pytest.approx(sum(signs) / len(signs))
    assert kendall_tau(a, b) == kendall_tau(b, a)
    assert kendall_tau(a, a) == 1
    assert kendall_tau(a, a[::-1]) == -1


def test_tau_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(0)
    for n in (2, 3, 20):
        a, b = draw.sample(range(n), n), draw.sample(range(n), n)
        ranks = ([order.index(item) for item in range(n)] for order in (a, b))
        assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(*ranks).statistic)


@pytest.mark.parametrize(("a", "b"), [([0, 1], [0, 2]), ([0, 1], [0, 1, 2]), ([0, 0], [0, 1]), ([0, 1], [1, 1])])
def test_orders_of_different_items_are_not_compared(a: list[int], b: list[int]) -> None:
    with pytest.raises(ValueError, match="same items"):
        inversions(a, b)


def test_one_order_has_nothing_to_agree_with() -> None:
    assert rank_agreement([[1, 0, 2]]) is None
    assert first_agreement([[1, 0, 2]], 1) is None


def test_several_orders_are_merged_by_mean_rank_and_ties_go_by_the_first() -> None:
    orders = [[2, 0, 1], [0, 2, 1], [2, 1, 0]]
    assert mean_order(orders) == [2, 0, 1]
    assert rank_agreement(orders) == pytest.approx((1 / 3 + 1 / 3 - 1 / 3) / 3, abs=1e-6)
    assert first_agreement(orders, 2) == pytest.approx(2 / 3, abs=1e-6)
    assert mean_order([[1, 0], [0, 1]]) == [1, 0]
    assert mean_order([[0, 1], [1, 0]]) == [0, 1]


def answered(order: tuple[int, ...], n: int, *, shuffled: bool = True) -> Answered:
    parse = "repaired" if len(order) == n else "partial" if order else "failed"
    return Answered(n, ParsedRanking(parse, order), shuffled)  # type: ignore[arg-type]


def test_all_orders_equally_often_show_no_bias() -> None:
    bias = position_bias(count_replies([answered(order, 4) for order in permutations(range(4))], []))
    assert bias is not None
    assert (bias.shown, bias.replies, bias.ranks, bias.tau) == (4, 24, (2.5, 2.5, 2.5, 2.5), 0.0)


def test_a_judge_that_repeats_what_it_is_shown_is_told_by_its_bias_and_by_name() -> None:
    counts = count_replies([answered((0, 1, 2, 3), 4)] * 12 + [answered((), 4)], [])
    bias = position_bias(counts)
    assert bias is not None
    assert (bias.ranks, bias.tau) == ((1, 2, 3, 4), 1.0)
    told = " ".join(constant_judge(counts))
    assert "92% of 13 replies give the order in which the passages were shown" in told
    assert "one and the same order, [1] > [2] > [3] > [4]" in told


def test_a_judge_that_copies_the_example_is_told_although_its_replies_are_partial() -> None:
    counts = count_replies([answered((2, 0, 1), 5)] * 11 + [answered((1, 2, 0, 3, 4), 5)], [(2, 0, 1)])
    assert counts["reply:as_example"] == 11
    assert counts["reply:partial"] == 11
    assert any("example of the prompt" in line for line in constant_judge(counts))


def test_few_replies_and_replies_that_differ_raise_no_suspicion() -> None:
    assert constant_judge(count_replies([answered((0, 1), 2)] * 9, [])) == []
    draw = random.Random(1)
    replies = [answered(tuple(draw.sample(range(8), 8)), 8) for _ in range(200)]
    assert constant_judge(count_replies(replies, [(2, 0, 1)])) == []
    assert constant_judge({}) == []


def test_bias_is_of_shuffled_and_whole_rankings_of_the_usual_number_and_sums_over_shards() -> None:
    replies = [answered((1, 0), 2), answered((0, 1), 2, shuffled=False), answered((0,), 2), answered((2, 1, 0), 3)]
    replies += [answered((0, 1, 2), 3), answered((0, 2, 1), 3)]
    whole = count_replies(replies, [])
    parts = Counter[str]()
    for reply in replies:
        parts.update(count_replies([reply], []))
    assert {k: n for k, n in whole.items() if n} == {k: n for k, n in parts.items() if n}
    bias = position_bias(whole)
    assert bias is not None
    assert (bias.shown, bias.replies) == (3, 3)
    assert bias.ranks == (pytest.approx(5 / 3, abs=1e-3), pytest.approx(7 / 3, abs=1e-3), 2)
    assert bias.tau == pytest.approx((-1 + 1 + 1 / 3) / 3, abs=1e-3)


def test_the_most_frequent_orders_of_a_shard_are_counted_by_name() -> None:
    replies = [answered(parse_ranking(text, 3).order, 3) for text in ["[2] > [1] > [3]"] * 3 + ["[1] > [2] > [3]"]]
    counts = count_replies(replies, [])
    assert {k: n for k, n in counts.items() if k.startswith("order:")} == {"order:[2] > [1] > [3]": 3}
