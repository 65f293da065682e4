"""Requests for the tests of engines."""

from collections.abc import Mapping
from typing import Any

from builders.llm.requests import Model, Request, Sampling, make_request

MODEL = Model("tiny", "1")
GREEDY = Sampling(0.0, 1.0, 16)
SCHEMA = {
    "type": "object",
    "properties": {"task": {"type": "string"}, "query": {"type": "string"}, "language": {"type": "string"}},
    "required": ["task", "query", "language"],
    "additionalProperties": False,
}


def ask(
    text: str,
    *,
    model: Model = MODEL,
    sampling: Sampling = GREEDY,
    seed: int = 0,
    schema: Mapping[str, Any] | None = None,
    system: str = "You write queries.",
) -> Request:
    messages = ({"role": "system", "content": system}, {"role": "user", "content": text})
    return make_request(messages, prompt_version="test", model=model, sampling=sampling, seed=seed, reply_schema=schema)
