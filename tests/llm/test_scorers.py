"""Likelihood of a given answer: batched = one by one = a plain forward, with the prefix cache as without."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions, make_scorer
from builders.llm.likelihood import likelihood_reply, prompt_and_answer
from builders.llm.local_scorer import LocalScorer, Pair, ScorerOptions, cut
from builders.llm.prompts import load_prompt
from builders.llm.requests import Engine, Model, Reply, Request
from builders.llm.vllm_likelihood import scored_reply
from tests.llm.making import ask
from tests.llm.tiny_llama import one_thread, write_tiny_llama

MODEL = Model("tiny", "1")
QUERIES = ["cold rivers", "where do the rivers of the north flow to, and why are they so cold?", "北の川", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with one_thread():
        yield write_tiny_llama(tmp_path_factory.mktemp("tiny-llama"), longest=512)


def scorer_of(folder: Path, **changes: Any) -> LocalScorer:
    return LocalScorer(Model(str(folder), "test"), ScorerOptions(**({"dtype": "float32", "device": "cpu"} | changes)))


@pytest.fixture(scope="module")
def scorer(folder: Path) -> LocalScorer:
    return scorer_of(folder)


def pairs(number: int) -> list[Request]:
    prompt = load_prompt("query_likelihood")
    passages = [f"passage {at} " + "of a cold river " * (at % 7) for at in range(number)]
    return [
        prompt.request({"passage": passage, "query": QUERIES[at % len(QUERIES)]}, MODEL, 0)
        for at, passage in enumerate(passages)
    ]


def values(engine: Engine, requests: list[Request]) -> list[float]:
    """In the order of the requests."""
    replies = {reply.key: reply for reply in engine.generate(requests)}
    assert {reply.finish for reply in replies.values()} == {"stop"}
    return [float(replies[request.key].text) for request in requests]


def plainly(engine: Any, request: Request) -> float:
    """One forward over the whole text, and each token of the answer looked up by hand."""
    import torch

    prompt, answer = prompt_and_answer(engine._tokenizer, request)
    with torch.inference_mode():
        logits = engine._model(torch.tensor([prompt + answer])).logits[0].double()
    chances = [logits[len(prompt) + at - 1].softmax(0)[token].item() for at, token in enumerate(answer)]
    return sum(math.log(chance) for chance in chances) / len(chances)


def test_likelihoods_are_those_of_a_plain_forward(scorer: LocalScorer) -> None:
    requests = pairs(9)
    found = values(scorer, requests)
    assert found == pytest.approx([plainly(scorer, request) for request in requests], abs=2e-5)
    assert len({round(value, 3) for value in found}) == 9
    assert len(scorer._prefix.tokens) > 50


def test_with_the_prefix_cache_and_in_any_company_a_likelihood_is_the_same(folder: Path) -> None:
    requests = pairs(17)
    together = values(scorer_of(folder), requests)
    without = scorer_of(folder, prefix_cache=False)
    assert values(without, requests) == pytest.approx(together, abs=2e-5)
    assert without._prefix.tokens == ()
    small = scorer_of(folder, window=5, batch_tokens=700, batch_logits=40)
    assert values(small, requests[::-1])[::-1] == pytest.approx(together, abs=2e-5)
    alone = scorer_of(folder, window=1)
    assert [values(alone, [request])[0] for request in requests] == pytest.approx(together, abs=2e-5)


def test_the_answer_alone_is_counted_and_its_end_is_not(scorer: LocalScorer) -> None:
    (reply,) = scorer.generate([pairs(1)[0]])
    prompt, answer = prompt_and_answer(scorer._tokenizer, pairs(1)[0])
    text = scorer._tokenizer.decode(prompt + answer)
    assert text.endswith("<|user|>Passage: passage 0<|end|><|assistant|>cold rivers")
    assert scorer._tokenizer.decode(answer) == "cold rivers"
    assert (reply.prompt_tokens, reply.reply_tokens) == (len(prompt), len(answer))
    assert reply.seconds > 0
    assert float(reply.text) < 0


def test_what_cannot_be_scored_is_said_so_and_the_others_are_answered(scorer: LocalScorer) -> None:
    prompt = load_prompt("query_likelihood")
    long = prompt.request({"passage": "river " * 900, "query": "river"}, MODEL, 0)
    empty = prompt.request({"passage": "river", "query": " "}, MODEL, 0)
    replies = {reply.key: reply for reply in scorer.generate([long, *pairs(2), empty])}
    assert len(replies) == 4
    assert replies[long.key].finish == "context_too_long"
    assert "512" in replies[long.key].detail
    assert (replies[empty.key].finish, replies[empty.key].text) == ("failed", "")
    assert [reply.finish for reply in scorer.generate([long])] == ["context_too_long"]
    assert list(scorer.generate([])) == []
    with pytest.raises(ValueError, match="does not end with an answer"):
        list(scorer.generate([ask("write something")]))


def test_a_likelihood_reads_back_as_it_was_rounded_and_nan_is_a_failure() -> None:
    request = pairs(1)[0]
    assert float(likelihood_reply(request, -2 / 3, 5, 3, 0.1).text) == -0.666667
    assert float(likelihood_reply(request, -1e-9, 5, 3, 0.1).text) == 0
    for mean in (math.nan, -math.inf):
        reply = likelihood_reply(request, mean, 5, 3, 0.1)
        assert (reply.finish, reply.text) == ("failed", "")
        assert str(mean) in reply.detail


def test_batches_stay_within_both_bounds() -> None:
    rows = [
        Pair(ask("x"), [1] * n, [2] * m) for n, m in ((90, 10), (50, 2), (50, 9), (20, 1), (20, 1), (20, 1), (5, 1))
    ]
    batches = list(cut(rows, 130, 12))
    assert [row for batch in batches for row in batch] == rows
    assert [len(batch) for batch in batches] == [1, 1, 1, 4]
    assert list(cut([], 130, 12)) == []


def test_a_model_served_elsewhere_cannot_judge_by_likelihood() -> None:
    with pytest.raises(UserError, match=r"--engine local or --engine vllm"):
        make_scorer(EngineOptions(engine="openai", model="served"))


class Logprob:
    """As vLLM gives it."""

    def __init__(self, logprob: float) -> None:
        self.logprob = logprob


def test_vllm_gives_the_log_probabilities_of_the_whole_prompt_and_the_answers_are_the_last() -> None:
    request = pairs(1)[0]
    # The first token has none; a place can hold the likeliest token too.
    prompt = [None, {7: Logprob(-9.0)}, {3: Logprob(-1.0), 8: Logprob(-0.1)}, {4: Logprob(-2.0)}]
    reply = scored_reply(request, [3, 4], prompt, 2, 0.5)
    assert reply == Reply(request.key, "-1.5", "stop", "", 2, 2, 0.5)
    assert scored_reply(request, [3, 4], None, 2, 0.5).finish == "failed"
    assert scored_reply(request, [1, 7, 3, 4], prompt, 0, 0.5).finish == "failed"


@pytest.mark.vllm
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed here")
def test_vllm_scores_as_transformers_does(folder: Path, scorer: LocalScorer) -> None:
    from builders.llm.vllm_engine import VLLMEngine

    arguments = {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 8, "gpu_memory_utilization": 0.2}
    engine = VLLMEngine(Model(str(folder), "test"), arguments, in_flight=8)
    requests = pairs(9)
    try:
        assert values(engine, requests) == pytest.approx(values(scorer, requests), abs=1e-3)
        written = list(engine.generate([ask("write something"), *requests[:2]]))
        assert len({reply.key for reply in written}) == 3
        too_long = load_prompt("query_likelihood").request({"passage": "river " * 900, "query": "river"}, MODEL, 0)
        assert [reply.finish for reply in engine.generate([too_long])] == ["context_too_long"]
    finally:
        engine.close()
