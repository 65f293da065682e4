"""The plots of a card as SVG: the same facts, the same bytes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from builders.cards.markdown import one_line
from builders.cli.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]

# Text stays text, in whatever sans-serif the reader has: any script, selectable, no font of the machine in the file.
# A page may be dark, so the ground is white and opaque. Names may hold dollars, which are no formulas.
_SETTINGS: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 9,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "drama",
    "text.parse_math": False,
}
# Told apart also by readers who see fewer colours (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
_WIDTH, _LONGEST_NAME, _MOST_SERIES = 7.2, 34, 6
_MOST_TOLD = 20  # in an alternative text
_FIRST_10 = ("1", "2..5", "6..10")


@dataclass(frozen=True)
class Plot:
    """`alt` says in words what the plot shows, for those who do not see it."""

    name: str
    title: str
    alt: str
    draw: "Callable[[Facts], Figure]"


def plots(facts: Facts) -> list[Plot]:
    """Those for which there is something to show, in the order of the card."""
    found = facts["distributions"]
    of_scores = "The median and the middle 80% of scores at each rank."
    of_rejections = "Rejected rows by table and reason, as in the tables below."
    lengths = [
        Plot(name, title, _series_alt(found[name]), drawn)
        for name, title, drawn in (
            ("query_words", "Length of queries", _queries),
            ("chunk_tokens", "Length of chunks", _chunks),
            ("negatives", "Hard negatives a row", _negatives),
        )
        if found[name]["series"]
    ]
    others = [
        Plot("own_rank", "Where a query's own chunk is ranked", _own_alt(facts), _own_ranks),
        Plot("score_by_rank", "Score by rank", of_scores, _scores),
        Plot("rejections", "Rejected rows", of_rejections, _rejections),
    ]
    first = [Plot("languages", "Rows by language", _languages_alt(facts), _languages)] if facts["languages"] else []
    return [*first, *lengths, *(plot for plot in others if found[plot.name])]


def draw(plot: Plot, facts: Facts) -> bytes:
    """The SVG. UserError where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise UserError("The card's plots need matplotlib: run `pip install 'drama[report]'`.") from None
    # not through pyplot, which keeps state and looks for a display
    with matplotlib.rc_context(_SETTINGS):
        file = BytesIO()
        figure = plot.draw(facts)
        metadata = {"Date": None, "Creator": None, "Title": plot.title}
        figure.savefig(file, format="svg", metadata=metadata, bbox_inches="tight")
    return file.getvalue()


def short(name: str) -> str:
    """A name that fits beside an axis."""
    line = one_line(name)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def _figure(rows: int, height: float) -> "tuple[Figure, list[Any]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, max(1.6, height)), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    return figure, list(axes)


def _languages(facts: Facts) -> "Figure":
    rows = facts["languages"][:40]
    figure, (axis,) = _figure(1, 0.8 + 0.34 * len(rows))
    for at, kind in enumerate(("chunks", "queries", "triplets")):
        places = [place + (at - 1) * 0.27 for place in range(len(rows))]
        axis.barh(places, [row[kind] for row in rows], height=0.25, color=COLOURS[at], label=kind)
    _named(axis, [row["code"] for row in rows])
    axis.set_xlabel("rows")
    axis.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure


def _named(axis: Any, names: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), [short(name) for name in names])
    axis.invert_yaxis()


def _queries(facts: Facts) -> "Figure":
    return _histograms(
        facts["distributions"]["query_words"], "words (characters in languages without spaces)", "queries"
    )


def _chunks(facts: Facts) -> "Figure":
    return _histograms(facts["distributions"]["chunk_tokens"], "tokens", "chunks")


def _negatives(facts: Facts) -> "Figure":
    return _histograms(facts["distributions"]["negatives"], "negatives", "rows")


def _histograms(found: Mapping[str, Any], x: str, y: str) -> "Figure":
    """One below the other on one scale of values; each has its own scale of counts, since methods differ in size."""
    series = sorted(found["series"], key=lambda one: -sum(b["count"] for b in one["bins"]))[:_MOST_SERIES]
    figure, axes = _figure(len(series), 1.35 * len(series) + 0.4)
    for at, (axis, one) in enumerate(zip(axes, series, strict=True)):
        bins = one["bins"]
        width = bins[0]["to"] - bins[0]["from"]
        starts = [b["from"] for b in bins]
        axis.bar(starts, [b["count"] for b in bins], width * 0.94, align="edge", color=COLOURS[at])
        axis.axvline(min(one["p50"], bins[-1]["from"] + width) + 0.5 * (width == 1), color="#333333", linewidth=0.8)
        total = sum(b["count"] for b in bins)
        axis.set_title(f"{short(one['name'])} ({total:,}), median {one['p50']:,}", loc="left")
        axis.set_ylabel(y)
        axis.yaxis.get_major_locator().set_params(integer=True)
        if bins[-1]["to"] - bins[-1]["from"] > width:
            ticks = [start for start in starts[:: max(1, len(bins) // 8)] if start < starts[-1] - width]
            axis.set_xticks([*ticks, starts[-1]], [*map(str, ticks), f"{starts[-1]}+"])
    axes[-1].set_xlabel(x)
    return figure


def _own_ranks(facts: Facts) -> "Figure":
    found = facts["distributions"]["own_rank"]
    names = list(dict.fromkeys((row["version"], row["method"]) for row in found))
    bands = [band for band in ("1", "2..5", "6..10", "11..50", "51..") if any(r["band"] == band for r in found)]
    bands += ["not found"]
    figure, (axis,) = _figure(1, 0.9 + 0.4 * len(names))
    shades = ("#08519c", "#3182bd", "#6baed6", "#bdd7e7", "#deebf7")
    left = [0.0] * len(names)
    totals = [sum(r["queries"] for r in found if (r["version"], r["method"]) == name) for name in names]
    for at, band in enumerate(bands):
        counts = {(r["version"], r["method"]): r["queries"] for r in found if r["band"] == band}
        shares = [100 * counts.get(name, 0) / total for name, total in zip(names, totals, strict=True)]
        colour = "#d55e00" if band == "not found" else shades[at]
        axis.barh(range(len(names)), shares, left=left, height=0.7, color=colour, label=band)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    _named(axis, [f"{method}, {version}" for version, method in names])
    axis.set_xlabel("share of queries, %")
    axis.legend(title="rank", frameon=False, ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _scores(facts: Facts) -> "Figure":
    found = facts["distributions"]["score_by_rank"]
    names = list(dict.fromkeys((row["version"], row["retriever"], row["method"]) for row in found))[:_MOST_SERIES]
    figure, axes = _figure(len(names), 1.6 * len(names) + 0.4)
    for at, (axis, name) in enumerate(zip(axes, names, strict=True)):
        rows = [row for row in found if (row["version"], row["retriever"], row["method"]) == name]
        ranks = [row["rank"] for row in rows]
        axis.fill_between(ranks, [r["p10"] for r in rows], [r["p90"] for r in rows], color=COLOURS[at], alpha=0.25)
        axis.plot(ranks, [r["p50"] for r in rows], color=COLOURS[at])
        axis.set_title(f"{name[2]}, {name[0]}, {short(name[1])}", loc="left")
        axis.set_ylabel("score")
    axes[-1].set_xlabel("rank")
    return figure


def _rejections(facts: Facts) -> "Figure":
    found = sorted(facts["distributions"]["rejections"], key=lambda row: -row["rows"])[:25]
    figure, (axis,) = _figure(1, 0.7 + 0.26 * len(found))
    axis.barh(range(len(found)), [row["rows"] for row in found], height=0.7, color=COLOURS[1])
    axis.bar_label(axis.containers[0], labels=[f"{row['rows']:,}" for row in found], padding=3)
    _named(axis, [f"{row['reason']}, {row['table']}{' ' + row['method'] if row['method'] else ''}" for row in found])
    axis.set_xlabel("rows")
    axis.margins(x=0.12, y=0.02)
    return figure


def _languages_alt(facts: Facts) -> str:
    rows = facts["languages"]
    told = ", ".join(f"{row['code']} {row['triplets']:,}" for row in rows[:_MOST_TOLD])
    return f"Chunks, queries and triplets by language; triplets: {told}{_more(len(rows) - _MOST_TOLD)}."


def _series_alt(found: Mapping[str, Any]) -> str:
    told = "; ".join(
        f"{one['name']} median {one['p50']:,}, from {one['p10']:,} to {one['p90']:,} for the middle 80%"
        for one in found["series"][:_MOST_TOLD]
    )
    return f"Histograms, in {found['unit']}: {told}{_more(len(found['series']) - _MOST_TOLD)}."


def _own_alt(facts: Facts) -> str:
    """One a bar of the plot, as the plot names it: its languages are together there."""
    bars: dict[tuple[str, str], Counter[str]] = {}
    for row in facts["distributions"]["own_rank"]:
        bars.setdefault((row["method"], row["version"]), Counter())[row["band"]] += row["queries"]
    told = "; ".join(
        f"{method}, {version}: first {bands['1'] / bands.total():.1%}, "
        f"in the first 10 {sum(bands[band] for band in _FIRST_10) / bands.total():.1%}"
        for (method, version), bands in list(bars.items())[:_MOST_TOLD]
    )
    return f"Shares of queries by the rank of their own chunk. {told}{_more(len(bars) - _MOST_TOLD)}."


def _more(left: int) -> str:
    return f" and {left:,} more" if left > 0 else ""
