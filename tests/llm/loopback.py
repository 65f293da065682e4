"""A chat completion server in a process of its own, which does what it is told and counts what it was sent.

Behaviours: ok, 401, 403, 404 (no such model), 402, 429, 429:SECONDS (with Retry-After), 429ms:MS (with retry-after-ms),
quota (a 429 that means no credit), 500, 502, 503, 503:SECONDS, 504, hang (never answers), cut (half a body, then the
connection is reset), reset (no byte at all), html (200 that is no JSON), error200 (200 with an error inside), too_long
(400 "context length"), bad (another 400), unprocessable (422), filter (Azure's 400), refusal, empty, length,
content_filter, no_schema (400 to json_schema), no_schema500 (500 to it, as llama.cpp does), no_format (400 to any
response_format), completion_tokens (400 to max_tokens), echo_key (400 that repeats the key).

A behaviour comes from one of three places, the first that has one:
1. the last user message: "[[500*2]]" fails the first two arrivals of exactly this body; "[[500]]" fails all of them;
2. the queue: `Loopback(script=["500", "ok", ...])`, one for each arrival, then
3. the default: `Loopback(default="503")`, changed while it runs by `server.tell(default="ok")`.

Each arrival is one line of the log, written before it is answered: {"hash", "user", "status", "behaviour", "body"}.
So a test that kills its client can count what was sent. By hand: `python tests/llm/loopback.py --log sent.jsonl`.
Replies are reply_json(last user message), or those of `Loopback(reply="module:function")`.
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

JSON = "application/json"


def reply_json(user: str) -> str:
    """The reply to a user message: valid QGen JSON whose query is the message's last words. Depends on nothing else."""
    words = [word for word in user.replace('"', " ").split() if not word.startswith("[[")]
    query = " ".join(words[-6:]) or "nothing"
    return json.dumps({"task": "find the passage", "query": query, "language": "en"}, ensure_ascii=False)


def _error(status: int, message: str, **more: Any) -> tuple[int, str]:
    return status, json.dumps({"error": {"message": message, **more}})


_ERRORS = {
    "401": _error(401, "Incorrect API key provided", code="invalid_api_key"),
    "402": _error(402, "Payment required"),
    "403": _error(403, "You are not allowed to sample from this model"),
    "404": _error(404, "The model `tiny` does not exist", code="model_not_found"),
    "429": _error(429, "Rate limit reached"),
    "quota": _error(429, "You exceeded your current quota", code="insufficient_quota"),
    "500": _error(500, "Internal error"),
    "502": (502, "<html>Bad Gateway</html>"),
    "503": _error(503, "Service unavailable"),
    "504": (504, "upstream timed out"),
    "html": (200, "<html>It works!</html>"),
    "error200": _error(200, "Provider returned error"),
    "too_long": _error(400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."),
    "bad": _error(400, "messages.0.content: bad"),
    "unprocessable": _error(422, "messages: field required"),
    "filter": _error(400, "The response was filtered due to the content management policy", code="content_filter"),
}
_FINISHES = {"length": "length", "content_filter": "content_filter"}
_FORMAT_REFUSALS = {
    "no_schema": ({"json_schema"}, _error(400, "response_format json_schema is not supported")),
    "no_schema500": ({"json_schema"}, _error(500, "unsupported")),
    "no_format": ({"json_schema", "json_object"}, _error(400, "unknown field response_format")),
}


def completion(user: str, behaviour: str, reply: Callable[[str], str]) -> str:
    """The body of a 200 answer."""
    message: dict[str, Any] = {"role": "assistant", "content": "" if behaviour == "empty" else reply(user)}
    if behaviour == "refusal":
        message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    finish = _FINISHES.get(behaviour, "stop")
    usage = {"prompt_tokens": len(user.split()), "completion_tokens": 7, "total_tokens": len(user.split()) + 7}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }
    return json.dumps(body, ensure_ascii=False)


class Server:
    """What the server knows: its orders, how often it saw each body, and how many requests it holds at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.default, self.script, self.latency = options.default, deque(json.loads(options.script)), options.latency
        self.seen: Counter[str] = Counter()
        self.held = self.most_held = 0
        self._log = options.log.open("a", encoding="utf-8", buffering=1) if options.log else None
        module, _, function = options.reply.partition(":")
        self._reply: Callable[[str], str] = getattr(importlib.import_module(module), function) if module else reply_json

    def behaviour_for(self, user: str, digest: str) -> str:
        if "[[" in user:
            name, _, times = user.partition("[[")[2].partition("]]")[0].partition("*")
            return name if not times or self.seen[digest] <= int(times) else "ok"
        return self.script.popleft() if self.script else self.default

    def answer(self, raw: bytes, headers: bytes) -> tuple[str, int, str, list[str]]:
        """Behaviour, status, body and further header lines for one arrival."""
        request = json.loads(raw)
        user = next((m["content"] for m in reversed(request["messages"]) if m["role"] == "user"), "")
        digest = blake2b(raw, digest_size=16).hexdigest() if self._log or "[[" in user else ""
        self.seen[digest] += 1
        behaviour = self.behaviour_for(user, digest)
        status, body, lines = self._result(behaviour, request, user, headers)
        if self._log:
            record = {"hash": digest, "user": user, "status": status, "behaviour": behaviour, "body": request}
            self._log.write(json.dumps(record, ensure_ascii=False) + "\n")
        return behaviour, status, body, lines

    def _result(self, behaviour: str, request: Any, user: str, headers: bytes) -> tuple[int, str, list[str]]:
        name, _, number = behaviour.partition(":")
        kind = (request.get("response_format") or {}).get("type")
        if name in _FORMAT_REFUSALS and kind in _FORMAT_REFUSALS[name][0]:
            return *_FORMAT_REFUSALS[name][1], []
        if name == "completion_tokens" and "max_tokens" in request:
            return *_error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."), []
        if name == "echo_key":
            key = headers.lower().partition(b"authorization: bearer ")[2].split(b"\r\n")[0].decode()
            return *_error(400, f"your key {key} is odd"), []
        if name == "429ms":
            return *_ERRORS["429"], [f"retry-after-ms: {number}"]
        if name in _ERRORS:
            return *_ERRORS[name], [f"retry-after: {number}"] if number else []
        return 200, completion(user, name, self._reply), []


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, just enough of it to be much faster than the client that is measured."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(self._buffer) < end + 4 + length:
            return
        raw, self._buffer = self._buffer[end + 4 : end + 4 + length], b""
        if head.startswith(b"POST /control"):
            self._control(json.loads(raw))
            return
        if not head.startswith(b"POST /v1/chat/completions"):
            self._send(404, '{"detail":"Not Found"}', [])
            return
        self._server.held += 1
        self._server.most_held = max(self._server.held, self._server.most_held)
        behaviour, status, body, lines = self._server.answer(raw, head)
        if behaviour == "hang":
            return
        if self._server.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._server.latency, self._finish, behaviour, status, body, lines)
        else:
            self._finish(behaviour, status, body, lines)

    def _finish(self, behaviour: str, status: int, body: str, lines: list[str]) -> None:
        self._server.held -= 1
        if self._transport is None:
            return
        if behaviour == "reset":
            self._transport.abort()
        elif behaviour == "cut":
            self._send(status, body, lines, cut=True)
            self._transport.close()
        else:
            self._send(status, body, lines)

    def _control(self, orders: dict[str, Any]) -> None:
        self._server.default = orders.get("default", self._server.default)
        self._server.latency = orders.get("latency", self._server.latency)
        self._server.script.extend(orders.get("script", []))
        self._send(200, json.dumps({"arrivals": self._server.seen.total(), "most_held": self._server.most_held}), [])

    def _send(self, status: int, body: str, lines: list[str], *, cut: bool = False) -> None:
        if self._transport is None:
            return
        data = body.encode()
        kind = JSON if body.startswith("{") else "text/html"
        head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}", *lines, "", ""]
        self._transport.write("\r\n".join(head).encode() + (data[: len(data) // 2] if cut else data))


class Loopback:
    """The server as a test holds it. `url` is the base_url; a context manager that ends the process."""

    def __init__(
        self,
        log: Path | None = None,
        *,
        default: str = "ok",
        script: Sequence[str] = (),
        latency: float = 0.0,
        port: int = 0,
        reply: str = "",
    ) -> None:
        self.log = log
        command = [sys.executable, __file__, "--default", default, "--latency", str(latency), "--port", str(port)]
        command += ["--script", json.dumps(list(script)), "--reply", reply, "--end-with-stdin"]
        command += ["--log", str(log)] if log else []
        # The pipe closes when this process dies, however it dies, and the server goes with it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "Loopback":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def tell(self, **orders: Any) -> dict[str, int]:
        """Changes default, latency, or adds to script. Returns {"arrivals", "most_held"}."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/control", json.dumps(orders).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            result: dict[str, int] = json.load(answer)
            return result

    def arrivals(self) -> list[dict[str, Any]]:
        """The log so far: one record for each request that arrived."""
        assert self.log is not None
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def counts(self) -> Counter[str]:
        """How often each body arrived, by its hash."""
        return Counter(record["hash"] for record in self.arrivals())


@contextlib.contextmanager
def refused_port() -> Iterator[int]:
    """A port of this machine at which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def serve(options: argparse.Namespace) -> None:
    server = Server(options)
    loop = asyncio.get_running_loop()
    if options.end_with_stdin:
        loop.add_reader(sys.stdin, os._exit, 0)
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", options.port)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--default", default="ok")
    parser.add_argument("--script", default="[]")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--reply", default="", help="module:function from the last user message to the reply")
    parser.add_argument("--end-with-stdin", action="store_true")
    sys.path.insert(0, os.getcwd())
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
