"""A cross-encoder as an engine: each request is a query and a passage, each reply the probability that it answers."""

import itertools
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from builders.cli.errors import UserError
from builders.llm.requests import Reply, Request, Sampling, make_request
from builders.llm.weights import pinned_model, weights_of
from builders.retrieval.encoders import Dtype, resolved, shown

_DECIMALS = 6
# Pairs read ahead and sorted by length, so that a batch needs little padding.
_WINDOW = 256
_SCORED = Sampling(0, 1, 1)


class CrossEncoderEngine:
    """Any sequence classifier with one output that sentence-transformers loads. A reply is the sigmoid of its logit.

    Always the sigmoid, whatever the model's own settings say of an activation: a share of the own chunk's score means
    nothing where scores may be below 0.
    """

    def __init__(
        self, model: str, revision: str | None = None, *, dtype: Dtype = "auto", max_length: int | None = None
    ) -> None:
        self._pinned = pinned_model(model, revision)
        self.model = shown(self._pinned)
        self._dtype, self._max_length = resolved(dtype), max_length
        self._loaded: Any = None

    def identity(self) -> dict[str, Any]:
        return {"dtype": self._dtype, "max_length": self._max_length}

    def request(self, query: str, passage: str) -> Request:
        messages = ({"role": "query", "content": query}, {"role": "passage", "content": passage})
        key = f"cross-encoder {self._dtype} {self._max_length}"
        return make_request(messages, prompt_version=key, model=self.model, sampling=_SCORED, seed=0, reply_schema=None)

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        source = iter(requests)
        while window := list(itertools.islice(source, _WINDOW)):
            window.sort(key=lambda request: -sum(len(message["content"]) for message in request.messages))
            loaded = self._load()
            started = time.perf_counter()
            logits = loaded.predict(
                [tuple(message["content"] for message in request.messages) for request in window],
                show_progress_bar=False,
                activation_fn=_Same(),
            )
            seconds = (time.perf_counter() - started) / len(window)
            for request, logit in zip(window, logits.tolist(), strict=True):
                yield _reply(request, float(logit), seconds)

    def close(self) -> None:
        """Lets go of the weights. May be called twice."""
        self._loaded = None

    def _load(self) -> Any:
        if self._loaded is not None:
            return self._loaded
        try:
            import torch
            from sentence_transformers import CrossEncoder
            from transformers.utils import logging
        except ImportError:
            raise UserError(
                "The package sentence-transformers is not installed here: run `pip install 'drama[mine]'`, or ask for "
                "another opinion than cross-encoder."
            ) from None
        logging.disable_progress_bar()
        source, revision = weights_of(self._pinned)
        arguments = {"dtype": getattr(torch, self._dtype)}
        loaded: Any = CrossEncoder(source, revision=revision, model_kwargs=arguments, max_length=self._max_length)
        if loaded.num_labels != 1:
            raise UserError(
                f"The model {self.model.id} has {loaded.num_labels} outputs, and a cross-encoder that scores has one: "
                "name another with --cross-encoder."
            )
        self._loaded = loaded
        return loaded


class _Same:
    """No activation: the logits as they are."""

    def __call__(self, logits: Any) -> Any:
        return logits


def _reply(request: Request, logit: float, seconds: float) -> Reply:
    if not math.isfinite(logit):
        return Reply(request.key, "", "failed", f"the score is {logit}", 0, 0, seconds)
    probability = 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
    return Reply(request.key, repr(round(probability, _DECIMALS)), "stop", "", 0, 0, seconds)
