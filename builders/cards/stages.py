"""How a release was made: its stages in order, their prompts, and the models that they asked."""

from collections.abc import Iterator
from typing import Any

from builders.cards.rows import Rows
from builders.llm.prompt_texts import prompt_text
from builders.store.version_sets import VersionSet
from builders.store.versions import PASSES, Version

# What a stage's model does there. Those that write put their words into the data; the others leave no word in it.
ROLES = {
    "builders.synthetic_queries": "writes queries",
    "builders.synthetic_triplets": "writes triplets",
    "builders.rerank_preferences": "judges",
    "builders.candidates": "retrieves",
    "builders.audit": "audits",
}
WRITING = ("writes queries", "writes triplets")


def told_versions(versions: VersionSet) -> list[Version]:
    """The versions to be told of: no passes, whose rows a table holds, unless one asked a model that no table names."""
    tables = [version for version in versions.versions if version.table not in PASSES]
    known = {(version.manifest["stage"], _asked(version)) for version in tables}
    return [
        version
        for version in versions.versions
        if version.table not in PASSES
        or (_asked(version) and (version.manifest["stage"], _asked(version)) not in known)
    ]


def _asked(version: Version) -> str:
    """The model and the prompt of a version; empty where it asked none."""
    identity = version.manifest["identity"]
    return f"{identity['model']} {identity['prompt']}" if identity["model"] else ""


def stage_facts(versions: VersionSet) -> list[dict[str, Any]]:
    told = {str(version) for version in told_versions(versions)}
    known = {str(version): version for version in versions.versions}
    return [_stage(known[name], _inputs(known[name], known, told)) for name in known if name in told]


def _stage(version: Version, inputs: list[str]) -> dict[str, Any]:
    manifest = version.manifest
    identity, rows = manifest["identity"], manifest["rows"]
    return {
        "version": version.name,
        "table": version.table,
        "stage": manifest["stage"],
        "inputs": inputs,
        "rows_in": rows["in"],
        "rows_out": rows["out"],
        "rejected": rows["rejected"],
        "rejected_by_reason": rows["rejected_by_reason"],
        "counts": manifest["counts"],
        "config": identity["config"],
        "model": identity["model"],
        "prompt": identity["prompt"],
        "sampling": identity["sampling"],
        "seed": identity["seed"],
        "usage": manifest["usage"],
    }


def _inputs(version: Version, known: dict[str, Version], told: set[str]) -> list[str]:
    """The nearest versions behind it that are told of, through passes."""
    found: dict[str, None] = {}
    for given in version.manifest["identity"]["inputs"]:
        name = f"{given['table']}/{given['version']}"
        found.update(dict.fromkeys([name] if name in told else _inputs(known[name], known, told)))
    return list(found)


def prompt_facts(versions: VersionSet) -> list[dict[str, Any]]:
    """Every prompt that was used, its whole file. UserError where its text is found nowhere."""
    used: dict[str, Version] = {}
    for version in versions.versions:
        if prompt := version.manifest["identity"]["prompt"]:
            used.setdefault(prompt["version"], version)
    return [{**version.manifest["identity"]["prompt"], "text": prompt_text(version)} for version in used.values()]


def method_of(rows: Rows, version: Version) -> str | None:
    """The method of a version's rows where all have the same; None for a table without methods, or of several."""
    if version.record not in ("query", "candidates", "preference", "triplet"):
        return None
    methods = [method for (method,) in rows.ask([version], "SELECT DISTINCT method FROM rows")]
    return str(methods[0]) if len(methods) == 1 else None


def rejection_facts(rows: Rows, versions: VersionSet) -> list[dict[str, Any]]:
    """Rejected rows by table, method and reason. Passes are left out: the table made from them counts the same rows."""
    counted: dict[tuple[str, str | None, str], int] = {}
    for version in versions.versions:
        if version.table in PASSES:
            continue
        method = method_of(rows, version)
        for reason, count in version.manifest["rows"]["rejected_by_reason"].items():
            key = (version.table, method, reason)
            counted[key] = counted.get(key, 0) + count
    return [
        {"table": table, "method": method, "reason": reason, "rows": count}
        for (table, method, reason), count in counted.items()
    ]


def asked_models(versions: VersionSet) -> Iterator[tuple[str, str, str]]:
    """(id, revision, role) of every model that a version of the set was made with."""
    for version in versions.versions:
        stage, identity = version.manifest["stage"], version.manifest["identity"]
        role = ROLES.get(stage, f"used by {stage}")
        if identity["model"]:
            yield identity["model"]["id"], identity["model"]["revision"], role
        for side in ("query", "document"):  # a retriever may read queries and chunks with two models
            if isinstance(read := identity["config"].get(side), dict) and "model" in read:
                yield read["model"], read["revision"], role
