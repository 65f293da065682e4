"""Check versions of tables, with everything that they were made from: what failed, how often, which rows."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.store.versions import Version

SHOWN = 2  # examples of each failing check
NAMED = 8  # failed checks in the sentence at the end; the lines above it have them all


@dataclass(frozen=True)
class Checks:
    """Check versions together: ids, references, hidden positives, splits, schemas, and what looks odd.

    Example: python -m builders.checks triplets
    """

    versions: Annotated[tuple[str, ...], tyro.conf.Positional]
    """The versions to check, each with all that is behind it: table/name, a name, a unique beginning of a name, or a
    table for its latest."""
    data: Path = Path("data")
    """The folder of all tables."""
    memory: str = "2GB"
    """The memory that DuckDB may take; what does not fit goes to the disk of --out."""
    threads: int | None = None
    """Threads of DuckDB; as many as there are processors where it is not given."""
    out: Path | None = None
    """The folder of quality.json and failing/*.parquet; checks/NAME in the folder of tables where it is not given."""

    def __post_init__(self) -> None:
        import re

        if not self.versions:
            raise UserError("Name the versions to check: `python -m builders.tables list` shows them.", exit_code=2)
        if self.threads is not None and self.threads < 1:
            raise UserError(f"--threads {self.threads} runs nothing: give 1 or more.", exit_code=2)
        if not re.fullmatch(r"0*[1-9]\d*(\.\d+)?\s*[KMGT]i?B", self.memory):
            raise UserError(f"--memory {self.memory!r} is no amount of memory: give one such as 2GB.", exit_code=2)


def main(config: Checks) -> "Version | None":
    """Files against their manifests, then the checks; their table and examples on stderr, the folder on stdout."""
    from builders.quality.checking import FAILING, QUALITY, check_versions, checks_hash
    from builders.store.version_sets import verify_files, version_set
    from builders.store.versions import find_version

    versions = version_set([find_version(config.data, name) for name in config.versions])
    for version in versions.versions:
        verify_files(version)
    folder = config.out or config.data / "checks" / checks_hash(versions.versions, versions.named)
    say(f"{len(versions.versions)} versions: {', '.join(map(str, versions.versions))}")
    quality = check_versions(versions, folder, memory=config.memory, threads=config.threads)
    print_quality(quality)
    print(folder)
    if quality["errors"]:
        failed = [c["name"] for c in quality["checks"] if (c["severity"], c["status"]) == ("error", "failed")]
        what = "1 check failed" if len(failed) == 1 else f"{len(failed)} checks failed"
        named = ", ".join(failed[:NAMED]) + (f" and {len(failed) - NAMED} more" if len(failed) > NAMED else "")
        whose = "its" if len(failed) == 1 else "their"
        where = f"{whose} rows are in {folder / FAILING}" if (folder / FAILING).exists() else "they examined no row"
        raise UserError(f"{what} ({named}): {where}, all is told in {folder / QUALITY}.")
    say(f"No check of severity error failed, {quality['warnings']} warnings: {folder / QUALITY}")
    return None


def print_quality(quality: dict[str, Any]) -> None:
    """One line a check; the columns of a record that passed are one line together. Then examples of what failed."""
    say(f"{'':<8} {'severity':<8} {'check':<34} {'examined':>12} {'failing':>10} {'seconds':>8}")
    for check in _lines(quality["checks"]):
        counts = f"{check['examined']:>12,} {check['failing']:>10,} {check['seconds']:>8.2f}"
        say(f"{check['status']:<8} {check['severity']:<8} {check['name']:<34} {counts}")
    for check in quality["checks"]:
        if check["status"] == "failed":
            _print_examples(check)


def _lines(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines: dict[str, dict[str, Any]] = {}
    for check in checks:
        parts = check["name"].split(".")
        if parts[0] == "schema" and check["status"] == "passed":
            name = f"schema.{parts[1]}"
            line = lines.setdefault(name, {**check, "name": f"{name}, columns", "examined": 0, "seconds": 0.0})
            line["examined"] = max(line["examined"], check["examined"])
            line["seconds"] += check["seconds"]
        else:
            lines[check["name"]] = check
    return list(lines.values())


def _print_examples(check: dict[str, Any]) -> None:

    share = f", {check['threshold']:.1%} may" if check["threshold"] else ""
    told = f"{check['failing']:,} of {check['examined']:,} fail{share}" if check["examined"] else "it examined nothing"
    say(f"\n{check['severity']} {check['name']}: {told}\n  {check['reason']}")
    for example in check["examples"][:SHOWN]:
        say(f"  {example['key']}: {example['detail']}")


if __name__ == "__main__":
    sys.exit(run(Checks, main))
