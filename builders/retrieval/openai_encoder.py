"""Any OpenAI-compatible /embeddings server behind encode(texts, role)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.llm.engine_args import read_engine_args
from builders.llm.requests import served_model
from builders.llm.retries import Retries
from builders.retrieval.embedding_calls import EmbeddingCalls
from builders.retrieval.encoders import EncoderOptions, Role, identity_of, same_dim, unit_vectors


class OpenAIEncoder:
    """Requests of `batch_size` texts, `concurrency` in flight. `model.revision` is what the user knows of it."""

    def __init__(self, options: EncoderOptions, retries: Retries | None = None) -> None:
        self.model = served_model(options.model, options.revision)
        self.truncated = 0
        self._options = options
        extra = read_engine_args(options.engine_args)
        self._calls = EmbeddingCalls(options, retries or Retries(), extra)
        self._runner: asyncio.Runner | None = asyncio.Runner()
        self._dim: int | None = None

    @property
    def dim(self) -> int:
        if self._dim is None:
            self.encode(["."], "document")
        assert self._dim is not None
        return self._dim

    def identity(self, role: Role) -> dict[str, Any]:
        return identity_of(self._options, self.model, role, "served")

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Raises EngineStopped where the server cannot go on."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        assert self._runner is not None, "the encoder was closed"
        prompt = (self._options.query_prompt if role == "query" else self._options.document_prompt) or ""
        # Texts of like length in one request: a server that pads a batch wastes least.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        size = self._options.batch_size
        batches = [[prompt + texts[at] for at in order[start : start + size]] for start in range(0, len(order), size)]
        answers = self._runner.run(self._calls.embed_all(batches))
        self.truncated += sum(answer.truncated for answer in answers)
        for answer in answers:
            self._dim = same_dim(answer.vectors, self._dim, self.model)
        vectors = np.empty((len(texts), self.dim), np.float32)
        vectors[order] = np.concatenate([answer.vectors for answer in answers])
        return unit_vectors(vectors)

    def close(self) -> None:
        """Closes the connections. May be called twice."""
        if self._runner is not None:
            self._runner.run(self._calls.close())
            self._runner.close()
            self._runner = None
