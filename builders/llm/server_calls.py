"""Calls to one OpenAI-compatible server: attempts, waits, and the sentences with which a run stops."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from builders.llm.requests import EngineStopped
from builders.llm.retries import Breaker, Retries, wait_before
from builders.llm.server_address import checked_address, is_loopback, key_for
from builders.llm.server_faults import OF_THE_ROW, Fault, fault_of

# With nothing answered yet, a server that is not there after this many tries was not started or is somewhere else.
_TRIES_TO_FIND = 3


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go, how many at a time, and how many seconds each attempt may take, to the last byte."""

    base_url: str
    path: str
    model_id: str
    api_key_env: str
    concurrency: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a request has no answer: its last fault, how many attempts counted against it, since when it failed."""

    fault: Fault
    attempts: int
    since: float


class ServerCalls:
    """The client of one server. Lives on one event loop. `kept` says in every sentence what outlives a stopped run."""

    def __init__(self, endpoint: Endpoint, retries: Retries, kept: str) -> None:
        self.address = checked_address(endpoint.base_url)
        self._endpoint, self._retries = endpoint, retries
        self._key = key_for(self.address, endpoint.api_key_env)
        self._go_on = f"{kept}; run the same command again to go on."
        self._client: Any = None

    def open(self) -> Any:
        """The client, made where it is not there yet: importing it and reading certificates takes a second."""
        if self._client is None:
            import httpx2
            import openai

            most, seconds = self._endpoint.concurrency, self._endpoint.timeout
            # The client's own pool keeps 100 connections; more requests than that would open a new one each.
            limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
            timeout = httpx2.Timeout(seconds, connect=min(10.0, seconds))
            # A proxy of the environment cannot reach a server on this machine.
            proxies = not is_loopback(self.address)
            http = openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, trust_env=proxies)
            self._client = openai.AsyncOpenAI(api_key=self._key, base_url=self.address, max_retries=0, http_client=http)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def post(self, body: Mapping[str, Any]) -> bytes:
        """What the server answers with 200. Raises what `fault_of` reads."""
        import httpx2

        client = self.open()
        async with asyncio.timeout(self._endpoint.timeout):
            # The client's generic call: chat.completions.create walks the types of every message first, a quarter of
            # its time, and builds objects of an answer that may miss any field.
            answer = await client.post(self._endpoint.path, cast_to=httpx2.Response, body=dict(body))
        content: bytes = answer.content
        return content

    async def attempts(
        self,
        call: Callable[[], Awaitable[T]],
        breaker: Breaker,
        enough: Callable[[Fault, int], bool] = lambda _fault, _attempts: False,
    ) -> T | Failed:
        """What `call` gives, tried until the request has had its chances or `enough(fault, attempts)` says so.

        Raises EngineStopped where no request can be answered. A fault of the row itself is not tried again.
        """
        tries = charged = 0
        failing_since: float | None = None
        while True:
            try:
                answer = await call()
            except Exception as error:  # noqa: BLE001 - fault_of raises what it does not know
                fault = self._without_key(fault_of(error))
            else:
                breaker.replied()
                return answer
            failing_since = breaker.clock() if failing_since is None else failing_since
            if fault.kind in OF_THE_ROW:
                breaker.replied()
                return Failed(fault, charged + 1, failing_since)
            self._stop_where_hopeless(fault, breaker)
            tries += 1
            # "Too many requests" is nobody's fault: patience bounds it, not the number of attempts.
            charged += fault.kind != "limited"
            if enough(fault, charged) or self._used_up(fault, charged, failing_since, breaker):
                return Failed(fault, charged, failing_since)
            await asyncio.sleep(wait_before(tries, self._retries, fault.wait))

    def stopped(self, fault: Fault, advice: str) -> EngineStopped:
        """The error with which a run stops at this fault: what the server did, what to do, what is kept."""
        return EngineStopped(f"The server at {self.address} {fault.what}: {advice}; {self._go_on}")

    def away(self, fault: Fault, failures: int, breaker: Breaker) -> EngineStopped:
        """The same where the server fails at every request, as it seems."""
        advice = ""
        if fault.kind == "away" and fault.status is None:
            advice = "start it, or correct --base-url; "
        elif not breaker.answered:
            advice = "look at its log, or correct --base-url, --model, --engine-args or --timeout; "
        told = f"The server at {self.address} {fault.what} (the last {failures} attempts failed)"
        return EngineStopped(f"{told}; {advice}{self._go_on}")

    def _used_up(self, fault: Fault, charged: int, failing_since: float, breaker: Breaker) -> bool:
        """True where this request has had its chances."""
        if fault.kind == "limited":
            # Where nobody is answered, the breaker's patience ends, and with it the run.
            return breaker.last_answer > failing_since and breaker.clock() - failing_since >= self._retries.patience
        nobody_yet = fault.kind == "away" and not breaker.answered
        return charged >= min(self._retries.max_attempts, _TRIES_TO_FIND if nobody_yet else self._retries.max_attempts)

    def _stop_where_hopeless(self, fault: Fault, breaker: Breaker) -> None:
        variable = self._endpoint.api_key_env
        advice = {
            "denied": f"check the key in {variable}, or name another variable with --api-key-env",
            "no_model": f"it has no model {self._endpoint.model_id!r}, so correct --model",
            "no_page": f"it has no {self._endpoint.path}, so correct --base-url, which most often ends in /v1",
            "no_credit": f"the account of the key in {variable} has no credit left",
        }
        if fault.kind in advice:
            raise self.stopped(fault, advice[fault.kind])
        patience = self._retries.patience
        if fault.wait is not None and fault.wait > patience:
            asks = f"asks to wait {fault.wait:.0f} s, patience is {patience:.0f} s"
            raise EngineStopped(f"The server at {self.address} {asks}; {self._go_on}")
        if fault.kind == "limited":
            lasted = breaker.rate_limited(fault.what)
            if lasted is not None:
                lasting = f"{fault.what}, and nothing else for {lasted:.0f} s"
                raise EngineStopped(f"The server at {self.address} {lasting}; {self._go_on}")
            return
        failures = breaker.failed(fault.what)
        if failures is not None:
            raise self.away(fault, failures, breaker)

    def _without_key(self, fault: Fault) -> Fault:
        """Servers repeat keys in their complaints."""
        return replace(fault, what=fault.what.replace(self._key, "***").rstrip(". "))
