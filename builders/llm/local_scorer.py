"""transformers in this process as a scorer: the mean log-probability of given answers, by prefill only."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builders.llm.decoding import Prefix, cache_argument, lay_out, next_prefix, spread
from builders.llm.likelihood import is_scored, likelihood_reply, prompt_and_answer
from builders.llm.local_engine import load_model
from builders.llm.requests import Model, Reply, Request


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """How the model is run."""

    # Requests read ahead and sorted by length, so that a batch needs little padding.
    window: int = 256
    # Tokens that a batch may hold, rows times the longest: keys and values of 0.75 GB for SmolLM2 at 32,768.
    batch_tokens: int = 8192
    # Logits that a batch may hold, in positions: 200 MB in bfloat16 with a vocabulary of 49,152.
    batch_logits: int = 2048
    # auto: what is fastest there.
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    # None: a GPU where there is one.
    device: str | None = None
    prefix_cache: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """A request, the tokens before the answer, and those of the answer."""

    request: Request
    prompt: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        """Tokens that the model reads: the last of the answer is only looked up."""
        return len(self.prompt) + len(self.answer) - 1


class LocalScorer:
    """An Engine whose requests end with the assistant's turn; its replies are that turn's mean log-probability.

    The log-softmax is float32 whatever the weights are; in bfloat16 a reply depends a little on its batch and differs
    from float32's by some hundredths of a nat (SmolLM2). Raises UserError where the model has no chat template.
    """

    def __init__(
        self, model: Model, options: ScorerOptions | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.model = model
        self._options = options or ScorerOptions()
        device, dtype = self._options.device, self._options.dtype
        self._tokenizer, self._model = load_model(model, dtype, device, say)
        self._longest: int = self._model.config.max_position_embeddings
        self._prefix = Prefix((), None)

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply for every request, a window of them at a time. ValueError for one without an answer to score."""
        source = iter(requests)
        while window := list(itertools.islice(source, self._options.window)):
            pairs: list[Pair] = []
            for request in window:
                if not is_scored(request):
                    raise ValueError("a scorer is asked for a reply: the request does not end with an answer")
                pair = Pair(request, *prompt_and_answer(self._tokenizer, request))
                if not pair.answer:
                    yield likelihood_reply(request, 0.0, len(pair.prompt), 0, 0.0)
                elif pair.length > self._longest:
                    yield self._too_long(pair)
                else:
                    pairs.append(pair)
            yield from self._window(pairs)

    def close(self) -> None:
        """Lets go of the weights. May be called twice."""
        self._model = None
        self._prefix = Prefix((), None)

    def _window(self, pairs: list[Pair]) -> Iterator[Reply]:
        if not pairs:
            return
        started = time.perf_counter()
        prefix = Prefix((), None)
        if self._options.prefix_cache:
            prefix = next_prefix(self._model, self._prefix, [pair.prompt for pair in pairs])
            self._prefix = prefix if prefix.tokens else self._prefix
        reading = (time.perf_counter() - started) / len(pairs)
        # Longest first: what does not fit into memory shows at once.
        pairs.sort(key=lambda pair: -pair.length)
        for batch in cut(pairs, self._options.batch_tokens, self._options.batch_logits):
            started = time.perf_counter()
            means = score(self._model, batch, prefix)
            seconds = reading + (time.perf_counter() - started) / len(batch)
            for pair, mean in zip(batch, means, strict=True):
                yield likelihood_reply(pair.request, mean, len(pair.prompt), len(pair.answer), seconds)

    def _too_long(self, pair: Pair) -> Reply:
        asked = f"{len(pair.prompt)} prompt tokens and {len(pair.answer)} to be scored"
        detail = f"{asked} do not fit into the model's {self._longest}"
        return Reply(pair.request.key, "", "context_too_long", detail, len(pair.prompt), 0, 0.0)


def cut(pairs: Sequence[Pair], tokens: int, logits: int) -> Iterator[list[Pair]]:
    """Cuts pairs, longest first, so that rows times the longest, and times the longest answer, stay within bounds."""
    batch: list[Pair] = []
    for pair in pairs:
        rows, answer = len(batch) + 1, max(len(other.answer) for other in (*batch, pair))
        if batch and (rows * batch[0].length > tokens or rows * answer > logits):
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def score(model: Any, pairs: Sequence[Pair], prefix: Prefix) -> list[float]:
    """The mean log-probability of each answer's tokens, in nats. `prefix` is a start of every prompt, already read."""
    import torch

    length, device = len(prefix.tokens), model.device
    suffixes = [[*pair.prompt, *pair.answer[:-1]][length:] for pair in pairs]
    ids, mask, positions = lay_out(suffixes, length, device)  # B S, B P+S, B S
    longest = max(len(pair.answer) for pair in pairs)
    cache: dict[str, Any] = {"use_cache": False}
    if length:
        cache = {cache_argument(): spread(prefix, len(pairs)), "use_cache": True}
    means = []
    with torch.inference_mode():
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=longest, **cache
        ).logits  # B T V: every row ends with its answer
        for pair, its in zip(pairs, logits, strict=True):
            given = its[-len(pair.answer) :].float().log_softmax(dim=-1)  # A V
            wanted = torch.tensor(pair.answer, device=device).unsqueeze(1)  # A 1
            means.append(float(given.gather(1, wanted).mean()))
    return means
