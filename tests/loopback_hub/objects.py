"""The LFS objects of the loopback Hub: a batch says what is missing; parts are put, joined and verified."""

import hashlib
import json
from math import ceil

from tests.loopback_hub.answers import Answer, error_answer, json_answer
from tests.loopback_hub.calls import Call


def batch(call: Call) -> Answer:
    objects = [_object(call, one["oid"], one["size"]) for one in json.loads(call.request.body)["objects"]]
    return json_answer({"transfer": "multipart" if call.hub.part_bytes else "basic", "objects": objects})


def _object(call: Call, oid: str, size: int) -> dict[str, object]:
    told: dict[str, object] = {"oid": oid, "size": size}
    if (call.hub.objects / oid).is_file():
        return told
    if call.hub.quota is not None and size > call.hub.quota:
        return told | {"error": {"code": 413, "message": "Private repository storage limit reached"}}
    url, part = f"{call.hub.url}/lfs/{oid}", call.hub.part_bytes
    upload: dict[str, object] = {"href": url}
    if part and size > part:
        numbers = range(1, ceil(size / part) + 1)
        upload["header"] = {"chunk_size": str(part)} | {f"{n:05}": f"{url}/{n}" for n in numbers}
    repo = f"{'datasets/' if call.parts.get('kind') == 'datasets' else ''}{call.parts['repo']}"
    verify = {"href": f"{call.hub.url}/{repo}.git/info/lfs/verify"}
    return told | {"actions": {"upload": upload, "verify": verify}}


def put(call: Call) -> Answer:
    """A whole object, or one part of it."""
    oid, part, body = call.parts["oid"], call.parts.get("part"), call.request.body
    call.hub.received[oid] += len(body)
    if not part:
        return _keep(call, oid, body)
    file = call.hub.objects / "parts" / oid / f"{int(part):05}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return Answer(200, b"", {"ETag": _etag(body)})


def complete(call: Call) -> Answer:
    oid, asked = call.parts["oid"], json.loads(call.request.body)
    folder = call.hub.objects / "parts" / oid
    parts = [(folder / f"{one['partNumber']:05}").read_bytes() for one in asked["parts"]]
    if [one["etag"] for one in asked["parts"]] != [_etag(part) for part in parts]:
        return error_answer(400, "", "a part is not what was put")
    return _keep(call, oid, b"".join(parts))


def verify(call: Call) -> Answer:
    asked = json.loads(call.request.body)
    file = call.hub.objects / asked["oid"]
    if not file.is_file() or file.stat().st_size != asked["size"]:
        return error_answer(422, "", "the object is not what was announced")
    return json_answer({})


def _keep(call: Call, oid: str, body: bytes) -> Answer:
    if hashlib.sha256(body).hexdigest() != oid:
        return error_answer(400, "", "the object has another sha256")
    (call.hub.objects / oid).write_bytes(body)
    return json_answer({})


def _etag(part: bytes) -> str:
    return f'"{hashlib.md5(part).hexdigest()}"'
