"""The manifest of an exported model: what it is, from what, and every file with its hash; written last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.hub.files import File
from builders.hub.listed import check_files, check_names, tell_surplus
from builders.releases.manifests import write_json
from builders.store.folders import bytes_and_sha256, file_facts
from builders.store.provenance import provenance
from builders.store.schemas import first_fault
from builders.store.versions import MANIFEST

NEEDED = ("README.md", "config.json", "drama.json", "golden.json", "tokenizer.json")
AGAIN = "export the model again"
# What describes the model and is no part of what it computes.
_PROSE = ("README.md", "LICENSE.md", "plots/")


@dataclass(frozen=True)
class ModelFolder:
    """An exported model whose files are all there and are what its manifest says."""

    folder: Path
    manifest: Mapping[str, Any]
    manifest_file: File

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @cached_property
    def files(self) -> list[File]:
        """Every file that is sent, in order of path."""
        named = [File(entry["path"], entry["bytes"], entry["sha256"]) for entry in self.manifest["files"]]
        return sorted([*named, self.manifest_file], key=lambda file: file.path)


def write_manifest(folder: Path, name: str, licence: str | None, facts: Mapping[str, Any]) -> None:
    """`facts`: run.json, of which the model it began from and the releases are kept."""
    files = file_facts(folder)
    manifest = {
        "name": name,
        "content_hash": content_hash(files),
        "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licence": licence,
        "model": facts.get("model"),
        "releases": facts.get("releases") or [],
        "made_with": provenance(),
        "files": files,
    }
    if fault := first_fault("model", manifest):
        raise ValueError(f"a model's manifest broke its schema: {fault}")
    write_json(folder / MANIFEST, manifest)


def content_hash(files: list[dict[str, Any]]) -> str:
    """Of the path and sha256 of every file that is no prose: the same model, the same hash."""
    digest = blake2b(digest_size=16)
    for file in sorted(files, key=lambda file: str(file["path"])):
        if not str(file["path"]).startswith(_PROSE):
            digest.update(f"{file['path']}\0{file['sha256']}\n".encode())
    return digest.hexdigest()


def read_model_folder(folder: Path) -> ModelFolder:
    """The model, after every file was read. UserError names what is missing, changed, or not as the manifest says."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{folder} is no exported model (it has no {MANIFEST}): name a folder that `python -m drama_train export` "
            "made.",
            exit_code=2,
        )
    try:
        manifest = json.loads(path.read_bytes())
        fault = first_fault("model", manifest)
    except ValueError as error:
        fault = str(error)
    if fault:
        raise UserError(f"{path} is not the manifest of a model ({fault}): {AGAIN}.")
    model = ModelFolder(folder, manifest, File(MANIFEST, **bytes_and_sha256(path)))
    check_names(folder, model.files, NEEDED, AGAIN)
    check_files(folder, model.files, AGAIN)
    tell_surplus(folder, model.files)
    return model
