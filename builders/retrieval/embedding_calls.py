"""Batches of texts to vectors over HTTP, and what is done with batches and texts that are too long."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.llm.retries import Breaker, Retries
from builders.llm.server_calls import Endpoint, Failed, ServerCalls
from builders.llm.server_faults import BadBody, message_of
from builders.retrieval.encoders import EncoderOptions

_KEPT = "every vector that was stored is kept"
_WANTED = "embeddings"
# A text that the server calls too long keeps this share of its characters, again and again.
_KEPT_OF_TEXT = 0.75
# A text that is left out would be a row without a vector.
_REFUSED = {
    "rejected": "it takes no such request, so correct --engine-args or --batch-size",
    "refused": "it will not encode one of the texts, so name another server, or mend that row",
}


@dataclass(frozen=True)
class Answer:
    """The vectors of one batch, and how many of its texts had to be cut."""

    vectors: NDArray[np.float32]
    truncated: int


class EmbeddingCalls:
    """The client of one server. Lives on one event loop."""

    def __init__(self, options: EncoderOptions, retries: Retries, extra: Mapping[str, Any]) -> None:
        self._options, self._retries, self._extra = options, retries, dict(extra)
        limits = options.concurrency, options.timeout
        endpoint = Endpoint(options.base_url, "/embeddings", options.model, options.api_key_env, *limits)
        self._server = ServerCalls(endpoint, retries, _KEPT)

    async def embed_all(self, batches: list[list[str]]) -> list[Answer]:
        """One answer for each batch, in order. Raises EngineStopped; what is in flight is then dropped."""
        breaker = Breaker(self._retries, self._options.concurrency)
        slots = asyncio.Semaphore(self._options.concurrency)

        async def one(batch: list[str]) -> Answer:
            async with slots:
                return await self._embed(batch, breaker)

        tasks = [asyncio.ensure_future(one(batch)) for batch in batches]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self._server.close()

    async def _embed(self, batch: list[str], breaker: Breaker) -> Answer:
        result = await self._server.attempts(lambda: self._call(batch), breaker)
        if not isinstance(result, Failed):
            return Answer(result, 0)
        if result.fault.kind in _REFUSED:
            raise self._server.stopped(result.fault, _REFUSED[result.fault.kind])
        if result.fault.kind != "too_long":
            raise self._server.away(result.fault, result.attempts, breaker)
        # Too long is either one text for the model or the whole batch for the server: halve it, then cut the text.
        if len(batch) > 1:
            half = len(batch) // 2
            first, second = await self._embed(batch[:half], breaker), await self._embed(batch[half:], breaker)
            return Answer(np.concatenate([first.vectors, second.vectors]), first.truncated + second.truncated)
        shorter = batch[0][: int(len(batch[0]) * _KEPT_OF_TEXT)]
        if not shorter:
            raise self._server.stopped(result.fault, "it says so of a text of one character, so correct --engine-args")
        cut = await self._embed([shorter], breaker)
        return replace(cut, truncated=1)

    async def _call(self, batch: list[str]) -> NDArray[np.float32]:
        body = {"model": self._options.model, "input": batch, "encoding_format": "float", **self._extra}
        answer = await self._server.post({name: value for name, value in body.items() if value is not None})
        return read_vectors(answer, len(batch))


def read_vectors(data: bytes, n: int) -> NDArray[np.float32]:
    """(n, dim) from a 200 answer, put in order by `index`. Raises BadBody where it is not that."""
    try:
        rows = json.loads(data)["data"]
        if len(rows) != n:
            raise BadBody(f"{len(rows)} vectors for {n} texts", _WANTED)
        found: list[Any] = [None] * n
        for at, row in enumerate(rows):
            found[int(row.get("index", at))] = _numbers(row["embedding"])
        vectors = np.asarray(found, dtype=np.float32)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise BadBody(_told(data), _WANTED) from None
    if vectors.ndim != 2:
        raise BadBody("no two-dimensional array of numbers", _WANTED)
    return vectors


def _numbers(embedding: Any) -> Any:
    """A list of numbers; some servers send base64 of float32 whatever they are asked for. null stands for NaN."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return [np.nan if number is None else number for number in embedding]


def _told(data: bytes) -> str:
    try:
        return message_of(json.loads(data))[:200] or data[:200].decode(errors="replace")
    except ValueError:
        return data[:200].decode(errors="replace")
