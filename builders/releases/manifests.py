"""The manifest of a release: its content hash, what tells whether it is there already, how one is read."""

import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.releases.choice import Chosen
from builders.releases.redaction import redacted
from builders.store.folders import file_facts
from builders.store.parquet import write_bytes
from builders.store.provenance import provenance
from builders.store.schemas import first_fault

MANIFEST = "manifest.json"
# What is the same in two releases that are one and the same.
_IDENTITY = ("name", "release", "previous", "versions")


def content_hash(configs: Mapping[str, Any]) -> str:
    """Of the path and content hash of every Parquet file, in order of path: the same rows, the same hash."""
    digest = blake2b(digest_size=16)
    for file in sorted(parquet_files(configs), key=lambda file: str(file["path"])):
        digest.update(f"{file['path']}\0{file['content_hash']}\n".encode())
    return digest.hexdigest()


def parquet_files(configs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the manifest keeps of every Parquet file."""
    return [file for config in configs.values() for split in config["splits"].values() for file in split["files"]]


def version_list(chosen: Chosen) -> list[dict[str, Any]]:
    """What the manifest keeps of the versions behind a release."""
    named = set(map(str, chosen.versions.named))
    return [
        {"version": str(v), "content_hash": v.content_hash, "stage": v.manifest["stage"], "is_named": str(v) in named}
        for v in chosen.versions.versions
    ]


def write_versions(chosen: Chosen, folder: Path) -> None:
    """manifests/TABLE-VERSION.json of each version. Prompts stand in a folder of their own, whole."""
    for version in chosen.versions.versions:
        told = version.manifest | {"facts": {k: v for k, v in version.manifest["facts"].items() if k != "prompt_text"}}
        write_json(folder / "manifests" / f"{version.table}-{version.name}.json", redacted(told))


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n")


def write_manifest(folder: Path, told: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """manifest.json, last. `told` is all that is not measured here; `options` are those of the command.

    Returns the manifest. Every file is on the disk before it.
    """
    rows = {file["path"] for file in parquet_files(told["configs"])}
    manifest = {
        **told,
        "made_with": {**provenance(), "options": redacted(options)},
        "files": [file for file in file_facts(folder) if file["path"] not in rows],
    }
    if fault := first_fault("release", manifest):
        raise ValueError(f"a release's manifest broke its schema: {fault}")
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the release in that folder. UserError where there is none, or it is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        fault = first_fault("release", manifest)
    except OSError:
        raise UserError(
            f"{folder} is no release (it has no {MANIFEST}): name a folder that builders.release made.", exit_code=2
        ) from None
    except ValueError as error:
        fault = str(error)
    if fault:
        raise UserError(f"{folder / MANIFEST} is not the manifest of a release ({fault}): name another folder.")
    found: dict[str, Any] = manifest
    return found


def already_released(out: Path, identity: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of this very release where it stands there. UserError where something else does."""
    if not os.path.lexists(out):
        return None
    if not out.is_dir():
        raise UserError(f"{out} is a file: give --out the name of a folder to make.", exit_code=2)
    if not any(out.iterdir()):
        return None
    if not (out / MANIFEST).is_file():
        raise UserError(f"{out} holds files that are no release: give --out another name, or move them away.")
    found = read_manifest(out)
    other = [part for part in _IDENTITY if found[part] != identity[part]]
    if found["made_with"].get("options") != redacted(options):
        other.append("options")
    if other:
        raise UserError(
            f"{out} holds another release ({found['name']} {found['release']}; its {' and '.join(other)} differ): to "
            f"make the next one give --previous {out}; to make this one again move that folder away."
        )
    return found
