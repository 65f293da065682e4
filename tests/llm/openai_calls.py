"""Calls through the openai engine with the real rules and short waits."""

import pytest

from builders.llm.chat_calls import OpenAIOptions
from builders.llm.openai_engine import OpenAIEngine
from builders.llm.requests import EngineStopped, Reply, Request
from builders.llm.retries import Retries
from tests.llm.loopback import Loopback
from tests.llm.making import MODEL

QUICK = Retries(first_wait=0.002, longest_wait=0.01, outage=0.0)


def options(**changes: object) -> OpenAIOptions:
    return OpenAIOptions(**{"retries": QUICK, "concurrency": 8, "timeout": 20.0} | changes)  # type: ignore[arg-type]


def replies_of(server: Loopback, requests: list[Request], **changes: object) -> list[Reply]:
    engine = OpenAIEngine(MODEL, server.url, options(**changes))
    try:
        return list(engine.generate(requests))
    finally:
        engine.close()


def stopped(server: Loopback | str, requests: list[Request], **changes: object) -> tuple[list[Reply], str]:
    """What came before the engine stopped, and the sentence with which it did."""
    engine = OpenAIEngine(MODEL, server if isinstance(server, str) else server.url, options(**changes))
    got: list[Reply] = []
    try:
        with pytest.raises(EngineStopped) as caught:
            got.extend(engine.generate(requests))
    finally:
        engine.close()
    return got, str(caught.value)
