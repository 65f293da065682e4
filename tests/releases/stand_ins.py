"""Small stand-ins for the checks, the card and the page, which have tests of their own."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from builders.cards.facts import ReleaseParts
from builders.store.version_sets import VersionSet


def quality(versions: VersionSet, errors: int = 0) -> dict[str, Any]:
    check = {
        "name": "ids_unique",
        "severity": "error",
        "tables": ["triplets"],
        "reason": "Keys name rows.",
        "threshold": 0.0,
    }
    check |= {
        "status": "failed" if errors else "passed",
        "examined": 9,
        "failing": errors,
        "seconds": 0.1,
        "examples": [],
    }
    told = {"versions": list(map(str, versions.versions)), "checks": [check], "errors": errors, "warnings": 0}
    return told | {"memory": "2GB", "seconds": 0.1}


def check_versions(
    versions: VersionSet, folder: Path, *, memory: str = "2GB", threads: int | None = None
) -> dict[str, Any]:
    return quality(versions)


def release_facts(versions: VersionSet, release: ReleaseParts, quality: Mapping[str, Any]) -> dict[str, Any]:
    stages = [
        {"version": v.name, "config": v.manifest["identity"]["config"], "model": v.manifest["identity"]["model"]}
        for v in versions.versions
    ]
    configs = {
        name: {split: len(facts["files"]) for split, facts in about["splits"].items()}
        for name, about in release.configs.items()
    }
    facts = {
        "name": release.name,
        "description": release.description,
        "stages": stages,
        "prompts": [],
        "configs": configs,
    }
    return facts | {"licence": {"strictest": release.licences.get("notes", "PSF-2.0")}, "quality": dict(quality)}


def check_licences(versions: VersionSet, licences: Mapping[str, str], memory: str) -> None:
    pass


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    lines = ["---", "configs:"]
    for name, splits in facts["configs"].items():
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {name}/{split}/*.parquet" for split in splits]
    (folder / "README.md").write_text("\n".join([*lines, "---", f"# {facts['name']}"]) + "\n")


def write_page(path: Path, facts: Mapping[str, Any], versions: VersionSet, rows: int = 10_000) -> None:
    path.write_text(f"<!doctype html>{json.dumps(facts)}")


def stand_in(patch: pytest.MonkeyPatch) -> None:
    """Put them where builders.release imports the real ones from."""
    here = sys.modules[__name__]
    for module, names in (
        ("builders.quality.checking", ["check_versions"]),
        ("builders.cards.facts", ["ReleaseParts", "release_facts"]),
        ("builders.cards.licence_check", ["check_licences"]),
        ("builders.cards.card", ["write_card"]),
        ("builders.cards.page", ["write_page"]),
    ):
        made = ModuleType(module)
        for name in names:
            setattr(made, name, getattr(here, name))
        patch.setitem(sys.modules, module, made)
