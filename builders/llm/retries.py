"""When to try again, how long to wait first, and when to stop trying at all."""

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Retries:
    """How stubborn an engine is with a server. Times in seconds."""

    # A request that failed this often is given up where the server answered others meanwhile; else the run stops.
    max_attempts: int = 6
    # Wait k is uniform between 0 and first_wait * 2**k ("full jitter"), at most longest_wait.
    first_wait: float = 1.0
    longest_wait: float = 60.0
    # The run stops after this many failed attempts in a row. None: twice the concurrency, at least 20. One hiccup fails
    # everything in flight once, so once the concurrency proves nothing; twice means that the second tries failed too.
    failures_in_a_row: int | None = None
    # ... and only once nothing has succeeded for this long, so that a server's restart behind a proxy is ridden out.
    outage: float = 5.0
    # "Too many requests" is the server at work, not broken: it is borne for this long without one answer.
    patience: float = 600.0


def wait_before(attempt: int, retries: Retries, asked: float | None) -> float:
    """Seconds to wait before the next try, after `attempt` failed ones (1 is the first).

    A server that says how long (`asked`) is believed; a little jitter keeps those that it told the same apart.
    """
    # The waits are left unseeded on purpose: shards of one run that shared a seed would come back all at once.
    longest = min(retries.longest_wait, retries.first_wait * 2.0 ** (attempt - 1))
    if asked is not None:
        return asked + random.uniform(0, min(retries.first_wait, 0.1 * asked))  # noqa: S311
    return random.uniform(0, longest)  # noqa: S311


def asked_wait(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The seconds that a reply's headers ask to wait: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # RFC 9110 dates are in GMT; "-0000" parses to a date without a zone.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now(), UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


class Breaker:
    """Remembers what went wrong since the server last answered, and says when that is enough."""

    def __init__(self, retries: Retries, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = retries.failures_in_a_row or max(20, 2 * concurrency)
        self.answered = False
        self.clock = clock
        self.last_answer = clock()
        # Attempts of any kind that failed since then, and what came of the last of them: completes "the server ...".
        self.unanswered = 0
        self.last_fault = ""
        self._retries = retries
        self._failures = 0
        self._failing_since: float | None = None
        self._limited_since: float | None = None

    def replied(self) -> None:
        """The server is at work: it sent a reply, or said what is wrong with a request."""
        self.answered = True
        self._failures = self.unanswered = 0
        self._failing_since = self._limited_since = None
        self.last_answer = self.clock()

    def failed(self, what: str = "") -> int | None:
        """One attempt failed. The number of failures in a row, where that is enough to stop."""
        now = self._note(what)
        self._failures += 1
        self._failing_since = self._failing_since or now
        # Before the first answer there is no outage to ride out: the address is wrong, or nothing runs there.
        long_enough = not self.answered or now - self._failing_since >= self._retries.outage
        return self._failures if self._failures >= self.limit and long_enough else None

    def rate_limited(self, what: str = "") -> float | None:
        """One attempt was answered "too many requests". The seconds that this has gone on, where that is enough."""
        now = self._note(what)
        self._limited_since = self._limited_since or now
        lasted = now - self._limited_since
        return lasted if lasted >= self._retries.patience else None

    def _note(self, what: str) -> float:
        self.unanswered += 1
        self.last_fault = what
        return self.clock()
