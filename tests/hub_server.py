"""A Hub on the loopback interface for the real client: HubServer for tests, and a server to try things by hand.

To publish and load without the Hub, and without an account, start it in a terminal of its own (Ctrl-C ends it;
DIR keeps what was published):

    python -m tests.hub_server --port 8099 --folder DIR

It prints four `export` lines. Paste them into another terminal, and there:

    python -m builders.publish RELEASE_FOLDER --to me/notes
    python -c "from datasets import load_dataset; print(load_dataset('me/notes', 'pairs', revision='v1.0.0'))"
"""

import argparse
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback_hub import objects, reading, writing
from tests.loopback_hub.answers import Answer, Request, error_answer
from tests.loopback_hub.calls import Call, User, denied
from tests.loopback_hub.repos import Repo, saved_repo

__all__ = ["Fault", "HubServer", "Repo", "User"]


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD path" matches, after `skip` of them, `times` in number."""

    request: str
    skip: int = 0
    times: int = 1_000_000
    status: int = 0
    """What is answered; 0 drops the connection."""
    message: str = "a fault of the test"
    act: Callable[[], None] | None = None
    """Called in place of a fault; then the request is answered as ever."""
    seen: int = 0

    def answer(self, request: Request) -> Answer | None:
        if not re.fullmatch(self.request, f"{request.method} {request.path}"):
            return None
        self.seen += 1
        if not self.skip < self.seen <= self.skip + self.times:
            return None
        if self.act:
            self.act()
            return None
        return error_answer(self.status, "", self.message)


class HubServer:
    """Serves `repos` (by "owner/name", models by "models/owner/name") while the `with` block lasts.

    `env` is what the client's process needs. `part_bytes`: larger LFS objects are put in parts of so many bytes.
    """

    def __init__(
        self, repos: dict[str, Repo], folder: Path | None = None, *, port: int = 0, part_bytes: int | None = None
    ) -> None:
        self.repos = repos
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hub-"))
        self.objects = self.folder / "objects"
        self.objects.mkdir(parents=True, exist_ok=True)
        self.part_bytes = part_bytes
        self.users = {"write-token": User("me"), "read-token": User("me", can_write=False)}
        self.asked: list[str] = []
        self.received: Counter[str] = Counter()
        self.ranges: list[tuple[str, int, int]] = []
        self.faults: list[Fault] = []
        self.quota: int | None = None
        self.ignored: set[str] = set()
        self._lock = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def env(self, home: Path) -> dict[str, str]:
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.asked.append(f"{request.method} {request.path}")
            for fault in self.faults:
                answer = fault.answer(request)
                if answer is not None:
                    return answer
            for method, pattern, access, respond in ROUTES:
                match = re.fullmatch(pattern, request.path)
                if match and request.method in method:
                    call = Call(self, request, {k: unquote(v or "") for k, v in match.groupdict().items()})
                    return (access and denied(call, writes=access == "write")) or respond(call)
            return Answer(404, b"{}")


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = hub.answer(Request(self.command, url.path, parse_qs(url.query), headers, self._body()))
            if not answer.status:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


_REPO = r"(?P<repo>[^/]+/[^/]+?)"
_KIND = r"(?P<kind>datasets|models)"
_API = rf"/api/{_KIND}/{_REPO}"
_SITE = rf"/(?:(?P<kind>datasets)/)?{_REPO}"
_REVISION = r"(?P<revision>[^/]+)"

# Methods, path, who may ("" anyone, "read" who sees the repository, "write" its owner), answer. A path without a
# revision stands for main. The addresses of LFS objects are given to a writer and ask for no token, as signed ones do.
ROUTES: list[tuple[tuple[str, ...], str, str, Callable[[Call], Answer]]] = [
    (("GET",), "/api/whoami-v2", "", reading.whoami),
    (("POST",), "/api/repos/create", "", writing.create),
    (("POST",), "/api/validate-yaml", "", writing.validate_yaml),
    (("PUT",), r"/lfs/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?", "", objects.put),
    (("POST",), r"/lfs/(?P<oid>[0-9a-f]{64})", "", objects.complete),
    (("POST",), rf"{_SITE}\.git/info/lfs/objects/batch", "write", objects.batch),
    (("POST",), rf"{_SITE}\.git/info/lfs/verify", "write", objects.verify),
    (("POST",), rf"{_API}/preupload/{_REVISION}", "write", writing.preupload),
    (("POST",), rf"{_API}/commit/{_REVISION}", "write", writing.commit),
    (("POST",), rf"{_API}/tag/{_REVISION}", "write", writing.tag),
    (("POST",), rf"{_API}/branch/(?P<branch>[^/]+)", "write", writing.branch),
    (("GET",), rf"{_API}/refs", "read", reading.refs),
    (("GET",), rf"{_API}/commits/{_REVISION}", "read", reading.commits),
    (("GET",), rf"{_API}/tree/{_REVISION}(?P<path>/.*)?", "read", reading.tree),
    (("POST",), rf"{_API}/paths-info/{_REVISION}", "read", reading.paths_info),
    (("GET",), rf"{_API}(?:/revision/{_REVISION})?", "read", reading.repo_info),
    (("GET", "HEAD"), rf"{_SITE}/resolve/{_REVISION}/(?P<path>.+)", "read", reading.resolve),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub_server", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--folder", type=Path, required=True, help="where repositories are kept")
    given = parser.parse_args()
    kept = {
        file.parent.relative_to(given.folder).as_posix(): saved_repo(file.parent)
        for file in given.folder.rglob("repo.json")
    }
    with HubServer(kept, given.folder, port=given.port, part_bytes=1_000_000) as hub:
        print(f"# {len(kept)} repositories; paste these lines into another terminal; Ctrl-C here ends the server")
        environment = hub.env(given.folder / "home") | {"HF_TOKEN": "write-token"}
        for name in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_HOME", "HF_TOKEN"):
            print(f"export {name}={environment[name]}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("# ended")


if __name__ == "__main__":
    main()
