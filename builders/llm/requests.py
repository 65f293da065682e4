"""What is asked of an LLM, what comes back, and the key that joins the two."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal, Protocol

# stop: the model ended by itself. length: cut at max_tokens. The other three have no usable text; `detail` says why.
Finish = Literal["stop", "length", "refusal", "context_too_long", "failed"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. Temperature 0 is greedy. `max_tokens` counts generated tokens only."""

    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Model:
    """A generator, named so that the same name always means the same weights."""

    id: str
    revision: str


def served_model(name: str, revision: str | None) -> Model:
    """A model that a server serves, as tables and manifests name it: one served by its path goes by the last part."""
    told = re.split(r"[/\\]", name.rstrip("/\\"))[-1] if re.match(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\]", name) else name
    return Model(told, revision or "served")


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion. `seed` makes the draw repeatable on engines that can; `reply_schema` is a JSON Schema."""

    key: str
    messages: tuple[Mapping[str, str], ...]
    sampling: Sampling
    seed: int
    reply_schema: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for the request of the same key. Tokens and seconds are what this reply alone cost."""

    key: str
    text: str
    finish: Finish
    detail: str
    prompt_tokens: int
    reply_tokens: int
    seconds: float


class Engine(Protocol):
    """Anything that answers requests.

    `generate` yields one reply for every request, in the order in which they are done, as soon as it is done. A request
    that the model cannot answer (too long, refused) is a Reply with that `finish`; a server that cannot go on raises
    EngineStopped, after every reply already received has been yielded.
    """

    model: Model

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]: ...

    def close(self) -> None: ...


class EngineStopped(Exception):
    """The engine cannot go on (server down, not authorised, no such model). What was answered is kept."""


def make_request(
    messages: tuple[Mapping[str, str], ...],
    *,
    prompt_version: str,
    model: Model,
    sampling: Sampling,
    seed: int,
    reply_schema: Mapping[str, Any] | None,
) -> Request:
    """The request and its key: a hash of everything that determines the reply."""
    identity = [prompt_version, list(messages), asdict(model), asdict(sampling), seed, reply_schema]
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    key = blake2b(text.encode(), digest_size=16).hexdigest()
    return Request(key, messages, sampling, seed, reply_schema)
