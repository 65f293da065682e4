"""The walk over one list: windows from its end to its start, shuffled repeats, and a state that replies alone decide."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.llm.requests import Reply
from builders.relevance.listwise import first_orders, follow, read_step, spans
from tests.llm.making import ask

sizes = st.tuples(st.integers(2, 40), st.integers(2, 20), st.integers(1, 20)).filter(lambda s: s[2] <= s[1])


@given(sizes)
def test_windows_cover_every_place_and_end_at_the_start(size: tuple[int, int, int]) -> None:
    k, window, step = size
    windows = spans(k, window, step)
    assert {place for start, end in windows for place in range(start, end)} == set(range(k))
    assert all(end - start == min(window, k) for start, end in windows)
    assert windows[0][1] == k and windows[-1][0] == 0
    assert windows == sorted(windows, reverse=True) and len(set(windows)) == len(windows)


def test_the_windows_of_the_defaults() -> None:
    assert spans(20, 20, 10) == [(0, 20)]
    assert spans(5, 20, 10) == [(0, 5)]
    assert spans(50, 20, 10) == [(30, 50), (20, 40), (10, 30), (0, 20)]
    assert spans(25, 20, 10) == [(5, 25), (0, 20)]


def judge(shown: list[int]) -> str:
    """Prefers small numbers."""
    order = sorted(range(len(shown)), key=lambda at: shown[at])
    return " > ".join(f"[{at + 1}]" for at in order)


def request_for(shown):  # type: ignore[no-untyped-def]
    return ask(",".join(map(str, shown)))


def reply_to(request, text: str, finish: str = "stop") -> Reply:  # type: ignore[no-untyped-def]
    return Reply(request.key, text, finish, "why", 1, 1, 0.1)  # type: ignore[arg-type]


@given(sizes, st.randoms(use_true_random=False))
def test_a_judge_that_knows_brings_the_best_to_the_start(size: tuple[int, int, int], draw: random.Random) -> None:
    k, window, step = size
    first = list(range(k))
    draw.shuffle(first)
    windows = spans(k, window, step)
    replies: dict[str, Reply] = {}
    for rounds in range(len(windows) + 1):
        repeat = follow(first, windows, request_for, replies, [])
        assert follow(first, windows, request_for, replies, []) == repeat
        assert sorted(repeat.order) == list(range(k))
        assert len(repeat.steps) == rounds
        if not repeat.asking:
            break
        request = repeat.requests[-1]
        shown = [int(n) for n in request.messages[-1]["content"].split(",")]
        replies[request.key] = reply_to(request, judge(shown))
    assert not repeat.asking
    assert len(repeat.requests) == len(windows)
    carried = min(window, k) if len(windows) == 1 else window - step
    assert repeat.order[:carried] == list(range(k))[:carried]


def test_a_fault_ends_the_walk_where_it_is() -> None:
    windows = spans(6, 4, 2)
    first = request_for([2, 3, 4, 5])
    repeat = follow(range(6), windows, request_for, {first.key: reply_to(first, "[1] > [2]")}, [])
    assert (repeat.asking, len(repeat.steps), len(repeat.requests)) == (False, 1, 1)
    assert repeat.steps[0].fault is not None and repeat.steps[0].fault[0] == "partial_ranking"
    assert repeat.order == list(range(6))


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("[2] > [1] > [3] > [4] > [5]", "stop", None),
        ("[2] > [1] > [3] > [4] > [5]", "length", None),
        ("2 > 1 > 3 > 4 > 5", "length", "partial_ranking"),
        ("[3] > [1] > [2] > [5] > [4]", "stop", "copy_of_example"),
        ("3, 1, 2, 5, 4", "stop", "copy_of_example"),
        ("", "context_too_long", "context_too_long"),
    ],
)
def test_what_makes_a_reply_unusable(text: str, finish: str, reason: str | None) -> None:
    step = read_step(reply_to(ask("x"), text, finish), 5, [(2, 0, 1, 4, 3), (0, 1, 2)])
    assert (step.fault and step.fault[0]) == reason


def test_the_order_of_an_example_of_four_may_be_the_judges_own() -> None:
    assert read_step(reply_to(ask("x"), "[2] > [1] > [3] > [4]"), 4, [(1, 0, 2, 3)]).fault is None


@given(st.integers(2, 12), st.integers(0, 6), st.integers(0, 3))
def test_shuffles_begin_with_the_retrievers_order_and_more_of_them_change_none(k: int, n: int, seed: int) -> None:
    orders = first_orders(k, n, seed, "q")
    assert orders[0] == list(range(k))
    assert all(sorted(order) == list(range(k)) for order in orders)
    assert first_orders(k, n + 2, seed, "q")[: n + 1] == orders
    if k > 3:
        assert len({tuple(order) for order in orders}) == n + 1


def test_shuffles_differ_between_queries_and_seeds() -> None:
    assert len({tuple(first_orders(9, 1, seed, query)[1]) for seed in (0, 1) for query in "ab"}) == 4
