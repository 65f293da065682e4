"""One request to one reply over HTTP: attempts, waits, the dialect of the server, and when to stop the run."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.llm.chat_completions import body_of, read_reply
from builders.llm.dialects import DIALECTS, REFUSALS, Dialect
from builders.llm.requests import EngineStopped, Finish, Model, Reply, Request
from builders.llm.retries import Breaker, Retries, wait_before
from builders.llm.server_address import checked_address, is_loopback, key_for
from builders.llm.server_faults import Fault, fault_of

_GO_ON = "everything answered is kept; run the same command again to go on"
_SUBJECT = "the server "
_FINISH: dict[str, Finish] = {"too_long": "context_too_long", "refused": "refusal"}
# With nothing answered yet, a server that is not there after this many tries was not started or is somewhere else.
_TRIES_TO_FIND = 3
_OF_THE_ROW = frozenset({"rejected", *_FINISH})
_HARMLESS = "Write one short sentence about a river."


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """How to talk to a server."""

    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 64
    # Seconds for one attempt, from sending to the last byte.
    timeout: float = 600.0
    retries: Retries = field(default_factory=Retries)
    # auto: the first request that has a reply_schema is sent alone, and shows which dialect the server takes.
    dialect: Dialect | Literal["auto"] = "auto"
    # auto: max_tokens, until the server says that it wants max_completion_tokens.
    tokens_field: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
    # Further fields of the body, over those that are sent anyway; None leaves a field out.
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Written so that NaN, which is neither more nor less than 0, is refused.
        if not self.timeout > 0:
            raise UserError(
                f"The --timeout {self.timeout:g} is not a number of seconds above 0: give one.", exit_code=2
            )


class ChatCalls:
    """The client of one server and what it has learnt about it. Lives on one event loop."""

    def __init__(self, model: Model, base_url: str, options: OpenAIOptions, say: Callable[[str], None]) -> None:
        import httpx2
        import openai

        self.address = checked_address(base_url)
        self.dialect: Dialect | None = None if options.dialect == "auto" else options.dialect
        self._tokens_field = "max_tokens" if options.tokens_field == "auto" else options.tokens_field
        self._model = model
        self._options = options
        self._say = say
        self._probing, self._checking = asyncio.Lock(), asyncio.Lock()
        self._key = key_for(self.address, options.api_key_env)
        timeout = httpx2.Timeout(options.timeout, connect=min(10.0, options.timeout))
        # The client's own pool keeps 100 connections; more requests than that would open a new one each.
        limits = httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
        # A proxy of the environment cannot reach a server on this machine.
        http = openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, trust_env=not is_loopback(self.address))
        self._client = openai.AsyncOpenAI(api_key=self._key, base_url=self.address, max_retries=0, http_client=http)

    async def close(self) -> None:
        await self._client.close()

    async def reply_to(self, request: Request, breaker: Breaker) -> Reply:
        """The reply, also where it is that the row cannot be answered. Raises EngineStopped where no row can be."""
        if request.reply_schema is None or self.dialect is not None:
            return _reply(request, await self._attempts(request, self.dialect or "none", breaker))
        async with self._probing:
            if self.dialect is None:
                return _reply(request, await self._probe(request, breaker))
        return _reply(request, await self._attempts(request, self.dialect, breaker))

    async def _probe(self, request: Request, breaker: Breaker) -> Reply | Fault:
        result: Reply | Fault
        for dialect in DIALECTS:
            result = await self._attempts(request, dialect, breaker, probing=dialect != DIALECTS[-1])
            if isinstance(result, Reply):
                self.dialect = dialect
                self._say(f"The server at {self.address} takes structured output as {dialect}.")
                return result
            if result.kind in _FINISH or result.status not in REFUSALS:
                break
        # The row itself was refused, which says nothing about dialects: the next row finds out.
        return result

    async def _attempts(
        self, request: Request, dialect: Dialect, breaker: Breaker, *, probing: bool = False
    ) -> Reply | Fault:
        tries = charged = 0
        failing_since: float | None = None
        while True:
            tokens_field = self._tokens_field
            try:
                reply = await self._call(request, dialect, tokens_field)
            except Exception as error:  # noqa: BLE001 - fault_of raises what it does not know
                fault = self._without_key(fault_of(error))
            else:
                breaker.replied()
                return reply
            if self._learns_tokens_field(fault, tokens_field):
                continue
            if fault.kind in _OF_THE_ROW:
                breaker.replied()
                return fault
            self._stop_where_hopeless(fault, breaker)
            tries += 1
            # "Too many requests" is nobody's fault: patience bounds it, not the number of attempts.
            charged += fault.kind != "limited"
            failing_since = breaker.clock() if failing_since is None else failing_since
            if probing and fault.status in REFUSALS and charged >= 2:
                return fault
            if self._used_up(fault, charged, failing_since, breaker):
                await self._stop_where_silent(request, dialect, fault, charged, failing_since, breaker)
                return fault
            await asyncio.sleep(wait_before(tries, self._options.retries, fault.wait))

    def _used_up(self, fault: Fault, charged: int, failing_since: float, breaker: Breaker) -> bool:
        """True where this row has had its chances."""
        retries = self._options.retries
        if fault.kind == "limited":
            # Where nobody is answered, the breaker's patience ends, and with it the run.
            return breaker.last_answer > failing_since and breaker.clock() - failing_since >= retries.patience
        nobody_yet = fault.kind == "away" and not breaker.answered
        return charged >= min(retries.max_attempts, _TRIES_TO_FIND if nobody_yet else retries.max_attempts)

    async def _stop_where_silent(
        self, request: Request, dialect: Dialect, fault: Fault, charged: int, failing_since: float, breaker: Breaker
    ) -> None:
        """Raises EngineStopped where the server has answered nothing since this row first failed.

        One bad row, alone at the end of a run or ahead of slow ones, looks like that too, and would stop every run
        after this one: so a question of the same shape, with words that no server chokes on, is asked before.
        """
        async with self._checking:
            if breaker.last_answer > failing_since:
                return
            messages = tuple({**message, "content": _HARMLESS} for message in request.messages)
            try:
                await self._call(replace(request, messages=messages), dialect, self._tokens_field)
            except Exception as error:  # noqa: BLE001 - fault_of raises what it does not know
                if fault_of(error).kind not in _FINISH:
                    raise EngineStopped(self._away(fault, charged, breaker)) from None
            breaker.replied()

    def _stop_where_hopeless(self, fault: Fault, breaker: Breaker) -> None:
        where, variable = f"The server at {self.address}", self._options.api_key_env
        stops = {
            "denied": f"check the key in {variable}, or name another variable with --api-key-env",
            "no_model": f"it has no model {self._model.id!r}, so correct --model",
            "no_page": "correct --base-url, which most often ends in /v1",
            "no_credit": f"the account of the key in {variable} has no credit left",
        }
        if fault.kind in stops:
            raise EngineStopped(f"{where} {fault.what}: {stops[fault.kind]}; {_GO_ON}.")
        patience = self._options.retries.patience
        if fault.wait is not None and fault.wait > patience:
            raise EngineStopped(f"{where} asks to wait {fault.wait:.0f} s, patience is {patience:.0f} s; {_GO_ON}.")
        if fault.kind == "limited":
            lasted = breaker.rate_limited(fault.what)
            if lasted is not None:
                raise EngineStopped(f"{where} {fault.what}, and nothing else for {lasted:.0f} s; {_GO_ON}.")
            return
        failures = breaker.failed(fault.what)
        if failures is not None:
            raise EngineStopped(self._away(fault, failures, breaker))

    def _away(self, fault: Fault, failures: int, breaker: Breaker) -> str:
        advice = ""
        if fault.kind == "away" and fault.status is None:
            advice = "start it, or correct --base-url; "
        elif not breaker.answered:
            advice = "look at its log, or correct --base-url, --model, --engine-args or --timeout; "
        return f"The server at {self.address} {fault.what} (the last {failures} attempts failed); {advice}{_GO_ON}."

    def none_answered(self, rows: int, last: Reply) -> str:
        """The sentence with which a run stops whose first rows were all rejected or given up."""
        return (
            f"The server at {self.address} answered none of the first {rows} requests; the last time it "
            f"{last.detail.removeprefix(_SUBJECT)}; correct --model, --engine-args, --timeout or the prompt, then run "
            "the same command again."
        )

    def say_waiting(self, seconds: float, breaker: Breaker) -> None:
        """One line of the story, while nothing is answered."""
        n = breaker.unanswered
        failed = f"{n} attempt{'s' * (n > 1)} failed, the last time it {breaker.last_fault}" if n else "none failed yet"
        self._say(f"No answer from {self.address} for {seconds:.0f} s: {failed}; waiting.")

    def _learns_tokens_field(self, fault: Fault, sent: str) -> bool:
        if self._options.tokens_field != "auto" or sent != "max_tokens" or fault.kind != "rejected":
            return False
        if "max_completion_tokens" in fault.what:
            self._tokens_field = "max_completion_tokens"
        return self._tokens_field != sent

    def _without_key(self, fault: Fault) -> Fault:
        """Servers repeat keys in their complaints."""
        return replace(fault, what=fault.what.replace(self._key, "***").rstrip(". "))

    async def _call(self, request: Request, dialect: Dialect, tokens_field: str) -> Reply:
        import httpx2

        body = body_of(self._model.id, request, dialect, tokens_field, self._options.extra_body)
        started = time.perf_counter()
        async with asyncio.timeout(self._options.timeout):
            # The client's generic call: chat.completions.create walks the types of every message first, a quarter of
            # its time, and builds objects of an answer that may miss any field.
            answer = await self._client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        return read_reply(request, answer.content, time.perf_counter() - started)


def _reply(request: Request, result: Reply | Fault) -> Reply:
    if isinstance(result, Reply):
        return result
    return Reply(request.key, "", _FINISH.get(result.kind, "failed"), _SUBJECT + result.what, 0, 0, 0.0)
