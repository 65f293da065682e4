"""Any OpenAI-compatible server behind generate(requests) -> replies: an event loop on a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

from builders.llm.chat_calls import ChatCalls, OpenAIOptions
from builders.llm.dialects import Dialect
from builders.llm.requests import EngineStopped, Model, Reply, Request
from builders.llm.retries import Breaker

# Requests taken from the caller and not yet handed back as replies, as a multiple of the concurrency: while the caller
# writes down a reply, the server has the other half to work on.
_LOOK_AHEAD = 2
# Seconds without an answer after which, and then at most how often, a line says what is waited for.
_QUIET = 10.0


class OpenAIEngine:
    """Chat completions of one server. `model.revision` is what the user knows of it, or "served".

    Requests are taken lazily and in the caller's thread; replies come in the order in which they are done.
    """

    def __init__(
        self,
        model: Model,
        base_url: str,
        options: OpenAIOptions | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.model = model
        self._options = options or OpenAIOptions()
        self._calls = ChatCalls(model, base_url, self._options, say or (lambda _: None))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-engine", daemon=True)
        self._thread.start()
        self._runs: set[_Run] = set()

    @property
    def dialect(self) -> Dialect | None:
        """How this server takes structured output; None until the first request with a schema has shown it."""
        return self._calls.dialect

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply for every request. Raises EngineStopped after everything received has been yielded.

        Failed replies are held back until another request is answered: where none ever is, the fault is the server's.
        An error of `requests` itself is raised after the replies to what it gave before.
        """
        run = _Run(self._calls, self._options, self._loop)
        self._runs.add(run)
        source = iter(requests)
        failure: Exception | None = None
        pending, exhausted = 0, False
        try:
            while True:
                while not exhausted and pending < _LOOK_AHEAD * self._options.concurrency:
                    try:
                        request = next(source)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:  # noqa: BLE001 - raised below, after what has been paid for
                        exhausted, failure = True, error
                    else:
                        run.submit(request)
                        pending += 1
                if not pending:
                    break
                replies = run.take()
                pending -= 1
                yield from replies
        finally:
            run.stop(None)
            self._runs.discard(run)
        if failure is not None:
            raise failure
        run.stop_where_none_answered()

    def close(self) -> None:
        """Drops what is in flight and closes the connections. May be called twice."""
        if self._loop.is_closed():
            return
        for run in list(self._runs):
            run.stop(EngineStopped("The engine was closed while it was generating."))
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._calls.close(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()


class _Run:
    """The tasks of one `generate`. Replies go into `outcomes`; an exception there is the last thing that does."""

    def __init__(self, calls: ChatCalls, options: OpenAIOptions, loop: asyncio.AbstractEventLoop) -> None:
        self.outcomes: SimpleQueue[Reply | Exception] = SimpleQueue()
        self._calls = calls
        self._loop = loop
        self._slots = asyncio.Semaphore(options.concurrency)
        self._breaker = Breaker(options.retries, options.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False
        # Of the caller's thread: failed replies, as long as no request has been answered.
        self._held: list[Reply] = []
        self._answered = False
        # Of the loop: since when there has been something to wait for, and the task that says so.
        self._busy_since = 0.0
        self._watching: asyncio.Task[None] | None = None

    def take(self) -> list[Reply]:
        """Waits for one more outcome. The replies that can be handed on now; an error is raised."""
        outcome = self.outcomes.get()
        if not isinstance(outcome, Reply):
            raise outcome
        self._held.append(outcome)
        self._answered = self._answered or outcome.finish != "failed"
        if self._answered:
            replies, self._held = self._held, []
            return replies
        if len(self._held) >= self._breaker.limit:
            self.stop_where_none_answered()
        return []

    def stop_where_none_answered(self) -> None:
        """Raises EngineStopped where requests failed and none was answered."""
        if self._held:
            raise EngineStopped(self._calls.none_answered(len(self._held), self._held[-1]))

    def submit(self, request: Request) -> None:
        self._loop.call_soon_threadsafe(self._start, request)

    def stop(self, reason: Exception | None) -> None:
        # The loop is closed where the engine was closed before its generator was.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end, reason)

    def _start(self, request: Request) -> None:
        if not self._over:
            if not self._tasks:
                self._busy_since = self._breaker.clock()
            self._watching = self._watching or self._loop.create_task(self._watch())
            task = self._loop.create_task(self._answer(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _end(self, reason: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        if reason is not None:
            self.outcomes.put(reason)
        for task in [*self._tasks, *filter(None, [self._watching])]:
            task.cancel()

    async def _watch(self) -> None:
        """Says now and then that nothing is answered."""
        said = 0.0
        while True:
            quiet_since = max(self._busy_since, self._breaker.last_answer)
            now = self._breaker.clock()
            due = max(quiet_since, said) + _QUIET
            if self._tasks and now >= due:
                self._calls.say_waiting(now - quiet_since, self._breaker)
                said = now
            await asyncio.sleep(due - now if now < due else _QUIET)

    async def _answer(self, request: Request) -> None:
        try:
            # A request that waits for its next attempt keeps its slot: a struggling server gets fewer at once.
            async with self._slots:
                outcome: Reply | Exception = await self._calls.reply_to(request, self._breaker)
        except Exception as error:  # noqa: BLE001 - a task's error must reach the caller, which waits for an outcome
            outcome = error
        if not isinstance(outcome, Reply):
            self._end(outcome)
        elif not self._over:
            self.outcomes.put(outcome)
