"""One request to one reply over HTTP: the dialect of the server, and whether a row or the server is to blame."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.llm.chat_completions import body_of, read_reply
from builders.llm.dialects import DIALECTS, REFUSALS, Dialect
from builders.llm.requests import Finish, Model, Reply, Request
from builders.llm.retries import Breaker, Retries
from builders.llm.server_calls import Endpoint, Failed, ServerCalls
from builders.llm.server_faults import OF_THE_ROW, Fault, fault_of

_KEPT = "everything answered is kept"
_SUBJECT = "the server "
_FINISH: dict[str, Finish] = {"too_long": "context_too_long", "refused": "refusal"}
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
    # What the server calls the model, where that is not its name in tables.
    served_as: str | None = None

    def __post_init__(self) -> None:
        # Written so that NaN, which is neither more nor less than 0, is refused.
        if not self.timeout > 0:
            raise UserError(
                f"The --timeout {self.timeout:g} is not a number of seconds above 0: give one.", exit_code=2
            )


class ChatCalls:
    """The client of one server and what it has learnt about it. Lives on one event loop."""

    def __init__(self, model: Model, base_url: str, options: OpenAIOptions, say: Callable[[str], None]) -> None:
        self.dialect: Dialect | None = None if options.dialect == "auto" else options.dialect
        self._tokens_field = "max_tokens" if options.tokens_field == "auto" else options.tokens_field
        self._served_as = options.served_as or model.id
        self._options = options
        self._say = say
        self._probing, self._checking = asyncio.Lock(), asyncio.Lock()
        limits = options.concurrency, options.timeout
        endpoint = Endpoint(base_url, "/chat/completions", self._served_as, options.api_key_env, *limits)
        self._server = ServerCalls(endpoint, options.retries, _KEPT)
        self._server.open()

    async def close(self) -> None:
        await self._server.close()

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
                self._say(f"The server at {self._server.address} takes structured output as {dialect}.")
                return result
            if result.kind in _FINISH or result.status not in REFUSALS:
                break
        # The row itself was refused, which says nothing about dialects: the next row finds out.
        return result

    async def _attempts(
        self, request: Request, dialect: Dialect, breaker: Breaker, *, probing: bool = False
    ) -> Reply | Fault:
        def enough(fault: Fault, attempts: int) -> bool:
            return probing and fault.status in REFUSALS and attempts >= 2

        result = await self._server.attempts(lambda: self._call(request, dialect), breaker, enough)
        if isinstance(result, Reply):
            return result
        if result.fault.kind not in OF_THE_ROW and not enough(result.fault, result.attempts):
            await self._stop_where_silent(request, dialect, result, breaker)
        return result.fault

    async def _stop_where_silent(self, request: Request, dialect: Dialect, failed: Failed, breaker: Breaker) -> None:
        """Raises EngineStopped where the server has answered nothing since this row first failed.

        One bad row, alone at the end of a run or ahead of slow ones, looks like that too, and would stop every run
        after this one: so a question of the same shape, with words that no server chokes on, is asked before.
        """
        async with self._checking:
            if breaker.last_answer > failed.since:
                return
            messages = tuple({**message, "content": _HARMLESS} for message in request.messages)
            try:
                await self._send(replace(request, messages=messages), dialect, self._tokens_field)
            except Exception as error:  # noqa: BLE001 - fault_of raises what it does not know
                if fault_of(error).kind not in _FINISH:
                    raise self._server.away(failed.fault, failed.attempts, breaker) from None
            breaker.replied()

    def none_answered(self, rows: int, last: Reply) -> str:
        """The sentence with which a run stops whose first rows were all rejected or given up."""
        return (
            f"The server at {self._server.address} answered none of the first {rows} requests; the last time it "
            f"{last.detail.removeprefix(_SUBJECT)}; correct --model, --engine-args, --timeout or the prompt, then run "
            "the same command again."
        )

    def say_waiting(self, seconds: float, breaker: Breaker) -> None:
        """One line of the story, while nothing is answered."""
        n = breaker.unanswered
        failed = f"{n} attempt{'s' * (n > 1)} failed, the last time it {breaker.last_fault}" if n else "none failed yet"
        self._say(f"No answer from {self._server.address} for {seconds:.0f} s: {failed}; waiting.")

    async def _call(self, request: Request, dialect: Dialect) -> Reply:
        """One attempt, and a second one where the first teaches the name of the field for the reply's length."""
        sent = self._tokens_field
        try:
            return await self._send(request, dialect, sent)
        except Exception as error:
            if not self._learns_tokens_field(fault_of(error), sent):
                raise
        return await self._send(request, dialect, self._tokens_field)

    def _learns_tokens_field(self, fault: Fault, sent: str) -> bool:
        if self._options.tokens_field != "auto" or sent != "max_tokens" or fault.kind != "rejected":
            return False
        if "max_completion_tokens" in fault.what:
            self._tokens_field = "max_completion_tokens"
        return self._tokens_field != sent

    async def _send(self, request: Request, dialect: Dialect, tokens_field: str) -> Reply:
        body = body_of(self._served_as, request, dialect, tokens_field, self._options.extra_body)
        started = time.perf_counter()
        return read_reply(request, await self._server.post(body), time.perf_counter() - started)


def _reply(request: Request, result: Reply | Fault) -> Reply:
    if isinstance(result, Reply):
        return result
    return Reply(request.key, "", _FINISH.get(result.kind, "failed"), _SUBJECT + result.what, 0, 0, 0.0)
