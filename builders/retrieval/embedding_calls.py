"""Batches of texts to vectors over HTTP: attempts, waits, batches and texts that are too long, when to stop."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.llm.requests import EngineStopped
from builders.llm.retries import Breaker, Retries, wait_before
from builders.llm.server_address import checked_address, is_loopback, key_for
from builders.llm.server_faults import BadBody, Fault, fault_of, message_of
from builders.retrieval.encoders import EncoderOptions

_GO_ON = "every vector received before is kept; run the same command again to go on"
_TIMEOUT = 120.0
# With nothing answered yet, a server that is not there after this many tries was not started or is somewhere else.
_TRIES_TO_FIND = 3
# A text that the server calls too long keeps this share of its characters, again and again.
_KEPT = 0.75


@dataclass(frozen=True)
class Answer:
    """The vectors of one batch, and how many of its texts had to be cut."""

    vectors: NDArray[np.float32]
    truncated: int


class EmbeddingCalls:
    """The client of one server. Lives on one event loop."""

    def __init__(self, options: EncoderOptions, retries: Retries, extra: Mapping[str, Any]) -> None:
        self.address = checked_address(options.base_url)
        self._options, self._retries, self._extra = options, retries, dict(extra)
        self._key = key_for(self.address, options.api_key_env)
        self._client: Any = None

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
        if self._client is not None:
            await self._client.close()

    async def _embed(self, batch: list[str], breaker: Breaker) -> Answer:
        result = await self._attempts(batch, breaker)
        if not isinstance(result, Fault):
            return Answer(result, 0)
        # Too long is either one text for the model or the whole batch for the server: halve it, then cut the text.
        if len(batch) > 1:
            half = len(batch) // 2
            first, second = await self._embed(batch[:half], breaker), await self._embed(batch[half:], breaker)
            return Answer(np.concatenate([first.vectors, second.vectors]), first.truncated + second.truncated)
        shorter = batch[0][: int(len(batch[0]) * _KEPT)]
        if not shorter:
            raise EngineStopped(f"the server at {self.address} {result.what}, for a text of one character; {_GO_ON}")
        cut = await self._embed([shorter], breaker)
        return replace(cut, truncated=1)

    async def _attempts(self, batch: list[str], breaker: Breaker) -> NDArray[np.float32] | Fault:
        """The vectors; a Fault of the kind too_long, and no other. Raises EngineStopped."""
        tries = charged = 0
        while True:
            try:
                vectors = await self._call(batch)
            except Exception as error:  # noqa: BLE001 - fault_of raises what it does not know
                fault = fault_of(error)
                fault = replace(fault, what=fault.what.replace(self._key, "***"))
            else:
                breaker.replied()
                return vectors
            if fault.kind == "too_long":
                breaker.replied()
                return fault
            tries += 1
            charged += fault.kind != "limited"
            self._stop_where_hopeless(fault, charged, breaker)
            await asyncio.sleep(wait_before(tries, self._retries, fault.wait))

    def _stop_where_hopeless(self, fault: Fault, charged: int, breaker: Breaker) -> None:
        where, variable = f"the server at {self.address} {fault.what}", self._options.api_key_env
        advice = {
            "denied": f"check the key in {variable}",
            "no_credit": f"the account of the key in {variable} has no credit left",
            "no_model": f"it has no model {self._options.model!r}",
            "no_page": "base_url is wrong, or the server has no /embeddings",
            "rejected": "it takes no such request: change the options",
            "refused": "it will not encode one of the texts",
        }
        if fault.kind in advice:
            raise EngineStopped(f"{where}: {advice[fault.kind]}; {_GO_ON}")
        if fault.wait is not None and fault.wait > self._retries.patience:
            raise EngineStopped(f"{where} and asks to wait {fault.wait:.0f} s; {_GO_ON}")
        if fault.kind == "limited":
            lasted = breaker.rate_limited()
            if lasted is not None:
                raise EngineStopped(f"{where}, and nothing else for {lasted:.0f} s; {_GO_ON}")
            return
        nobody_yet = fault.kind == "away" and not breaker.answered
        most = min(self._retries.max_attempts, _TRIES_TO_FIND if nobody_yet else self._retries.max_attempts)
        if breaker.failed() is not None or charged >= most:
            start = "start it, or correct base_url; " if fault.kind == "away" and fault.status is None else ""
            raise EngineStopped(f"{where} (the last {charged} attempts failed); {start}{_GO_ON}")

    async def _call(self, batch: list[str]) -> NDArray[np.float32]:
        import httpx2

        body = {"model": self._options.model, "input": batch, "encoding_format": "float", **self._extra}
        body = {name: value for name, value in body.items() if value is not None}
        async with asyncio.timeout(_TIMEOUT):
            answer = await self._open().post("/embeddings", cast_to=httpx2.Response, body=body)
        return read_vectors(answer.content, len(batch))

    def _open(self) -> Any:
        if self._client is None:
            import httpx2
            import openai

            most = self._options.concurrency
            limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
            timeout = httpx2.Timeout(_TIMEOUT, connect=10.0)
            # A proxy of the environment cannot reach a server on this machine.
            proxies = not is_loopback(self.address)
            http = openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, trust_env=proxies)
            self._client = openai.AsyncOpenAI(api_key=self._key, base_url=self.address, max_retries=0, http_client=http)
        return self._client


def read_vectors(data: bytes, n: int) -> NDArray[np.float32]:
    """(n, dim) from a 200 answer, put in order by `index`. Raises BadBody where it is not that."""
    try:
        body = json.loads(data)
        rows = body["data"]
        found: list[Any] = [None] * n
        for at, row in enumerate(rows):
            found[int(row.get("index", at))] = _numbers(row["embedding"])
        vectors = np.asarray(found, dtype=np.float32)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise BadBody(_told(data)) from None
    if vectors.ndim != 2 or len(rows) != n:
        raise BadBody(f"{len(rows)} vectors for {n} texts, or of unequal lengths")
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
