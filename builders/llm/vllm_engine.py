"""vLLM in this process behind generate(requests) -> replies: offline, prefix caching, structured outputs."""

import gc
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builders.cli.errors import UserError
from builders.llm.engine_args import check_not_pinned
from builders.llm.likelihood import is_scored, prompt_and_answer
from builders.llm.requests import EngineStopped, Finish, Model, Reply, Request
from builders.llm.vllm_likelihood import scored_reply, scoring
from builders.llm.weights import weights_of

# These are what `Model` pins.
_PINNED = ("model", "revision", "tokenizer", "tokenizer_revision")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request in the engine, its prompt's length, and what the shared clock said when it was sent.

    `answer` holds the tokens whose likelihood is asked for; empty where a reply is to be written.
    """

    request: Request
    prompt_tokens: int
    clock: float
    answer: list[int]


class VLLMEngine:
    """`engine_args` are arguments of vllm.LLM, over the defaults here. At most `in_flight` requests are taken ahead.

    The model's chat template is applied with `chat_template_kwargs`. Replies come as they finish. A request that ends
    with the assistant's turn is scored: the reply is that turn's mean log-probability. On a CPU, vLLM 0.32 dies where
    it splits the prefill of a seeded request: give it "enable_chunked_prefill": false and room for the prompts
    ("max_num_batched_tokens": 32768).
    """

    def __init__(
        self,
        model: Model,
        engine_args: Mapping[str, Any] | None = None,
        *,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        in_flight: int = 1024,
    ) -> None:
        given = dict(engine_args or {})
        check_not_pinned(given, _PINNED, "--model and --revision")
        try:
            import vllm
        except ImportError:
            raise UserError(
                "The package vLLM is not installed here: run `pip install 'drama[vllm]'` in an environment of its own."
            ) from None
        self.model = model
        source, revision = weights_of(model)
        chosen = {"enable_prefix_caching": True, **given, "revision": revision, "tokenizer_revision": revision}
        self._llm: Any = vllm.LLM(model=source, **chosen)
        self._tokenizer: Any = self._llm.get_tokenizer()
        self._longest: int = self._llm.model_config.max_model_len
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._in_flight = in_flight
        self._numbers = itertools.count()
        # Engine seconds divided among the requests in flight, summed: the difference of two readings is one's share.
        self._clock = 0.0

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply for every request. A prompt that does not fit, or that vLLM refuses, is a reply that says so."""
        source = iter(requests)
        sent: dict[str, _Sent] = {}
        try:
            while True:
                for request in itertools.islice(source, self._in_flight - len(sent)):
                    refusal = self._send(request, sent)
                    if refusal is not None:
                        yield refusal
                if not sent:
                    return
                yield from self._step(sent)
        finally:
            # The caller stopped early, or the engine did.
            if sent and self._llm is not None:
                self._llm.llm_engine.abort_request(list(sent))

    def close(self) -> None:
        """Ends the engine's process and frees its memory. May be called twice."""
        if self._llm is None:
            return
        self._llm.llm_engine.engine_core.shutdown()
        self._llm = self._tokenizer = None
        gc.collect()

    def _send(self, request: Request, sent: dict[str, _Sent]) -> Reply | None:
        """Hands one request to vLLM. The reply, where there is nothing to wait for."""
        from vllm.exceptions import VLLMClientError

        scored = is_scored(request)
        prompt, answer = prompt_and_answer(self._tokenizer, request, self._template_kwargs)
        # vLLM writes a token behind what it scores.
        length, room = len(prompt), len(answer) + 1 if scored else request.sampling.max_tokens
        if length + room > self._longest:
            asked = f"{length} prompt tokens and {room} for the reply do not fit into the model's {self._longest}"
            return Reply(request.key, "", "context_too_long", asked, length, 0, 0.0)
        # Not the request's key: two requests may share it.
        name = str(next(self._numbers))
        sampling = scoring() if scored else _sampling(request)
        try:
            self._llm.llm_engine.add_request(name, {"prompt_token_ids": prompt + answer}, sampling)
        except (VLLMClientError, ValueError) as error:
            return Reply(request.key, "", "failed", f"vLLM refused it: {error}"[:500], length, 0, 0.0)
        sent[name] = _Sent(request, length, self._clock, answer)
        return None

    def _step(self, sent: dict[str, _Sent]) -> list[Reply]:
        """One step of the engine; the replies that it finished."""
        from vllm.v1.engine.exceptions import EngineDeadError

        started, sharers = time.perf_counter(), len(sent)
        try:
            outputs = self._llm.llm_engine.step()
        except EngineDeadError as error:
            sent.clear()
            raise EngineStopped(
                f"The engine of vLLM died ({error}); its own log above says why; everything answered is kept; "
                "run the same command again to go on."
            ) from error
        self._clock += (time.perf_counter() - started) / sharers
        return [self._reply(sent.pop(output.request_id), output) for output in outputs if output.finished]

    def _reply(self, sent: _Sent, output: Any) -> Reply:
        written, seconds = output.outputs[0], self._clock - sent.clock
        if is_scored(sent.request):
            return scored_reply(sent.request, sent.answer, output.prompt_logprobs, sent.prompt_tokens, seconds)
        known: dict[str, Finish] = {"stop": "stop", "length": "length"}
        finish = known.get(str(written.finish_reason), "failed")
        detail = f"vLLM ended it: {written.finish_reason}" if finish == "failed" else ""
        made = len(written.token_ids)
        return Reply(sent.request.key, written.text, finish, detail, sent.prompt_tokens, made, seconds)


def _sampling(request: Request) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = request.reply_schema
    return SamplingParams(
        temperature=request.sampling.temperature,
        top_p=request.sampling.top_p,
        max_tokens=request.sampling.max_tokens,
        # vLLM takes a signed 64-bit seed.
        seed=request.seed % (1 << 63),
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=StructuredOutputsParams(json=dict(schema)) if schema is not None else None,
    )
