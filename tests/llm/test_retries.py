"""Waits, what servers ask for, and the breaker, with a clock of our own."""

from datetime import UTC, datetime
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.llm.retries import Breaker, Retries, asked_wait, wait_before


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 60), st.floats(0.01, 10), st.floats(0.01, 100))
def test_a_wait_lies_between_zero_and_the_doubling_bound(attempt: int, first: float, longest: float) -> None:
    retries = Retries(first_wait=first, longest_wait=longest)
    assert 0 <= wait_before(attempt, retries, None) <= min(longest, first * 2 ** (attempt - 1))


def test_waits_differ() -> None:
    assert len({wait_before(3, Retries(), None) for _ in range(20)}) > 10


@given(st.floats(0, 1000))
def test_a_server_that_says_how_long_is_never_asked_sooner(asked: float) -> None:
    assert asked <= wait_before(1, Retries(), asked) <= asked + 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(1_000_030, UTC).replace(tzinfo=None))}, 30.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
    ],
)
def test_retry_after_in_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, now=lambda: 1_000_000.0) == seconds


def test_before_the_first_answer_the_number_alone_stops() -> None:
    breaker = Breaker(Retries(failures_in_a_row=3), 1, Clock())
    assert [breaker.failed() for _ in range(3)] == [None, None, 3]


def test_after_an_answer_an_outage_must_also_last() -> None:
    clock = Clock()
    breaker = Breaker(Retries(failures_in_a_row=3, outage=5.0), 1, clock)
    breaker.replied()
    assert [breaker.failed() for _ in range(10)] == [None] * 10
    clock.now += 5.0
    assert breaker.failed() == 11


def test_one_answer_starts_the_count_again() -> None:
    breaker = Breaker(Retries(failures_in_a_row=3, outage=0.0), 1, Clock())
    assert [breaker.failed(), breaker.failed()] == [None, None]
    breaker.replied()
    assert [breaker.failed(), breaker.failed(), breaker.failed()] == [None, None, 3]


def test_too_many_requests_are_borne_for_as_long_as_patience() -> None:
    clock = Clock()
    breaker = Breaker(Retries(failures_in_a_row=3, patience=60.0), 1, clock)
    assert [breaker.rate_limited() for _ in range(1000)] == [None] * 1000
    clock.now += 60.0
    assert breaker.rate_limited() == 60.0
    breaker.replied()
    assert breaker.rate_limited() is None


def test_what_failed_since_the_last_answer_is_remembered() -> None:
    clock = Clock()
    breaker = Breaker(Retries(), 1, clock)
    breaker.failed("answered 500")
    breaker.rate_limited("answered 429")
    assert (breaker.unanswered, breaker.last_fault, breaker.last_answer) == (2, "answered 429", 100.0)
    clock.now += 1
    breaker.replied()
    assert (breaker.unanswered, breaker.last_answer) == (0, 101.0)


def test_the_default_limit_is_two_rounds_of_everything_in_flight() -> None:
    assert Breaker(Retries(), 64).limit == 128
    assert Breaker(Retries(), 1).limit == 20
