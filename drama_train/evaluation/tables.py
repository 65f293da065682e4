"""A report as tables: rich on a terminal, Markdown where it is piped."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builders.cards.markdown import escape, one_line
from drama_train.evaluation.report import Report

TITLES = {"ndcg_at_10": "nDCG@10", "recall_at_100": "recall@100", "mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}
UNRESOLVED = "not resolved at this size"


@dataclass(frozen=True)
class Table:
    """Cells are plain text, of whatever hand; the first column names the row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(report: Report) -> list[Table]:
    """Scores by metric, differences, scores by language, and the tests of long texts by length."""
    long = {one["name"] for one in report["sets"] if one["max_length"]} | {
        row["set"] for row in report["scores"] if row["not_run"]
    }
    ordinary = [name for name in _set_names(report) if name not in long]
    found = []
    if ordinary:
        found += [_scores(report, metric, ordinary) for metric in ("ndcg_at_10", "recall_at_100", "mrr_at_10")]
        found += [_differences(report, ordinary)] if len(report["systems"]) > 1 else []
        found += [table for name in ordinary if (table := _languages(report, name))]
    tests = dict.fromkeys(name.rpartition("-")[0] for name in _set_names(report) if name in long)
    return [*found, *(_lengths(report, test) for test in tests)]


def print_tables(found: Sequence[Table]) -> None:
    """On stdout."""
    if not sys.stdout.isatty():
        print("\n".join(markdown(table) for table in found))
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    for table in found:
        shown = RichTable(title=Text(one_line(table.title)), title_justify="left")
        for at, column in enumerate(table.columns):
            shown.add_column(Text(one_line(column)), justify="left" if not at else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*(Text(one_line(cell)) for cell in row))
        console.print(shown)


def markdown(table: Table) -> str:
    """The table under its title, columns in line."""
    rows = [[str(escape(cell)) for cell in table.columns]]
    rows += [[str(escape(row[0])), *map(_markdown, row[1:])] for row in table.rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    lines = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"{escape(table.title)}\n", lines[0], rule, *lines[1:], ""])


def _set_names(report: Report) -> list[str]:
    return list(dict.fromkeys(row["set"] for row in report["scores"]))


def _rows_of(report: Report) -> dict[tuple[str, int | None], dict[str, Mapping[str, Any]]]:
    """{(system, dimension): {set: its entry}}, in the order of the systems, the whole vectors first."""
    order = {system["name"]: at for at, system in enumerate(report["systems"])}
    found: dict[tuple[str, int | None], dict[str, Mapping[str, Any]]] = {}
    for row in sorted(report["scores"], key=lambda row: (order[row["system"]], -(row["dim"] or 0))):
        found.setdefault((row["system"], row["dim"]), {})[row["set"]] = row
    return found


def _row_name(report: Report, system: str, dim: int | None) -> str:
    """With the dimension where a system is searched by several."""
    dims = {row["dim"] for row in report["scores"] if row["system"] == system and row["dim"]}
    return f"{system}, {dim}" if len(dims) > 1 else system


def _markdown(cell: str) -> str:
    """A difference begins with a sign, which is no list within a row."""
    return cell if cell.startswith(("+", "−")) else str(escape(cell))


def _cell(found: Mapping[str, float], sign: str = "") -> str:
    told = f"{found['mean']:{sign}.3f} ({found['low']:{sign}.3f} to {found['high']:{sign}.3f})"
    return told.replace("-", "\N{MINUS SIGN}")  # a hyphen at the start would begin a list in Markdown


def _scores(report: Report, metric: str, names: Sequence[str]) -> Table:
    rows = [
        [_row_name(report, *key), *(_cell(of[name]["metrics"][metric]) if name in of else "" for name in names)]
        for key, of in _rows_of(report).items()
        if any(name in of for name in names)
    ]
    return Table(f"{TITLES[metric]} with 95% intervals", ["system", *names], rows)


def _differences(report: Report, names: Sequence[str]) -> Table:
    first = report["systems"][0]["name"]
    told: dict[str, dict[str, str]] = {}
    for one in report["differences"]:
        if one["metric"] == "ndcg_at_10":
            words = "" if one["is_resolved"] else f" {UNRESOLVED}"
            told.setdefault(one["second"], {})[one["set"]] = _cell(one, "+") + words
    rows = [[other, *(cells.get(name, "") for name in names)] for other, cells in told.items()]
    return Table(f"nDCG@10 of {first} minus that of", ["system", *names], rows)


def _languages(report: Report, name: str) -> Table | None:
    """None for a set of one language."""
    (told,) = [one for one in report["sets"] if one["name"] == name]
    spoken = [one["language"] for one in told["languages"]]
    if len(spoken) < 2:
        return None
    rows = [
        [_row_name(report, *key), *(f"{of[name]['languages'][language]['mean']:.3f}" for language in spoken)]
        for key, of in _rows_of(report).items()
        if name in of
    ]
    sizes = ["queries", *(f"{one['queries']:,}" for one in told["languages"])]
    return Table(f"nDCG@10 by language, {name}", ["system", *spoken], [*rows, sizes])


def _lengths(report: Report, test: str) -> Table:
    """Accuracy@1 by length; of the whole vectors alone."""
    names = [name for name in _set_names(report) if name.rpartition("-")[0] == test]
    entries: dict[str, dict[str, str]] = {}
    for row in report["scores"]:
        if row["set"] in names:
            cell = f"not run: {row['not_run']}" if row["not_run"] else f"{row['metrics']['accuracy_at_1']['mean']:.2f}"
            entries.setdefault(row["system"], {}).setdefault(row["set"], cell)
    rows = [[system, *(cells.get(name, "") for name in names)] for system, cells in entries.items()]
    return Table(f"Accuracy@1 by tokens of a text, {test}", ["system", *(n.rpartition("-")[2] for n in names)], rows)
