"""CHANGELOG.md: what a release holds, or what changed since the one before, above what was told before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.releases.changes import RowChanges, VersionChange
from builders.releases.names import MAJOR, MINOR, PATCH
from builders.releases.previous import Previous
from builders.store.parquet import write_bytes

CHANGELOG = "CHANGELOG.md"
WHY = {
    MAJOR: "a column or config went, or came to mean something else",
    MINOR: "rows were added, dropped or changed; their columns are the same",
    PATCH: "the rows are the same; what is told of them changed",
}


@dataclass(frozen=True)
class Changes:
    """What changed since `previous`: `change` is major, minor or patch."""

    previous: Previous
    change: str
    rows: Sequence[RowChanges]
    versions: Sequence[VersionChange]
    checks: Sequence[tuple[str, str, str]]


def write_changelog(folder: Path, told: Mapping[str, Any], changes: Changes | None) -> None:
    """`told` is what the manifest will say."""
    lines = [f"# Changes of {told['name']}", "", f"## {told['release']}, {told['finished'][:10]}", ""]
    lines += _changed(changes, told) if changes else _first(told)
    text = "\n".join(lines) + "\n"
    if changes:
        before = (changes.previous.folder / CHANGELOG).read_text()
        text += "\n" + before[before.index("\n## ") + 1 :]
    write_bytes(folder / CHANGELOG, text.encode())


def _first(told: Mapping[str, Any]) -> list[str]:
    named = [given for given in told["versions"] if given["is_named"]]
    lines = ["The first release.", "", "| config | split | rows |", "|---|---|---:|"]
    for config, about in told["configs"].items():
        lines += [f"| {config} | {split} | {facts['rows']:,} |" for split, facts in about["splits"].items()]
    return [*lines, "", *(f"- `{given['version']}`, made by {given['stage']}" for given in named)]


def _changed(changes: Changes, told: Mapping[str, Any]) -> list[str]:
    previous = changes.previous
    lines = [f"Since {previous.release}, a {changes.change} change: {WHY[changes.change]}.", ""]
    moved = [row for row in changes.rows if row.added or row.dropped or row.changed]
    if moved:
        lines += ["| config | of | added | dropped | changed | same |", "|---|---|---:|---:|---:|---:|"]
        for row in moved:
            counts = " | ".join(f"{n:,}" for n in (row.added, row.dropped, row.changed, row.same))
            lines.append(f"| {row.config} | {cell(row.kind)} | {counts} |")
    else:
        lines.append("No row of corpus, queries or triplets was added, dropped or changed.")
    lines += ["", _pairs(previous.manifest["configs"], told["configs"])]
    if changes.versions:
        lines += ["", "| table before | table now | cause |", "|---|---|---|"]
        lines += [f"| {_code(v.before)} | {_code(v.after)} | {v.cause or ''} |" for v in changes.versions]
    if changes.checks:
        lines += ["", "| check | before | now |", "|---|---|---|"]
        lines += [f"| `{check}` | {_words(before)} | {_words(now)} |" for check, before, now in changes.checks]
    return lines


def _pairs(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Its rows have no keys to compare by."""
    old, new = (sum(split["rows"] for split in configs["pairs"]["splits"].values()) for configs in (before, now))
    return f"`pairs` has {new:,} rows; before it had {old:,}."


def _code(version: str | None) -> str:
    return f"`{version}`" if version else "none"


def _words(status: str) -> str:
    return status.replace("_", " ")


def cell(text: str) -> str:
    """A name of a user's as a cell of a Markdown table: neither a line, nor a column, nor markup of its own."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    for mark in "\\`|<>[]*_":
        plain = plain.replace(mark, f"&#{ord(mark)};")
    return plain
