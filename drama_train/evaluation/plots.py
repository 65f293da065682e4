"""A report as plots (SVG): nDCG@10 by dimension, by language, and accuracy@1 by the length of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cards.plots import COLOURS, Plot, draw, short
from builders.store.parquet import write_bytes
from drama_train.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL_WIDTH, _PANEL_HEIGHT, _ACROSS = 3.6, 2.6, 2
_MARKS = "osD^vPX"


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Those for which there is something to show. UserError where matplotlib is not installed."""
    found = []
    for plot in plots(report):
        path = folder / f"{plot.name}.svg"
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, draw(plot, report))
        found.append(path)
    return found


def plots(report: Report) -> list[Plot]:
    """In the order in which a reader wants them; alternative texts name what is compared."""
    systems = ", ".join(one["name"] for one in report["systems"])
    found = []
    if _curves(report):
        alt = f"nDCG@10 against the dimensions used of each vector, one panel a set: {systems}."
        found.append(Plot("matryoshka", "nDCG@10 by dimension", alt, _matryoshka))
    if _spoken(report):
        alt = f"nDCG@10 by language with 95% intervals, one panel a set: {systems}."
        found.append(Plot("languages", "nDCG@10 by language", alt, _languages))
    if _tests(report):
        alt = f"Accuracy@1 of finding one sentence against the tokens of the texts: {systems}."
        found.append(Plot("long_context", "Accuracy by length of text", alt, _long_context))
    return found


def _curves(report: Report) -> dict[str, dict[str, list[tuple[int, Any]]]]:
    """{set: {system: (dimension, nDCG@10 with interval), rising}} where a system has several dimensions."""
    long = {one["name"] for one in report["sets"] if one["max_length"]}
    found: dict[str, dict[str, list[tuple[int, Any]]]] = {}
    for row in report["scores"]:
        if row["dim"] and row["set"] not in long:
            points = found.setdefault(row["set"], {}).setdefault(row["system"], [])
            points.append((row["dim"], row["metrics"]["ndcg_at_10"]))
    return {
        name: {system: sorted(points, key=lambda point: point[0]) for system, points in lines.items()}
        for name, lines in found.items()
        if any(len(points) > 1 for points in lines.values())
    }


def _spoken(report: Report) -> dict[str, list[str]]:
    """{set: its languages} where there are several."""
    found = {one["name"]: [each["language"] for each in one["languages"]] for one in report["sets"]}
    return {name: languages for name, languages in found.items() if len(languages) > 1}


def _tests(report: Report) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """{test: {system: (tokens, accuracy@1), rising}}."""
    lengths = {one["name"]: one["max_length"] for one in report["sets"] if one["max_length"]}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in report["scores"]:
        if row["set"] in lengths and not row["not_run"]:
            points = found.setdefault(row["set"].rpartition("-")[0], {}).setdefault(row["system"], {})
            points.setdefault(lengths[row["set"]], row["metrics"]["accuracy_at_1"]["mean"])
    return {test: {system: sorted(p.items()) for system, p in lines.items()} for test, lines in found.items()}


def _panels(count: int, height: float = _PANEL_HEIGHT) -> "tuple[Figure, list[Any]]":
    from matplotlib.figure import Figure

    across = min(_ACROSS, count)
    down = -(-count // across)
    figure = Figure(figsize=(_PANEL_WIDTH * _ACROSS, height * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, list(axes[:count])


def _colour(report: Report, system: str) -> str:
    """The same in every plot."""
    return COLOURS[[one["name"] for one in report["systems"]].index(system) % len(COLOURS)]


def _mark(report: Report, system: str) -> str:
    return _MARKS[[one["name"] for one in report["systems"]].index(system) % len(_MARKS)]


def _legend(figure: "Figure", axes: Sequence[Any]) -> None:
    """One for all panels, each system once."""
    shown = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(shown.values()), list(shown), loc="outside upper center", ncols=min(4, len(shown)), frameon=False
    )


def _matryoshka(report: Report) -> "Figure":
    curves = _curves(report)
    figure, axes = _panels(len(curves))
    for axis, (name, lines) in zip(axes, curves.items(), strict=True):
        for system, points in lines.items():
            dims, found = [dim for dim, _ in points], [one for _, one in points]
            below = [one["mean"] - one["low"] for one in found]
            above = [one["high"] - one["mean"] for one in found]
            style = {"color": _colour(report, system), "marker": _mark(report, system), "capsize": 2, "linewidth": 1.2}
            axis.errorbar(dims, [one["mean"] for one in found], [below, above], label=short(system), **style)
        for row in report["scores"]:
            if row["set"] == name and row["dim"] is None and not row["not_run"]:
                level = row["metrics"]["ndcg_at_10"]["mean"]
                colour = _colour(report, row["system"])
                axis.axhline(level, color=colour, linestyle="--", linewidth=1, label=short(row["system"]))
        axis.set_xscale("log", base=2)
        shown = sorted({dim for points in lines.values() for dim, _ in points})
        axis.set_xticks(shown, [str(dim) for dim in shown], rotation=45)
        axis.minorticks_off()
        axis.set_title(short(name), loc="left")
        axis.set_xlabel("dimensions")
        axis.set_ylabel("nDCG@10")
    _legend(figure, axes)
    return figure


def _languages(report: Report) -> "Figure":
    spoken = _spoken(report)
    systems = [one["name"] for one in report["systems"]]
    most = max(len(languages) for languages in spoken.values())
    figure, axes = _panels(len(spoken), 0.6 + 0.13 * most * (len(systems) + 1))
    for axis, (name, languages) in zip(axes, spoken.items(), strict=True):
        height = 0.8 / len(systems)
        for at, system in enumerate(systems):
            rows = [row for row in report["scores"] if (row["system"], row["set"]) == (system, name)]
            if not rows or rows[0]["not_run"]:
                continue
            found = [rows[0]["languages"][language] for language in languages]
            places = [place + (at - (len(systems) - 1) / 2) * height for place in range(len(languages))]
            around = [[f["mean"] - f["low"] for f in found], [f["high"] - f["mean"] for f in found]]
            style = {"color": _colour(report, system), "ecolor": "#444444", "error_kw": {"linewidth": 0.6}}
            axis.barh(places, [f["mean"] for f in found], height, xerr=around, label=short(system), **style)
        axis.set_yticks(range(len(languages)), [short(language) for language in languages])
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_title(short(name), loc="left")
        axis.set_xlabel("nDCG@10")
    _legend(figure, axes)
    return figure


def _long_context(report: Report) -> "Figure":
    tests = _tests(report)
    figure, axes = _panels(len(tests))
    for axis, (name, lines) in zip(axes, tests.items(), strict=True):
        for system, points in lines.items():
            style = {"color": _colour(report, system), "marker": _mark(report, system), "linewidth": 1.2}
            axis.plot([x for x, _ in points], [y for _, y in points], label=short(system), **style)
        axis.set_xscale("log", base=2)
        shown = sorted({x for points in lines.values() for x, _ in points})
        axis.set_xticks(shown, [f"{x:,}" for x in shown], rotation=45)
        axis.minorticks_off()
        axis.set_ylim(-0.05, 1.05)
        axis.set_title(short(name), loc="left")
        axis.set_xlabel("tokens of a text")
        axis.set_ylabel("accuracy@1")
    _legend(figure, axes)
    return figure
