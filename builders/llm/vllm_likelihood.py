"""vLLM as a scorer: how it is asked for the log-probabilities of a prompt, and the reply out of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from builders.llm.likelihood import likelihood_reply
from builders.llm.requests import Reply, Request


def scoring() -> Any:
    """Log-probabilities of the prompt's own tokens (0: of no others), and one token written, the fewest there can be.

    vLLM reads nothing from its prefix cache for such a request: the few-shot turns are computed each time.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0, max_tokens=1, prompt_logprobs=0, output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False
    )


def scored_reply(
    request: Request,
    answer: Sequence[int],
    logprobs: Sequence[Mapping[int, Any] | None] | None,
    prompt_tokens: int,
    seconds: float,
) -> Reply:
    """The mean over the last len(answer) tokens of what was sent: `logprobs` holds {token: its Logprob} of each."""
    mean = math.nan
    if answer and logprobs is not None:
        found = [
            at[token].logprob if at else math.nan for token, at in zip(answer, logprobs[-len(answer) :], strict=True)
        ]
        mean = math.fsum(found) / len(found)
    return likelihood_reply(request, mean, prompt_tokens, len(answer), seconds)
