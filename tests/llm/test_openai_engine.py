"""The openai engine against a server that misbehaves in every way that servers do."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.llm.openai_engine import OpenAIEngine
from builders.llm.requests import EngineStopped, Model, Reply, Request
from builders.llm.retries import Retries
from tests.llm.loopback import Loopback, refused_port, reply_json
from tests.llm.making import MODEL, ask
from tests.llm.openai_calls import options, replies_of, stopped

pytestmark = pytest.mark.alone  # it measures time


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with Loopback(tmp_path_factory.mktemp("log") / "sent.jsonl") as server:
        yield server


def arrivals_of(server: Loopback, text: str) -> int:
    return sum(record["user"] == text for record in server.arrivals())


@pytest.mark.parametrize(
    "behaviour",
    ["429", "429:0.01", "429ms:5", "500", "502", "503", "503:0.01", "504", "cut", "reset", "html", "error200"],
)
def test_a_passing_fault_is_tried_again(shared: Loopback, behaviour: str) -> None:
    text = f"passing [[{behaviour}*2]]"
    replies = {reply.key: reply for reply in replies_of(shared, [ask(text), ask("well")])}
    assert replies[ask(text).key].text == reply_json(text)
    assert arrivals_of(shared, text) == 3


@pytest.mark.parametrize("behaviour", ["500", "503", "504", "cut", "reset", "html", "error200"])
def test_a_fault_of_one_row_becomes_its_failure(shared: Loopback, behaviour: str) -> None:
    text = f"lasting [[{behaviour}]]"
    # Others must be answered while this one fails: with the server silent, a 503 would be the server's fault.
    requests = [ask(text), *[ask(f"well {behaviour} {i}") for i in range(30)]]
    server_is_slower = Retries(first_wait=0.0005, longest_wait=0.001, outage=0.0)
    replies = {reply.key: reply for reply in replies_of(shared, requests, retries=server_is_slower, concurrency=2)}
    assert len(replies) == 31
    assert replies[ask(text).key].finish == "failed"
    assert "the server" in replies[ask(text).key].detail
    assert arrivals_of(shared, text) == 6
    assert Counter(reply.finish for reply in replies.values()) == {"stop": 30, "failed": 1}


def test_a_hanging_row_times_out_and_the_others_are_answered(shared: Loopback) -> None:
    requests = [ask("hangs [[hang]]"), *[ask(f"quick {i}") for i in range(20)]]
    retries = Retries(max_attempts=2, first_wait=0.001, longest_wait=0.001, outage=0.0)
    replies = replies_of(shared, requests, timeout=1.0, retries=retries)
    assert Counter(reply.finish for reply in replies) == {"stop": 20, "failed": 1}
    assert "did not answer in time" in replies[-1].detail


@pytest.mark.parametrize(
    ("behaviour", "finish"),
    [
        ("too_long", "context_too_long"),
        ("bad", "failed"),
        ("unprocessable", "failed"),
        ("filter", "refusal"),
        ("refusal", "refusal"),
        ("content_filter", "refusal"),
        ("length", "length"),
        ("empty", "stop"),
    ],
)
def test_answers_about_one_row(shared: Loopback, behaviour: str, finish: str) -> None:
    text = f"row [[{behaviour}]] {finish}"
    replies = {reply.key: reply for reply in replies_of(shared, [ask(text), ask("well")])}
    reply = replies[ask(text).key]
    assert reply.finish == finish
    assert bool(reply.detail) == (finish not in {"stop", "length"})
    assert arrivals_of(shared, text) == 1
    if behaviour == "empty":
        assert reply.text == ""
    if finish == "stop":
        assert reply.prompt_tokens > 0


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("401", "check the key in MY_KEY"),
        ("403", "check the key in MY_KEY"),
        ("404", "it has no model 'tiny'"),
        ("402", "has no credit left"),
        ("quota", "has no credit left"),
    ],
)
def test_what_is_wrong_with_every_row_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, behaviour: str, says: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-42")
    with Loopback(tmp_path / "log", script=["ok"] * 5, default=behaviour) as server:
        got, sentence = stopped(server, [ask(f"{i}") for i in range(200)], api_key_env="MY_KEY", concurrency=1)
        assert len(server.arrivals()) == 6
    assert len(got) == 5
    assert says in sentence
    assert server.url in sentence
    assert "everything answered is kept; run the same command again to go on" in sentence


def test_a_wrong_path_says_so(shared: Loopback) -> None:
    _, sentence = stopped(shared.url.removesuffix("/v1"), [ask("x")])
    assert "correct --base-url, which" in sentence


def test_a_server_that_breaks_stops_the_run_after_what_was_answered() -> None:
    with Loopback(script=["ok"] * 20, default="503") as server:
        got, sentence = stopped(server, [ask(f"{i}") for i in range(1000)])
        arrivals = server.tell()["arrivals"]
    assert len(got) == 20
    assert "answered 503" in sentence
    assert "attempts failed" in sentence
    assert 20 + 20 <= arrivals < 200


def test_everything_500_stops_before_rows_are_given_up() -> None:
    with Loopback(default="500") as server:
        got, sentence = stopped(server, [ask(f"{i}") for i in range(1000)], concurrency=16)
    assert got == []
    assert "answered 500" in sentence


def test_too_many_requests_do_not_trip_the_breaker_but_patience_ends() -> None:
    with Loopback(script=["429"] * 200) as server:
        replies = replies_of(server, [ask(f"{i}") for i in range(20)])
        assert Counter(reply.finish for reply in replies) == {"stop": 20}
        server.tell(default="429")
        impatient = Retries(first_wait=0.002, longest_wait=0.01, outage=0.0, patience=0.3)
        got, sentence = stopped(server, [ask(f"{i}") for i in range(20)], retries=impatient)
        assert server.tell()["arrivals"] > 220 + 2 * 8
    assert got == []
    assert "answered 429" in sentence


def test_too_many_requests_use_up_no_attempts() -> None:
    with Loopback(script=["429"] * 8 + ["500", "503"]) as server:
        assert [reply.finish for reply in replies_of(server, [ask("x")])] == ["stop"]
        assert server.tell()["arrivals"] == 11


def test_a_server_that_asks_for_more_than_patience_stops_the_run() -> None:
    with Loopback(default="429:86400") as server:
        _, sentence = stopped(server, [ask("x")])
    assert "asks to wait 86400 s" in sentence


@pytest.mark.parametrize("rows", [1, 100])
def test_nobody_there(rows: int) -> None:
    with refused_port() as port:
        url = f"http://127.0.0.1:{port}/v1"
        got, sentence = stopped(url, [ask(f"{i}") for i in range(rows)])
    assert got == []
    assert url in sentence
    assert "start it, or correct --base-url" in sentence


def test_a_server_that_rejects_everything_stops_the_run() -> None:
    with Loopback(default="bad") as server:
        got, sentence = stopped(server, [ask(f"{i}") for i in range(1000)])
    assert got == []
    assert "answered none of the first 20 requests" in sentence


def test_in_flight_and_look_ahead_are_bounded() -> None:
    pulled = 0

    def requests() -> Iterator[Request]:
        nonlocal pulled
        for number in range(300):
            pulled += 1
            yield ask(str(number))

    with Loopback(latency=0.005) as server:
        engine = OpenAIEngine(MODEL, server.url, options(concurrency=4))
        most_ahead = max(pulled - done for done, _ in enumerate(engine.generate(requests())))
        engine.close()
        assert server.tell()["most_held"] <= 4
    assert pulled == 300
    assert most_ahead <= 9


def test_requests_are_pulled_in_the_callers_thread(shared: Loopback) -> None:
    threads = []

    def requests() -> Iterator[Request]:
        threads.append(threading.current_thread())
        yield ask("one")

    engine = OpenAIEngine(MODEL, shared.url, options())
    assert len(list(engine.generate(requests()))) == 1
    engine.close()
    assert threads == [threading.current_thread()]


def test_an_error_of_the_source_comes_after_the_replies(shared: Loopback) -> None:
    def requests() -> Iterator[Request]:
        yield ask("one")
        yield ask("two")
        raise KeyError("row 3")

    engine = OpenAIEngine(MODEL, shared.url, options())
    got: list[Reply] = []
    with pytest.raises(KeyError):
        got.extend(engine.generate(requests()))
    engine.close()
    assert len(got) == 2


def test_a_caller_that_stops_early_leaves_nothing_running_and_can_go_on(shared: Loopback) -> None:
    engine = OpenAIEngine(MODEL, shared.url, options())
    replies = engine.generate(ask(f"early {i}") for i in range(1000))
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    assert len(list(engine.generate([ask("after")]))) == 1
    engine.close()


def test_closing_under_a_waiting_caller_ends_its_wait() -> None:
    with Loopback(default="hang") as server:
        engine = OpenAIEngine(MODEL, server.url, options())
        threading.Timer(0.2, engine.close).start()
        with pytest.raises(EngineStopped, match="closed"):
            list(engine.generate([ask("x")]))


def test_a_killed_client_can_be_counted(tmp_path: Path) -> None:
    """The log is written before the answer, so nothing that was sent is missing from it."""
    script = (
        "import sys; from builders.llm.openai_engine import OpenAIEngine; from tests.llm.making import MODEL, ask\n"
        "engine = OpenAIEngine(MODEL, sys.argv[1])\n"
        "for done, reply in enumerate(engine.generate(ask(str(i)) for i in range(10000))):\n"
        "    print(reply.key, flush=True)\n"
    )
    with Loopback(tmp_path / "log", latency=0.01) as server:
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        client = subprocess.Popen(
            [sys.executable, "-c", script, server.url], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert client.stdout is not None
        printed = [client.stdout.readline() for _ in range(50)]
        client.kill()
        printed += client.stdout.readlines()
        client.wait()
        client.stdout.close()
        assert len(printed) <= len(server.counts()) < 10000
        assert set(server.counts().values()) == {1}


def test_importing_the_engines_is_light() -> None:
    heavy = "{'torch', 'transformers', 'vllm', 'openai', 'httpx2', 'gguf', 'tokenizers'}"
    modules = [f"builders.llm.{path.stem}" for path in Path("builders/llm").glob("[a-z]*.py")]
    assert len(modules) >= 5
    code = f"import sys, {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout.replace("'", '"')) == []


def test_a_models_revision_is_the_users_word_for_it(shared: Loopback) -> None:
    engine = OpenAIEngine(Model("tiny", "served"), shared.url)
    engine.close()
    engine.close()
    assert engine.model == Model("tiny", "served")
