"""An OpenAI-compatible /embeddings server on a thread: it answers with vectors of each text's hash, or as it is told."""

import base64
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tests.retrieval.making import vector_of

_ERRORS: dict[str, tuple[int, str]] = {
    "400": (400, "input: bad"),
    "filter": (400, "Refused by the content filter"),
    "401": (401, "Incorrect API key provided: sk-secret"),
    "404": (404, "The model does not exist"),
    "429": (429, "Rate limit reached"),
    "500": (500, "Internal error"),
    "503": (503, "Service unavailable"),
}


class EmbeddingServer:
    """`script`: one behaviour for each arrival, then ok: 400, filter, 401, 404, 429, 500, 503, html, short, base64,
    shuffled, nan.

    Texts longer than `longest` characters are refused with 400; more than `most` texts at once with 413.
    """

    def __init__(self, script: Sequence[str] = (), *, longest: int = 10_000, most: int = 1000, dim: int = 8) -> None:
        self.script, self.longest, self.most, self.dim = list(script), longest, most, dim
        self.arrivals: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.held = self.most_held = 0
        outer = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.held += 1
                    outer.most_held = max(outer.held, outer.most_held)
                status, text = outer.answer(body)
                with outer.lock:
                    outer.held -= 1
                self.send_response(status)
                self.send_header("content-type", "application/json")
                if status == 429:
                    self.send_header("retry-after-ms", "5")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        with self.lock:
            self.arrivals.append(body)
            behaviour = self.script.pop(0) if self.script else "ok"
        texts = body["input"]
        if behaviour in _ERRORS:
            status, message = _ERRORS[behaviour]
            return status, json.dumps({"error": {"message": message}}).encode()
        if behaviour == "html":
            return 200, b"<html>It works!</html>"
        if len(texts) > self.most:
            return 413, b'{"error": {"message": "batch too large"}}'
        if any(len(text) > self.longest for text in texts):
            return 400, b'{"error": {"message": "This model\'s maximum context length is 512 tokens."}}'
        rows: list[dict[str, Any]] = []
        for at, text in enumerate(texts):
            vector: Any = vector_of(text, self.dim).tolist()
            if behaviour == "base64":
                vector = base64.b64encode(np.array(vector, "<f4").tobytes()).decode()
            if behaviour == "nan" and at == 1:
                vector[0] = None
            rows.append({"object": "embedding", "index": at, "embedding": vector})
        if behaviour == "shuffled":
            rows.reverse()
        if behaviour == "short":
            rows.pop()
        return 200, json.dumps({"object": "list", "data": rows, "model": body["model"]}).encode()

    def __enter__(self) -> "EmbeddingServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
