"""What a failed call to an OpenAI-compatible server means: try again, answer the row with it, or stop."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from builders.llm.retries import asked_wait

# again: this attempt failed. away: nobody is serving. limited: too many requests.
# too_long, refused, rejected: about this one row. denied, no_model, no_page, no_credit: about every row.
Kind = Literal[
    "again", "away", "limited", "too_long", "refused", "rejected", "denied", "no_model", "no_page", "no_credit"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed attempt. `what` completes "the server at URL ..."; `wait` is what the server asked for, in seconds."""

    kind: Kind
    what: str
    status: int | None = None
    wait: float | None = None


# Kinds that say nothing about the server: it was at work, and will not have this request.
OF_THE_ROW = frozenset({"rejected", "too_long", "refused"})


class BadBody(Exception):
    """The server answered 200 with something that is not what was `wanted`."""

    def __init__(self, said: str, wanted: str = "chat completion") -> None:
        super().__init__(said)
        self.wanted = wanted


_TOO_LONG = re.compile(
    r"context.{0,3}(length|window|size)|maximum (model length|number of tokens)|max_model_len|longer than the model"
    r"|(prompt|input) is too long|string_above_max_length|exceed_context|too many tokens|max_new_tokens",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"content.?(filter|management|policy)|responsibleai", re.IGNORECASE)
_NO_CREDIT = re.compile(r"insufficient_quota|insufficient.?(credit|balance)|billing", re.IGNORECASE)
_LONGEST_DETAIL = 500


def fault_of(error: Exception) -> Fault:
    """Reads an exception of the openai package, or of a body that could not be read."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _status_fault(error.status_code, message_of(error.body), error.response.headers)
    if isinstance(error, openai.APITimeoutError):
        # A connection that cannot be opened in time is nobody there; a reply that does not come is this attempt's.
        connecting = "Connect" in type(error.__cause__).__name__
        return Fault("away", "cannot be reached (timeout)") if connecting else Fault("again", "did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        if type(error.__cause__).__name__ in {"ConnectError", "ProxyError"}:
            return Fault("away", f"cannot be reached ({_first_line(str(error.__cause__))})")
        return Fault("again", f"cut the connection ({type(error.__cause__).__name__})")
    if isinstance(error, TimeoutError):
        return Fault("again", "did not answer in time")
    if isinstance(error, BadBody):
        return Fault("again", f"answered with no {error.wanted}: {_first_line(str(error))}")
    raise error


def _status_fault(status: int, message: str, headers: Any) -> Fault:  # noqa: PLR0911 - one line for each meaning
    said = f"answered {status}" + (f": {message}" if message else "")
    if status in {401, 403}:
        return Fault("denied", said, status)
    if status == 402 or (status == 429 and _NO_CREDIT.search(message)):
        return Fault("no_credit", said, status)
    if status == 429:
        return Fault("limited", said, status, asked_wait(headers))
    if status in {502, 503}:
        return Fault("away", said, status, asked_wait(headers))
    if status >= 500 or status in {408, 409, 425}:
        return Fault("again", said, status, asked_wait(headers))
    if status == 413 or _TOO_LONG.search(message):
        return Fault("too_long", said, status)
    if _REFUSED.search(message):
        return Fault("refused", said, status)
    if status == 404 and "model" in message.lower():
        return Fault("no_model", said, status)
    if status in {404, 405}:
        return Fault("no_page", said, status)
    return Fault("rejected", said, status)


def message_of(body: object) -> str:
    """The sentence in an error body, with its code and the field it names, on one line. Servers nest it differently."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            parts = [inner.get(name) for name in ("message", "detail", "code", "type", "param")]
            return _first_line(" ".join(str(part) for part in parts if part not in (None, "")))
        return _first_line(str(inner))
    return _first_line(str(body)) if body else ""


def _first_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_DETAIL]
