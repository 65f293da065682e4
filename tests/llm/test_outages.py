"""When a server is to blame and the run stops, when a row is to blame and fails, and what is said meanwhile."""

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from builders.llm import openai_engine
from builders.llm.chat_calls import OpenAIOptions
from builders.llm.openai_engine import OpenAIEngine
from builders.llm.retries import Retries
from tests.llm.loopback import Loopback
from tests.llm.making import MODEL, SCHEMA, ask
from tests.llm.openai_calls import options, replies_of, stopped

pytestmark = pytest.mark.alone  # it measures time

ROWS = [ask(f"row {number}") for number in range(12)]
# What a run has that is given no options, but for the waits.
DEFAULT = OpenAIOptions().concurrency
FAULTS = ["500", "503", "504", "html", "error200", "cut", "reset"]


@pytest.mark.parametrize("behaviour", FAULTS)
def test_few_rows_and_no_answer_stop_the_run(behaviour: str) -> None:
    with Loopback(default=behaviour) as server:
        got, sentence = stopped(server, ROWS, concurrency=DEFAULT)
    assert got == []
    assert "attempts failed" in sentence
    assert sentence.startswith(f"The server at {server.url} ")
    assert sentence.endswith("; everything answered is kept; run the same command again to go on.")


def test_few_rows_that_all_hang_stop_the_run() -> None:
    retries = Retries(max_attempts=3, first_wait=0.001, longest_wait=0.001)
    with Loopback(default="hang") as server:
        got, sentence = stopped(server, ROWS, concurrency=DEFAULT, timeout=0.2, retries=retries)
    assert got == []
    assert "did not answer in time (the last 3 attempts failed)" in sentence
    assert "--timeout" in sentence


@pytest.mark.parametrize("behaviour", ["bad", "unprocessable"])
@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("concurrency", [1, 3, DEFAULT])
def test_few_rows_that_are_all_rejected_stop_the_run(
    behaviour: str, schema: dict[str, object] | None, concurrency: int
) -> None:
    with Loopback(default=behaviour) as server:
        requests = [ask(f"{number}", schema=schema) for number in range(12)]
        got, sentence = stopped(server, requests, concurrency=concurrency)
    assert got == []
    assert "answered none of the first 12 requests; the last time it answered 4" in sentence
    assert ("messages.0.content: bad" in sentence) == (behaviour == "bad")
    assert "--engine-args" in sentence


@pytest.mark.parametrize("at", [0, 5, 11])
@pytest.mark.parametrize("concurrency", [1, 3, DEFAULT])
def test_one_rejected_row_among_answered_ones_is_a_failed_reply(at: int, concurrency: int) -> None:
    with Loopback() as server:
        requests = [*ROWS[:at], ask("x [[bad]]"), *ROWS[at:]]
        replies = replies_of(server, requests, concurrency=concurrency)
    assert Counter(reply.finish for reply in replies) == {"stop": 12, "failed": 1}
    assert Counter(reply.key for reply in replies) == Counter(request.key for request in requests)


@pytest.mark.parametrize("behaviour", FAULTS)
def test_an_outage_in_the_middle_fails_no_row(behaviour: str) -> None:
    with Loopback(script=["ok"] * 5, default=behaviour) as server:
        got, sentence = stopped(server, ROWS, concurrency=DEFAULT)
    assert {reply.finish for reply in got} == {"stop"}  # on a busy machine the fifth may still be on its way
    assert 1 <= len(got) <= 5
    assert "attempts failed" in sentence


def test_a_hang_in_the_middle_fails_no_row() -> None:
    retries = Retries(max_attempts=2, first_wait=0.001, longest_wait=0.001)
    with Loopback(script=["ok"] * 5, default="hang") as server:
        got, sentence = stopped(server, ROWS, timeout=0.3, retries=retries)
    assert {reply.finish for reply in got} == {"stop"}  # on a busy machine the fifth may still be on its way
    assert 1 <= len(got) <= 5
    assert "did not answer in time" in sentence


def test_a_limit_in_the_middle_fails_no_row() -> None:
    impatient = Retries(first_wait=0.002, longest_wait=0.01, patience=0.3)
    with Loopback(script=["ok"] * 5, default="429") as server:
        got, sentence = stopped(server, ROWS, retries=impatient)
    assert {reply.finish for reply in got} == {"stop"}  # on a busy machine the fifth may still be on its way
    assert 1 <= len(got) <= 5
    assert "answered 429" in sentence


def test_a_server_of_html_is_asked_for_one_row_only(tmp_path: Path) -> None:
    with Loopback(tmp_path / "log", default="html") as server:
        got, sentence = stopped(server, [ask(f"{number}", schema=SCHEMA) for number in range(100)])
        arrivals = [record["user"] for record in server.arrivals()]
    assert got == []
    assert "answered with no chat completion: <html>It works!</html>" in sentence
    assert arrivals[:6] == ["0"] * 6
    assert len(arrivals) == 7  # the harmless question too


def test_the_first_row_of_a_server_that_fails_every_form_stops_the_run(tmp_path: Path) -> None:
    with Loopback(tmp_path / "log", default="500") as server:
        got, _ = stopped(server, [ask(f"{number}", schema=SCHEMA) for number in range(100)])
        assert len(server.arrivals()) == 2 + 2 + 6 + 1
    assert got == []


@pytest.mark.parametrize("behaviour", FAULTS)
def test_a_bad_row_that_is_left_alone_at_the_end_fails_by_itself(behaviour: str) -> None:
    """Otherwise no later run could end either: the row would stop each of them."""
    with Loopback() as server:
        replies = replies_of(server, [*ROWS, ask(f"x [[{behaviour}]]")], concurrency=1)
    assert [reply.finish for reply in replies] == ["stop"] * 12 + ["failed"]


def test_a_bad_row_ahead_of_the_others_fails_by_itself() -> None:
    with Loopback() as server:
        replies = replies_of(server, [ask("x [[500]]"), *ROWS], concurrency=1)
    assert [reply.finish for reply in replies] == ["failed"] + ["stop"] * 12


def test_rows_that_all_fail_stop_the_run_though_the_server_answers_other_questions() -> None:
    with Loopback() as server:
        got, sentence = stopped(server, [ask(f"{number} [[500]]") for number in range(3)])
    assert got == []
    assert "answered none of the first 3 requests; the last time it answered 500: Internal error; " in sentence


@pytest.mark.parametrize(
    ("behaviour", "says"), [("hang", "none failed yet"), ("429", "attempts failed, the last time it answered 429")]
)
def test_silence_is_spoken_of(monkeypatch: pytest.MonkeyPatch, behaviour: str, says: str) -> None:
    monkeypatch.setattr(openai_engine, "_QUIET", 0.2)
    said: list[tuple[float, str]] = []
    with Loopback(script=["ok"] * 4, default=behaviour) as server:
        retries = Retries(first_wait=0.01, longest_wait=0.05, patience=1.1)
        engine = OpenAIEngine(
            MODEL,
            server.url,
            options(retries=retries),
            lambda line: said.append((time.monotonic(), line)),
        )
        replies = engine.generate(ROWS)
        assert [next(replies).finish for _ in range(4)] == ["stop"] * 4
        time.sleep(0.75)
        replies.close()  # type: ignore[attr-defined]
        time.sleep(0.3)
        engine.close()
    assert len(said) >= 2
    assert all(after[0] - before[0] >= 0.15 for before, after in pairwise(said))
    for _, line in said:
        assert line.startswith(f"No answer from {server.url} for 0 s: ") or line.startswith(
            f"No answer from {server.url} for 1 s: "
        )
        assert says in line
        assert line.endswith("; waiting.")


def test_nothing_is_said_while_answers_come_or_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_engine, "_QUIET", 0.3)
    said: list[str] = []
    with Loopback(latency=0.05) as server:
        engine = OpenAIEngine(MODEL, server.url, options(concurrency=1), said.append)
        replies = engine.generate(ask(f"{number}") for number in range(20))
        for at, _ in enumerate(replies):
            if at == 10:
                time.sleep(0.8)  # the caller is slow, not the server
        engine.close()
    assert said == []
