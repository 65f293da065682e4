"""How the held-out loss of each language went: a table, a plot (SVG), what run.json keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cards.plots import COLOURS, Plot, draw, short
from builders.cli.progress import say
from builders.store.parquet import write_bytes
from drama_train.pretraining.perplexity import Known, LanguageLoss, lost_told
from drama_train.pretraining.trainer import MEAN
from drama_train.pruning.showing import losses_told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drama_train.pretraining.tokens import Tokens

PLOT = "losses.svg"
_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Summary:
    """Losses of each language at the start and of the best model, and what the source knows, where that was measured.

    curves: {language: (tokens trained on, loss), rising}; the mean over the languages is called `loss`.
    """

    known: Known | None
    start: Mapping[str, LanguageLoss]
    best: Mapping[str, LanguageLoss]
    curves: Mapping[str, Sequence[tuple[int, float]]]

    @property
    def source(self) -> Mapping[str, LanguageLoss]:
        return self.known.source if self.known else {}

    def facts(self) -> dict[str, Any]:
        """As JSON; `kept` and `lost` are null where the source was not measured."""
        columns = {"source": self.source, "start": self.start, "best": self.best}
        return {
            "losses": {name: {key: asdict(one) for key, one in found.items()} for name, found in columns.items()},
            "kept": self.known and self.known.kept(self.best),
            "lost": self.known and list(self.known.lost(self.best)),
        }

    def tell(self) -> None:
        """A line a language: nats a token and perplexities; then which languages are lost."""
        columns = {"source": self.source, "at start": self.start, "best": self.best}
        told = {name: {key: one.loss for key, one in found.items()} for name, found in columns.items() if found}
        if told:
            say(losses_told(told))
        if self.known and (lost := self.known.lost(self.best)):
            say(lost_told(lost))


def summary_of(
    log: Sequence[Mapping[str, Any]],
    tokens: "Tokens",
    blocks: int,
    known: Known | None,
    best_step: int,
) -> Summary:
    """Of a run's log. blocks: of each language, at most, that were evaluated."""
    trained, found = 0, {}
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in log:
        trained += line.get("tokens", 0)
        if "heldout" in line:
            found[line["step"]] = line["heldout"]
            for name, loss in line["heldout"].items():
                curves.setdefault(name, []).append((trained, loss))
    sizes = {name: len(one.heldout[:blocks]) * (tokens.block - 1) for name, one in tokens.languages.items()}

    def losses(step: int) -> dict[str, LanguageLoss]:
        return {name: LanguageLoss(loss, sizes[name]) for name, loss in found.get(step, {}).items() if name != MEAN}

    return Summary(known, losses(0), losses(best_step), curves)


def write_plot(summary: Summary, folder: Path) -> Path | None:
    """losses.svg; None where nothing was evaluated. UserError where matplotlib is not installed."""
    if not summary.curves:
        return None
    path = folder / PLOT
    title = "Held-out loss by language"
    write_bytes(path, draw(Plot("losses", title, "", lambda facts: _draw(facts["summary"])), {"summary": summary}))
    return path


def _draw(summary: Summary) -> "Figure":
    """Languages by their last loss, so that the legend stands as the lines end."""
    from matplotlib.figure import Figure

    names = sorted((name for name in summary.curves if name != MEAN), key=lambda name: -summary.curves[name][-1][1])
    figure = Figure(figsize=(7.2, max(3.2, 0.8 + 0.2 * len(names))), layout="constrained")
    axis = figure.subplots()
    for at, name in enumerate(names):
        style: dict[str, Any] = {
            "color": COLOURS[at % len(COLOURS)],
            "linestyle": _STYLES[at // len(COLOURS) % len(_STYLES)],
        }
        points = summary.curves[name]
        axis.plot(*zip(*points, strict=True), label=short(name), marker="o", markersize=2.5, linewidth=1.2, **style)
        if name in summary.source:
            axis.plot(
                1.01, summary.source[name].loss, "<", transform=axis.get_yaxis_transform(), clip_on=False, **style
            )
    axis.plot(*zip(*summary.curves[MEAN], strict=True), color="#333333", linewidth=2, label="mean", zorder=0)
    axis.set_xlabel("tokens trained on")
    axis.set_ylabel("nats a token, held out" + (" (◂ source)" if summary.source else ""))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.03, 0.5), fontsize=8)
    return figure
