"""What the loopback Hub answers about repositories, and their files."""

import hashlib
import json
import re
from urllib.parse import parse_qs

from tests.loopback_hub.answers import Answer, error_answer, json_answer
from tests.loopback_hub.calls import Call
from tests.loopback_hub.repos import git_oid, pointer

DATE = "2026-01-01T00:00:00.000Z"


def whoami(call: Call) -> Answer:
    if call.user is None:
        return error_answer(401, "", "Invalid credentials in Authorization header")
    role = "write" if call.user.can_write else "read"
    token = {"accessToken": {"displayName": "loopback", "role": role, "createdAt": DATE}}
    return json_answer({"type": "user", "name": call.user.name, "orgs": [], "auth": {"type": "access_token"} | token})


def repo_info(call: Call) -> Answer:
    return json_answer(
        {
            "_id": "0" * 24,
            "id": call.parts["repo"],
            "sha": call.commit,
            "private": call.repo.private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": DATE,
            "createdAt": DATE,
            "siblings": [{"rfilename": path} for path in _files(call)],
        }
    )


def refs(call: Call) -> Answer:
    listed: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": []}
    for name, target in call.repo.refs.items():
        kind = "tags" if name in call.repo.tags else "branches"
        ref = f"refs/{'tags' if name in call.repo.tags else 'heads'}/{name}"
        listed[kind].append({"name": name, "ref": ref, "targetCommit": target})
    return json_answer(listed)


def commits(call: Call) -> Answer:
    story = {one["id"]: one for one in call.repo.story}
    listed, at = [], call.commit
    while at in story:
        one = story[at]
        listed.append({"id": at, "title": one["title"], "message": one["message"], "date": DATE, "authors": []})
        at = one["parent"]
    return json_answer(listed)


def tree(call: Call) -> Answer:
    root, below = call.repo.commits[call.commit], call.parts.get("path", "").strip("/")
    if below and not (root / below).is_dir():
        return error_answer(404, "EntryNotFound", f"{below} does not exist on {call.commit}")
    recursive = call.request.query.get("recursive", ["false"])[0].lower() == "true"
    paths = [path for path in _entries(call) if path.startswith(f"{below}/" if below else "")]
    if not recursive:
        depth = below.count("/") + 1 if below else 0
        paths = [path for path in paths if path.count("/") == depth]
    return json_answer([_entry(call, path) for path in paths])


def paths_info(call: Call) -> Answer:
    if call.request.headers.get("content-type", "").startswith("application/json"):
        paths = json.loads(call.request.body)["paths"]
    else:
        paths = parse_qs(call.request.body.decode()).get("paths", [])
    paths = [paths] if isinstance(paths, str) else paths
    root = call.repo.commits[call.commit]
    return json_answer([_entry(call, path) for path in paths if (root / path).exists()])


def resolve(call: Call) -> Answer:
    path, commit = call.parts["path"], call.commit
    file = call.repo.commits[commit] / path
    if not file.is_file():
        return error_answer(404, "EntryNotFound", f"{path} does not exist on {commit}")
    data, sha256 = file.read_bytes(), call.repo.sha256(commit, path)
    headers = {"X-Repo-Commit": commit, "ETag": f'"{sha256 or git_oid(data)}"', "Accept-Ranges": "bytes"}
    if sha256:
        headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", call.request.headers.get("range", ""))
    if wanted and call.request.method == "GET":
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first >= len(data):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        call.hub.ranges.append((path, first, last))
        return Answer(206, data[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
    return Answer(200, data, headers)


def _entries(call: Call) -> list[str]:
    root = call.repo.commits[call.commit]
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def _files(call: Call) -> list[str]:
    root = call.repo.commits[call.commit]
    return [path for path in _entries(call) if (root / path).is_file()]


def _entry(call: Call, path: str) -> dict[str, object]:
    file = call.repo.commits[call.commit] / path
    if file.is_dir():
        return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
    data, sha256 = file.read_bytes(), call.repo.sha256(call.commit, path)
    if sha256 is None:
        return {"type": "file", "oid": git_oid(data), "size": len(data), "path": path}
    kept = pointer(sha256, len(data))
    lfs = {"oid": sha256, "size": len(data), "pointerSize": len(kept)}
    return {"type": "file", "oid": git_oid(kept), "size": len(data), "path": path, "lfs": lfs}
