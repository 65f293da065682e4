"""A Hub on the loopback interface that serves data sets from folders to the real client: HubServer."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repo:
    """One data set. `commits` maps a commit to the folder of its files, `refs` a branch or a tag to a commit."""

    commits: dict[str, Path]
    refs: dict[str, str]
    tags: set[str] = field(default_factory=set)
    gated: bool = False

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def error_answer(status: int, code: str, message: str) -> Answer:
    return Answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})


class HubServer:
    """Serves `repos` (by "owner/name") while the `with` block lasts; `env` is what the client's process needs."""

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos = repos
        self.asked: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
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
        self.asked.append(f"{request.method} {request.path}")
        for method, pattern, respond in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and request.method in method:
                return self._in_repo(respond, request, {k: unquote(v or "") for k, v in match.groupdict().items()})
        return Answer(404, b"{}")

    def _in_repo(self, respond: "Respond", request: Request, parts: dict[str, str]) -> Answer:
        repo = self.repos.get(parts["repo"])
        if repo is None:
            return error_answer(401, "RepoNotFound", "Repository not found")
        if repo.gated:
            return error_answer(403, "GatedRepo", "Access to this data set is restricted")
        commit = repo.commit(parts.get("revision") or "main")
        if commit is None:
            return error_answer(404, "RevisionNotFound", "Invalid rev id")
        return respond(request, parts, repo, commit)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = hub.answer(Request(self.command, url.path, parse_qs(url.query), headers, body))
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def repo_info(request: Request, parts: dict[str, str], repo: Repo, commit: str) -> Answer:
    siblings = [{"rfilename": path} for path in _files(repo.commits[commit])]
    return json_answer(
        {
            "_id": "0" * 24,
            "id": parts["repo"],
            "sha": commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": siblings,
        }
    )


def refs(request: Request, parts: dict[str, str], repo: Repo, commit: str) -> Answer:
    listed: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": []}
    for name, target in repo.refs.items():
        kind = "tags" if name in repo.tags else "branches"
        ref = f"refs/{'tags' if name in repo.tags else 'heads'}/{name}"
        listed[kind].append({"name": name, "ref": ref, "targetCommit": target})
    return json_answer(listed)


def tree(request: Request, parts: dict[str, str], repo: Repo, commit: str) -> Answer:
    root, below = repo.commits[commit], parts.get("path", "").strip("/")
    if below and not (root / below).is_dir():
        return error_answer(404, "EntryNotFound", f"{below} does not exist on {commit}")
    recursive = request.query.get("recursive", ["false"])[0].lower() == "true"
    paths = [path for path in _entries(root) if path.startswith(f"{below}/" if below else "")]
    if not recursive:
        depth = below.count("/") + 1 if below else 0
        paths = [path for path in paths if path.count("/") == depth]
    return json_answer([_entry(root, path) for path in paths])


def paths_info(request: Request, parts: dict[str, str], repo: Repo, commit: str) -> Answer:
    root = repo.commits[commit]
    if request.headers.get("content-type", "").startswith("application/json"):
        paths = json.loads(request.body)["paths"]
    else:
        paths = parse_qs(request.body.decode()).get("paths", [])
    paths = [paths] if isinstance(paths, str) else paths
    return json_answer([_entry(root, path) for path in paths if (root / path).exists()])


def resolve(request: Request, parts: dict[str, str], repo: Repo, commit: str) -> Answer:
    file = repo.commits[commit] / parts["path"]
    if not file.is_file():
        return error_answer(404, "EntryNotFound", f"{parts['path']} does not exist on {commit}")
    data = file.read_bytes()
    headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_oid(data)}"', "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted and request.method == "GET":
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first >= len(data):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        return Answer(206, data[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
    return Answer(200, data, headers)


def _entries(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def _files(root: Path) -> list[str]:
    return [path for path in _entries(root) if (root / path).is_file()]


def _entry(root: Path, path: str) -> dict[str, object]:
    if (root / path).is_dir():
        return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
    data = (root / path).read_bytes()
    return {"type": "file", "oid": _git_oid(data), "size": len(data), "path": path}


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


Respond = Callable[[Request, dict[str, str], Repo, str], Answer]

_REPO = r"(?P<repo>[^/]+/[^/]+)"
_API = rf"/api/datasets/{_REPO}"
_REVISION = r"(?P<revision>[^/]+)"

# Methods, path, answer. A path without a revision stands for main.
ROUTES: list[tuple[tuple[str, ...], str, Respond]] = [
    (("GET",), rf"{_API}/refs", refs),
    (("GET",), rf"{_API}/tree/{_REVISION}(?P<path>/.*)?", tree),
    (("POST",), rf"{_API}/paths-info/{_REVISION}", paths_info),
    (("GET",), rf"{_API}(?:/revision/{_REVISION})?", repo_info),
    (("GET", "HEAD"), rf"/datasets/{_REPO}/resolve/{_REVISION}/(?P<path>.+)", resolve),
]
