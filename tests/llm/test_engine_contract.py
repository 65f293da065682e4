"""What every engine promises, asked of all three."""

import importlib.util
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders.llm.chat_calls import OpenAIOptions
from builders.llm.local_engine import LocalEngine, LocalOptions
from builders.llm.openai_engine import OpenAIEngine
from builders.llm.requests import Engine, Model, Request, Sampling
from tests.llm.loopback import Loopback
from tests.llm.making import SCHEMA, ask
from tests.llm.tiny_llama import one_thread, write_tiny_llama

# More than the model's positions in any tokenizer, and the mark that makes the loopback server say so.
TOO_LONG = "[[too_long]] " + "river " * 2000
UNICODE = [
    "Größe",
    "北の川は冷たい。",
    "أنهار الشمال",
    "🎉👩‍👩‍👧",
    "e\u0301",
    "nul \u0000 inside",
    "a\r\nb",
    '"quoted" \\ {x}',
]


@dataclass(frozen=True)
class Case:
    """An engine and the most requests it may take ahead."""

    engine: Engine
    ahead: int


def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    options = LocalOptions(window=8, batch_rows=4, dtype="float32", device="cpu")
    engine = LocalEngine(Model(str(folder), "test"), options)
    yield Case(engine, 8)
    engine.close()
    engine.close()


def openai(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with Loopback(latency=0.001) as server:
        engine = OpenAIEngine(Model("tiny", "test"), server.url, OpenAIOptions(concurrency=4))
        yield Case(engine, 8)
        engine.close()
        engine.close()


def vllm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    from builders.llm.vllm_engine import VLLMEngine

    arguments = {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 8, "gpu_memory_utilization": 0.2}
    engine = VLLMEngine(Model(str(folder), "test"), arguments, in_flight=8)
    yield Case(engine, 8)
    engine.close()
    engine.close()


NO_VLLM = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed here")
ENGINES = [
    pytest.param(local, id="local"),
    pytest.param(openai, id="openai"),
    pytest.param(vllm, id="vllm", marks=[pytest.mark.vllm, NO_VLLM]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with one_thread():
        yield write_tiny_llama(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="module", params=ENGINES)
def case(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    # Closing twice, at the end of each of these, is one of the promises.
    maker: Callable[[Path, pytest.TempPathFactory], Iterator[Case]] = request.param
    yield from maker(folder, tmp_path_factory)


def keys(requests: list[Request]) -> Counter[str]:
    return Counter(request.key for request in requests)


def test_every_request_gets_one_reply_with_its_key(case: Case) -> None:
    lengths = random.Random(0)
    requests = [ask(f"passage {number} " + "river " * lengths.randrange(30)) for number in range(21)]
    replies = list(case.engine.generate(requests))
    assert Counter(reply.key for reply in replies) == keys(requests)
    assert {reply.finish for reply in replies} <= {"stop", "length"}
    assert all(reply.prompt_tokens > 0 and reply.reply_tokens > 0 and reply.seconds > 0 for reply in replies)
    assert all(reply.detail == "" for reply in replies)
    assert len({reply.text for reply in replies}) > 1


def test_duplicates_are_each_answered_and_alike(case: Case) -> None:
    requests = [ask("the same river"), ask("another"), ask("the same river"), ask("the same river")]
    replies = list(case.engine.generate(requests))
    assert Counter(reply.key for reply in replies) == keys(requests)
    assert len({reply.text for reply in replies if reply.key == requests[0].key}) == 1


def test_nothing_asked_nothing_answered(case: Case) -> None:
    assert list(case.engine.generate([])) == []
    assert list(case.engine.generate(iter([]))) == []


def test_requests_are_taken_lazily(case: Case) -> None:
    taken = 0

    def requests() -> Iterator[Request]:
        nonlocal taken
        for number in range(40):
            taken += 1
            yield ask(f"passage {number}")

    ahead = [taken - done for done, _ in enumerate(case.engine.generate(requests()), start=1)]
    assert taken == len(ahead) == 40
    assert max(ahead) <= case.ahead


def test_a_prompt_that_does_not_fit_is_said_so_and_the_others_are_answered(case: Case) -> None:
    requests = [ask("one"), ask(TOO_LONG), ask("two"), ask(TOO_LONG + "again"), ask("three")]
    replies = {reply.key: reply for reply in case.engine.generate(requests)}
    assert Counter(reply.finish == "context_too_long" for reply in replies.values()) == {True: 2, False: 3}
    too_long = replies[requests[1].key]
    assert too_long.finish == "context_too_long"
    assert too_long.text == ""
    assert too_long.detail


def test_only_prompts_that_do_not_fit(case: Case) -> None:
    assert [reply.finish for reply in case.engine.generate([ask(TOO_LONG)])] == ["context_too_long"]


def test_any_text_goes_in_and_text_comes_out(case: Case) -> None:
    requests = [ask(text) for text in UNICODE]
    replies = list(case.engine.generate(requests))
    assert Counter(reply.key for reply in replies) == keys(requests)
    assert {reply.finish for reply in replies} <= {"stop", "length"}
    for reply in replies:
        json.dumps(reply.text, ensure_ascii=False).encode()


def test_one_seed_one_text(case: Case) -> None:
    warm = Sampling(1.0, 0.95, 12)
    requests = [ask("a river", sampling=warm, seed=seed) for seed in range(4)]
    first = {reply.key: reply.text for reply in case.engine.generate(requests)}
    again = {reply.key: reply.text for reply in case.engine.generate(requests[::-1])}
    assert first == again


def test_a_reply_ends_at_max_tokens(case: Case) -> None:
    replies = list(case.engine.generate([ask(f"[[length]] {n}", sampling=Sampling(1.0, 1.0, 7)) for n in range(6)]))
    assert "length" in {reply.finish for reply in replies}
    assert all(reply.reply_tokens == 7 for reply in replies if reply.finish == "length")


def test_a_caller_that_stops_early_can_go_on(case: Case) -> None:
    replies = case.engine.generate(ask(f"early {number}") for number in range(100))
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    after = [ask("after"), ask("wards")]
    assert Counter(reply.key for reply in case.engine.generate(after)) == keys(after)


def test_a_schema_harms_no_engine(case: Case) -> None:
    """The local engine ignores it, a server is asked for it, and vLLM holds the reply to it."""
    requests = [ask(f"rivers {number}", schema=SCHEMA, sampling=Sampling(0.0, 1.0, 100)) for number in range(3)]
    replies = list(case.engine.generate(requests))
    assert Counter(reply.key for reply in replies) == keys(requests)
    assert {reply.finish for reply in replies} <= {"stop", "length"}
