"""Look at the tables: list the versions, show one, follow a row to its document, compare two versions."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.cli.terminal import safe

if TYPE_CHECKING:
    from builders.store.lineage import Found
    from builders.store.versions import Version


@dataclass(frozen=True)
class List:
    """List the versions, oldest first.

    Example: python -m builders.tables list
    """

    data: Path = Path("data")
    """The folder of all tables."""
    all: bool = False
    """Also list the tables that stages make on the way to their own."""


@dataclass(frozen=True)
class Show:
    """Show one version: how it was made, what it holds, what was rejected, and some rows.

    Example: python -m builders.tables show queries/3f9a
    """

    version: Annotated[str, tyro.conf.Positional]
    """The version: table/name, a name, or a unique beginning of a name."""
    data: Path = Path("data")
    """The folder of all tables."""
    rows: int = 3
    """How many rows to show."""
    rejected: str | None = None
    """Show rejected rows of this reason instead."""


@dataclass(frozen=True)
class Why:
    """Follow a row, or a rejected row, back to its document.

    Example: python -m builders.tables why 'pydoc/json.dumps#0000~sent0'
    """

    row_id: Annotated[str, tyro.conf.Positional]
    """The id of a document, chunk, query, triplet, overlap or rejected row."""
    data: Path = Path("data")
    """The folder of all tables."""


@dataclass(frozen=True)
class Diff:
    """Compare two versions of a table: rows added, dropped and changed, by cause.

    Example: python -m builders.tables diff queries/3f9a queries/81c0
    """

    a: Annotated[str, tyro.conf.Positional]
    """The version before."""
    b: Annotated[str, tyro.conf.Positional]
    """The version after."""
    data: Path = Path("data")
    """The folder of all tables."""
    rows: int = 5
    """How many ids to show of each kind and cause."""


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Why, tyro.conf.subcommand("why")]
    | Annotated[Diff, tyro.conf.subcommand("diff")]
)


def main(command: List | Show | Why | Diff) -> None:
    """Print what was asked for."""
    if isinstance(command, List):
        list_versions(command)
    elif isinstance(command, Show):
        show(command)
    elif isinstance(command, Why):
        why(command)
    else:
        compare(command)


def list_versions(command: List) -> None:
    from builders.store.versions import PASSES, all_versions, unfinished

    versions = [v for v in all_versions(command.data) if command.all or v.table not in PASSES]
    for version in versions:
        rows = version.manifest["rows"]
        print(f"{version!s:<32} {rows['out']:>10,} rows {rows['rejected']:>8,} rejected  {_origin(version)}")
    for folder in unfinished(command.data):
        print(f"{folder.parent.name + '/' + folder.name:<32} unfinished: the command that began it goes on with it")
    if not versions:
        print(f"There is no finished version in {command.data}: `python -m builders.corpus` makes one.")


def _origin(version: "Version") -> str:
    """What the version was made from, and by what: enough to tell two versions of a table apart."""
    from builders.store.versions import PASSES

    identity = version.manifest["identity"]
    if source := identity["config"].get("source"):
        return f"source {source}"
    stage = version.manifest["stage"].removeprefix("builders.")
    made_from = next((f"{i['table']}/{i['version']}" for i in identity["inputs"] if i["table"] not in PASSES), "")
    retriever = version.manifest["facts"].get("retriever") if "facts" in version.manifest else None
    parts = [part for part in (identity["model"], identity["prompt"]) if part]
    named = [retriever] if retriever else [part.get("id") or part["version"] for part in parts]
    model = f" with {', '.join(named)}" if named else ""
    return f"{stage} from {made_from}{model}" if made_from else stage


def show(command: Show) -> None:
    from builders.store.schemas import reasons
    from builders.store.versions import find_version, read_rows

    version = find_version(command.data, command.version)
    manifest = version.manifest
    identity = manifest["identity"]
    print(f"{version}, made by {manifest['stage']} on {manifest['finished']}")
    print("inputs     " + (", ".join(f"{i['table']}/{i['version']}" for i in identity["inputs"]) or "none"))
    for part in ("config", "prompt", "model", "sampling", "seed"):
        if identity[part] not in (None, {}):
            print(f"{part:<10} {json.dumps(identity[part], ensure_ascii=False)}")
    rows = manifest["rows"]
    print(f"rows       {rows['in']:,} in, {rows['out']:,} out, {rows['rejected']:,} rejected")
    for reason, count in sorted(rows["rejected_by_reason"].items(), key=lambda item: -item[1]):
        print(f"  rejected {count:>8,}  {reason:<18} {reasons()[reason]}")
    for name, count in manifest["counts"].items():
        print(f"  counted  {count:>8,}  {safe(name)}")
    print("usage      " + ", ".join(f"{v:,} {k}" for k, v in manifest["usage"].items() if v is not None))
    print(f"content    {manifest['content_hash']}, {len(version.shards())} shards in {version.folder}")
    given = rows["rejected_by_reason"]
    if command.rejected and command.rejected not in given:
        known = f"its reasons are {', '.join(given)}" if given else "it rejected none"
        meant = nearest(command.rejected, given)
        raise UserError(f"{version} rejected no row as {command.rejected}{meant}: {known}.", exit_code=2)
    shards = version.rejected_shards() if command.rejected else version.shards()
    wanted = (row for shard in shards for row in read_rows(shard) if command.rejected in (None, row.get("reason")))
    for row in islice(wanted, max(command.rows, 0)):
        print("\n" + printed(row))


def why(command: Why) -> None:
    from builders.store.lineage import chain, find_row

    found = find_row(command.data, command.row_id)
    if not found:
        raise UserError(
            f"No version in {command.data} holds a row {command.row_id}: `python -m builders.tables show VERSION` "
            "prints rows with their ids."
        )
    for number, link in enumerate(chain(found[0])):
        if number:
            print("\nmade from\n")
        _print_link(link)
    others = [f"{f.version}{' (rejected)' if f.rejected else ''}" for f in found[1:]]
    if others:
        print("\nAlso in " + ", ".join(others))


def _print_link(link: "Found") -> None:
    version = link.version
    word = "rejected from" if link.rejected else "a row of"
    print(f"{word} {version}, made by {version.manifest['stage']} on {version.manifest['finished']}")
    print(printed(link.row))


def compare(command: Diff) -> None:
    from builders.store.differences import diff, rejected_reasons
    from builders.store.versions import find_version

    a, b = (find_version(command.data, name) for name in (command.a, command.b))
    difference = diff(a, b)
    print(f"{a} -> {b}")
    for part, change in difference.plan.items():
        for what, before, after in _changes(part, *change):
            print(f"  {what}: {before} -> {after}")
    print(f"{difference.same:,} rows are the same")
    lost = _reasons_lost(b, rejected_reasons(b))
    for (kind, cause), ids in difference.rows.items():
        print(f"{len(ids):,} {kind} by {cause}{lost(ids) if kind == 'dropped' else ''}")
        for row_id in ids[: max(command.rows, 0)]:
            print(f"  {row_id}")


def _changes(part: str, before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    """(what, before, after) of each thing that differs in a part of two plans: inputs by table, settings by key."""
    one, two = ({i["table"]: i["version"] for i in v} if part == "inputs" else v for v in (before, after))
    if not (isinstance(one, dict) and isinstance(two, dict)):
        yield part, json.dumps(one, ensure_ascii=False), json.dumps(two, ensure_ascii=False)
        return
    for key in sorted(one.keys() | two.keys()):
        if one.get(key) != two.get(key):
            yield f"{part} {key}", json.dumps(one.get(key)), json.dumps(two.get(key))


def _reasons_lost(version: "Version", reasons: dict[str, str]) -> Any:
    def words(ids: list[str]) -> str:
        counted = Counter(reasons[i] for i in ids if i in reasons)
        listed = ", ".join(f"{n:,} {reason}" for reason, n in counted.most_common())
        return f" (rejected in {version}: {listed})" if listed else ""

    return words


def printed(row: dict[str, Any]) -> str:
    """A row for reading: a line a column, long texts cut, control characters escaped."""
    lines = []
    for name, value in row.items():
        text = str(value) if not isinstance(value, float) else f"{value:g}"
        text = text if len(text) <= 600 else f"{text[:600]}… ({len(text):,} characters)"
        lines.append(f"  {name:<22} {safe(text).replace(chr(10), chr(10) + ' ' * 25)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(Command, main))  # type: ignore[arg-type]
