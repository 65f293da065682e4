"""The body of a chat completion, and the reply read from what a server answers. No network here."""

import json
from collections.abc import Mapping
from typing import Any

from builders.llm.dialects import Dialect, response_format
from builders.llm.requests import Finish, Reply, Request
from builders.llm.server_faults import BadBody, message_of

# What servers say when they broke off a reply by themselves; it is worth another try.
_BROKEN_OFF = frozenset({"error", "abort", "cancelled"})


def body_of(
    model_id: str, request: Request, dialect: Dialect, tokens_field: str, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """What is sent. `extra` goes over it: a field set to None there is left out."""
    body: dict[str, Any] = {
        "model": model_id,
        "messages": [dict(message) for message in request.messages],
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "seed": request.seed,
        tokens_field: request.sampling.max_tokens,
    }
    if request.reply_schema is not None:
        body["response_format"] = response_format(dialect, request.reply_schema)
    body.update(extra)
    return {name: value for name, value in body.items() if value is not None}


def read_reply(request: Request, data: bytes, seconds: float) -> Reply:
    """The reply in a 200 answer. Raises BadBody where there is none. Token counts are 0 on servers without `usage`."""
    try:
        body = json.loads(data)
    except ValueError:
        raise BadBody(data[:200].decode(errors="replace")) from None
    choice = _first_choice(body)
    message, reason = choice["message"], choice.get("finish_reason")
    if reason in _BROKEN_OFF:
        raise BadBody(f"finish_reason {reason}")
    text, refusal = _text_of(message.get("content")), message.get("refusal")
    finish: Finish = "length" if reason == "length" else "stop"
    detail = ""
    if refusal or reason == "content_filter":
        finish, detail = "refusal", str(refusal or "the server's content filter cut the reply")
    usage = body.get("usage") or {}
    counts = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    return Reply(request.key, text, finish, detail, counts[0], counts[1], seconds)


def _first_choice(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadBody(str(body)[:200])
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadBody(message_of(body))
    choice = choices[0]
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise BadBody(str(choice)[:200])
    return choice


def _text_of(content: Any) -> str:
    """Content is a string, nothing, or on some servers a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content) if content is not None else ""
