"""What changed between two releases: rows by config and method, versions by cause, checks by status."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.releases.choice import TABLES
from builders.releases.previous import Previous
from builders.releases.redaction import redacted
from builders.store.differences import general_cause, plan_changes
from builders.store.schemas import key_column
from builders.store.versions import PASSES, Version

if TYPE_CHECKING:
    import duckdb

NO_CHECK = "no such check"
# What rows are counted by; a chunk has no method.
GROUPS = {"corpus": "source", "queries": "method", "triplets": "method"}
_COUNT = """
    WITH a AS (
        SELECT "{key}" AS key, "{group}" AS kind, hash({row}) AS row
        FROM read_parquet($before, hive_partitioning = false)
    ),
    b AS (
        SELECT "{key}" AS key, "{group}" AS kind, hash({row}) AS row
        FROM read_parquet($after, hive_partitioning = false)
    )
    SELECT coalesce(b.kind, a.kind) AS kind,
           count(*) FILTER (a.row IS NULL) AS added, count(*) FILTER (b.row IS NULL) AS dropped,
           count(*) FILTER (a.row <> b.row) AS changed, count(*) FILTER (a.row = b.row) AS same
    FROM a FULL JOIN b USING (key) GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class RowChanges:
    """Rows of one method (of a source, in the corpus) in one config."""

    config: str
    kind: str
    added: int
    dropped: int
    changed: int
    same: int


@dataclass(frozen=True)
class VersionChange:
    """A version and the one of the release before that it takes the place of; either may be missing."""

    before: str | None
    after: str | None
    cause: str | None


def row_changes(
    previous: Previous, folder: Path, configs: Mapping[str, Any], connection: "duckdb.DuckDBPyConnection"
) -> list[RowChanges]:
    """The rows of each config but pairs, which has no keys, against those of the release before."""
    found = []
    for config in TABLES:
        before = _files(previous.folder, previous.manifest["configs"][config])
        after = _files(folder, configs[config])
        found += [RowChanges(config, *row) for row in _count(config, configs[config], before, after, connection)]
    return found


def _files(folder: Path, config: Mapping[str, Any]) -> list[str]:
    return [str(folder / file["path"]) for split in config["splits"].values() for file in split["files"]]


def _count(
    config: str,
    told: Mapping[str, Any],
    before: list[str],
    after: list[str],
    connection: "duckdb.DuckDBPyConnection",
) -> list[tuple[str, int, int, int, int]]:
    """Compared are the columns that both have, so that a new column does not make every row another."""
    import pyarrow.parquet as pq

    names = pq.read_schema(after[0]).names
    common = set(names) & set(pq.read_schema(before[0]).names)
    row = ", ".join(f'"{name}"' for name in names if name in common)
    query = _COUNT.format(key=key_column(told["record"]), group=GROUPS[config], row=f"row({row})")
    return connection.execute(query, {"before": before, "after": after}).fetchall()


def version_changes(previous: Previous, versions: list[Version]) -> list[VersionChange]:
    """Versions that came and went, each beside the one of the same table and stage whose plan is nearest.

    Tables that a stage makes on the way to its own are passed over.
    """
    told = [_as_told(version) for version in versions if version.table not in PASSES]
    old = [version for version in _versions_before(previous) if version.table not in PASSES]
    kept = {(str(v), v.content_hash) for v in told} & {(str(v), v.content_hash) for v in old}
    left = [v for v in old if (str(v), v.content_hash) not in kept]
    found = []
    for version in told:
        if (str(version), version.content_hash) in kept:
            continue
        alike = [v for v in left if (v.table, v.manifest["stage"]) == (version.table, version.manifest["stage"])]
        if not alike:
            found.append(_revision(version, old) or VersionChange(None, str(version), None))
            continue
        nearest = min(alike, key=lambda v: (_distance(v, version), str(v)))
        left.remove(nearest)
        found.append(VersionChange(str(nearest), str(version), _cause(nearest, version)))
    return found + [VersionChange(str(version), None, None) for version in left]


def _revision(version: Version, old: list[Version]) -> VersionChange | None:
    """Beside the version of the release before that it revises, itself still behind the new one; None if of none."""
    identity = version.manifest["identity"]
    inputs = [f"{given['table']}/{given['version']}" for given in identity["inputs"] if given["table"] == version.table]
    before = next((str(v) for v in old if str(v) in inputs), None)
    if before is None:
        return None
    told = [version.manifest["stage"].rpartition(".")[2], str(identity["config"].get("policy", ""))]
    return VersionChange(before, str(version), " ".join(filter(None, told)))


def _distance(a: Version, b: Version) -> int:
    """How many settings of the two plans differ: those in config count one by one, as they tell methods apart."""
    changed = plan_changes(a, b)
    one, two = changed.pop("config", ({}, {}))
    return len(changed) + len([key for key in one | two if one.get(key) != two.get(key)])


def _cause(a: Version, b: Version) -> str:
    """prompt, model, config, input or code, all of them where several differ."""
    changed = plan_changes(a, b)
    words = set() if changed.keys() <= {"inputs"} else set(general_cause(changed).split("+"))
    if "inputs" in changed:
        words.add("input")
    return "+".join(sorted(words)) or "made again"


def _as_told(version: Version) -> Version:
    """As its manifest stands in a release, so that a path that was left out there is no change."""
    return Version(version.folder, redacted(version.manifest))


def _versions_before(previous: Previous) -> list[Version]:
    found = []
    for given in previous.manifest["versions"]:
        table, _, name = given["version"].partition("/")
        path = previous.folder / "manifests" / f"{table}-{name}.json"
        found.append(Version(path.parent, json.loads(path.read_bytes())))
    return found


def check_changes(previous: Previous, quality: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(check, status before, status now), where they differ.

    The columns of a table are checked where the table is: a check that came or went is told where it failed.
    """
    before = json.loads((previous.folder / "quality.json").read_bytes())
    old, new = ({check["name"]: check["status"] for check in told["checks"]} for told in (before, quality))
    found = [(name, old.get(name, NO_CHECK), new.get(name, NO_CHECK)) for name in sorted(old | new)]
    return [(name, a, b) for name, a, b in found if a != b and (NO_CHECK not in (a, b) or "failed" in (a, b))]
