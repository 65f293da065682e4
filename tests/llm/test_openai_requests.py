"""What the openai engine sends: the dialect it finds, fields, keys and addresses."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions, find_model, make_engine
from builders.llm.openai_engine import OpenAIEngine
from builders.llm.requests import Model, served_model
from tests.llm.loopback import Loopback
from tests.llm.making import MODEL, SCHEMA, ask
from tests.llm.openai_calls import options, replies_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with Loopback(tmp_path_factory.mktemp("log") / "sent.jsonl") as server:
        yield server


@pytest.mark.parametrize(
    ("behaviour", "dialect"),
    [("ok", "json_schema"), ("no_schema", "json_object"), ("no_schema500", "json_object"), ("no_format", "none")],
)
def test_the_first_request_alone_finds_the_dialect(tmp_path: Path, behaviour: str, dialect: str) -> None:
    said: list[str] = []
    with Loopback(tmp_path / "log", default=behaviour, latency=0.01) as server:
        engine = OpenAIEngine(MODEL, server.url, options(), said.append)
        assert engine.dialect is None
        replies = list(engine.generate(ask(f"{i}", schema=SCHEMA) for i in range(20)))
        assert engine.dialect == dialect
        engine.close()
        arrivals = server.arrivals()
    assert {reply.finish for reply in replies} == {"stop"}
    assert said == [f"The server at {server.url} takes structured output as {dialect}."]
    kinds = [(record["body"].get("response_format") or {"type": "none"})["type"] for record in arrivals]
    first_right = kinds.index(dialect)
    assert len({record["user"] for record in arrivals[: first_right + 1]}) == 1
    assert set(kinds[first_right:]) == {dialect}
    sent = arrivals[-1]["body"].get("response_format") or {}
    if dialect == "json_schema":
        assert sent["json_schema"] == {"name": "reply", "strict": True, "schema": SCHEMA}
    if dialect == "json_object":
        assert sent["schema"] == SCHEMA


def test_a_first_row_that_is_itself_bad_says_nothing_about_dialects() -> None:
    with Loopback() as server:
        engine = OpenAIEngine(MODEL, server.url, options(concurrency=1))
        requests = [ask("a [[bad]]", schema=SCHEMA), ask("b [[too_long]]", schema=SCHEMA), ask("c", schema=SCHEMA)]
        replies = list(engine.generate(requests))
        assert [reply.finish for reply in replies] == ["failed", "context_too_long", "stop"]
        assert engine.dialect == "json_schema"
        engine.close()


def test_a_model_served_by_its_path_is_asked_for_by_it_and_told_by_its_last_part(tmp_path: Path) -> None:
    path = "/home/quintessa/models/llama"
    with Loopback(tmp_path / "log") as server:
        wanted = EngineOptions(engine="openai", model=path, base_url=server.url)
        assert find_model(wanted) == Model("llama", "served")
        engine = make_engine(wanted)
        assert engine.model == Model("llama", "served")
        assert [reply.finish for reply in engine.generate([ask("x")])] == ["stop"]
        engine.close()
        assert {record["body"]["model"] for record in server.arrivals()} == {path}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("owner/name", "owner/name"),
        ("gpt-4", "gpt-4"),
        ("/m", "m"),
        ("./a/b/", "b"),
        ("~/m", "m"),
        ("C:\\m\\a b", "a b"),
    ],
)
def test_a_name_that_is_no_path_stays(name: str, told: str) -> None:
    assert served_model(name, "1") == Model(told, "1")


def test_a_request_without_a_schema_asks_for_no_format(tmp_path: Path) -> None:
    with Loopback(tmp_path / "log", default="no_format") as server:
        assert replies_of(server, [ask("x")])[0].finish == "stop"
        assert "response_format" not in server.arrivals()[0]["body"]


def test_the_name_of_the_token_limit_is_learnt(tmp_path: Path) -> None:
    with Loopback(tmp_path / "log", default="completion_tokens") as server:
        replies = replies_of(server, [ask(f"{i}") for i in range(10)], concurrency=1)
        bodies = [record["body"] for record in server.arrivals()]
    assert {reply.finish for reply in replies} == {"stop"}
    assert [("max_tokens" in body) for body in bodies] == [True] + [False] * 10
    assert bodies[-1]["max_completion_tokens"] == 16


def test_sampling_and_extra_fields_are_sent_and_none_leaves_a_field_out(tmp_path: Path) -> None:
    extra = {"top_p": None, "chat_template_kwargs": {"enable_thinking": False}}
    with Loopback(tmp_path / "log") as server:
        replies_of(server, [ask("x", seed=5)], extra_body=extra)
        body = server.arrivals()[0]["body"]
    assert (body["seed"], body["temperature"], body["max_tokens"], body["model"]) == (5, 0.0, 16, "tiny")
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "top_p" not in body
    assert body["messages"] == [dict(message) for message in ask("x").messages]


def test_keys_appear_nowhere(
    monkeypatch: pytest.MonkeyPatch, shared: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-42")
    caplog.set_level(logging.DEBUG)
    replies = replies_of(shared, [ask("x [[echo_key]]"), ask("y [[500*1]]")])
    engine = OpenAIEngine(MODEL, shared.url, options())
    said = [reply.detail for reply in replies] + [repr(engine), repr(vars(engine)), repr(options()), caplog.text]
    engine.close()
    assert any("your key *** is odd" in text for text in said)
    assert not any("secret" in text for text in said)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    with pytest.raises(UserError, match="OTHER_KEY is not set"):
        OpenAIEngine(MODEL, "https://llm.example.org/v1", options(api_key_env="OTHER_KEY"))
    monkeypatch.setenv("OTHER_KEY", "sk-ключ")
    with pytest.raises(UserError) as caught:
        OpenAIEngine(MODEL, "https://llm.example.org/v1", options(api_key_env="OTHER_KEY"))
    assert "ключ" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://user:pw@x/v1", ""])
def test_a_wrong_address_is_a_users_mistake(url: str) -> None:
    with pytest.raises(UserError) as caught:
        OpenAIEngine(MODEL, url)
    assert "pw" not in str(caught.value)
    assert str(caught.value).startswith("The --base-url ")


@pytest.mark.parametrize("timeout", [float("nan"), 0.0, -1.0])
def test_a_timeout_is_a_time(timeout: float) -> None:
    with pytest.raises(UserError, match="--timeout"):
        options(timeout=timeout)
