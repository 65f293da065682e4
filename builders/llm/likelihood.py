"""The likelihood of an answer that is given: what a request for it is, and the reply that it gets."""

import math
from collections.abc import Mapping
from typing import Any

from builders.llm.requests import Reply, Request

DECIMALS = 6


def is_scored(request: Request) -> bool:
    """Whether the request asks for the likelihood of its last turn, the assistant's, and not for another turn."""
    return request.messages[-1]["role"] == "assistant"


def prompt_and_answer(
    tokenizer: Any, request: Request, template_kwargs: Mapping[str, Any] | None = None
) -> tuple[list[int], list[int]]:
    """The tokens up to the assistant's turn, as the chat template begins it, and those of the turn that is scored.

    The turn is tokenised by itself, so that the same query has the same tokens after every passage; the token that
    would end it is not counted. Empty where a reply is to be written.
    """
    scored = is_scored(request)
    before = [dict(message) for message in (request.messages[:-1] if scored else request.messages)]
    prompt: list[int] = tokenizer.apply_chat_template(
        before, add_generation_prompt=True, tokenize=True, return_dict=False, **(template_kwargs or {})
    )
    answer: list[int] = []
    if scored:
        answer = tokenizer.encode(request.messages[-1]["content"], add_special_tokens=False)
    return prompt, answer


def likelihood_reply(request: Request, mean: float, prompt_tokens: int, answer_tokens: int, seconds: float) -> Reply:
    """`mean` is the mean log-probability of the answer's tokens, in nats; the text reads back as it, rounded.

    A model that makes NaN, or an answer without a token, has no likelihood: the reply says so.
    """
    if answer_tokens and math.isfinite(mean):
        text = repr(round(mean, DECIMALS))
        return Reply(request.key, text, "stop", "", prompt_tokens, answer_tokens, seconds)
    fault = f"the mean log-probability is {mean}" if answer_tokens else "the answer to be scored has no token"
    return Reply(request.key, "", "failed", fault, prompt_tokens, answer_tokens, seconds)
