"""What changes a repository of the loopback Hub: creating, committing, tagging."""

import json
import re

from tests.loopback_hub.answers import Answer, error_answer, json_answer
from tests.loopback_hub.calls import Call, may_write
from tests.loopback_hub.repos import LFS_BYTES, LFS_SUFFIXES, add_commit, git_oid, new_repo


def create(call: Call) -> Answer:
    asked = json.loads(call.request.body)
    if call.request.token and call.user is None:
        return error_answer(401, "", "Invalid credentials in Authorization header")
    owner = asked.get("organization") or (call.user.name if call.user else "")
    fault = may_write(call, owner)
    if fault:
        return fault
    if not re.fullmatch(r"[\w.-]{1,96}", asked["name"]) or "--" in asked["name"] or asked["name"].endswith(".git"):
        return error_answer(400, "", f"Invalid repo name: {asked['name']}")
    kind, name = f"{asked.get('type') or 'model'}s", f"{owner}/{asked['name']}"
    named = Call(call.hub, call.request, {"kind": kind, "repo": name})
    url = page(named)
    if named.key in call.hub.repos:
        return json_answer({"error": "You already created this repo", "url": url}, 409)
    private = asked.get("visibility") == "private" or asked.get("private") is True
    call.hub.repos[named.key] = new_repo(named.folder, private=private)
    return json_answer({"url": url, "name": name})


def page(call: Call) -> str:
    return f"{call.hub.url}/{'datasets/' if call.parts.get('kind') == 'datasets' else ''}{call.parts['repo']}"


def validate_yaml(call: Call) -> Answer:
    import yaml

    content = json.loads(call.request.body)["content"]
    found = re.match(r"---\s*\n(.*?)\n---", content, re.DOTALL)
    try:
        block = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError as fault:
        return json_answer({"errors": [{"message": str(fault)}], "warnings": []}, 400)
    if found and not isinstance(block, dict):
        return json_answer({"errors": [{"message": "the metadata are no mapping"}], "warnings": []}, 400)
    return json_answer({"errors": [], "warnings": [] if found else [{"message": "empty or missing yaml metadata"}]})


def preupload(call: Call) -> Answer:
    """Whether each file is of git or an LFS object, and what is there under its name."""
    root, told = call.repo.commits[call.commit], []
    for file in json.loads(call.request.body)["files"]:
        path = file["path"]
        is_lfs = path.endswith(LFS_SUFFIXES) or file["size"] > LFS_BYTES
        one = {"path": path, "uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": path in call.hub.ignored}
        if (root / path).is_file():
            one["oid"] = call.repo.sha256(call.commit, path) or git_oid((root / path).read_bytes())
        told.append(one)
    return json_answer({"files": told})


def commit(call: Call) -> Answer:
    lines = [json.loads(line) for line in call.request.body.splitlines() if line.strip()]
    header = lines[0]["value"]
    parent = header.get("parentCommit")
    if parent and parent != call.repo.refs["main"]:
        return error_answer(412, "", "A commit has happened since. Please refresh and try again.")
    changes = [(line["key"], line["value"]) for line in lines[1:]]
    title, message = header["summary"], header.get("description", "")
    try:
        made = add_commit(call.repo, call.folder, title, message, changes, call.hub.objects)
    except ValueError as fault:
        return error_answer(400, "", str(fault))
    return json_answer({"success": True, "commitOid": made, "commitUrl": f"{page(call)}/commit/{made}"})


def tag(call: Call) -> Answer:
    asked = json.loads(call.request.body)
    if asked["tag"] in call.repo.refs:
        return error_answer(409, "", f"Tag reference exists already: {asked['tag']}")
    call.repo.refs[asked["tag"]] = call.commit
    call.repo.tags.add(asked["tag"])
    call.repo.tag_messages[asked["tag"]] = asked.get("message", "")
    call.repo.save(call.folder)
    return Answer(200, b"{}")


def branch(call: Call) -> Answer:
    name = call.parts["branch"]
    if name in call.repo.refs:
        return error_answer(409, "", f"Reference already exists: {name}")
    start = json.loads(call.request.body or b"{}").get("startingPoint")
    call.repo.refs[name] = call.repo.commit(start or "main") or ""
    call.repo.save(call.folder)
    return Answer(200, b"{}")
