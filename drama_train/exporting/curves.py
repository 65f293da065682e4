"""The training curve of a run's log: the loss of each step, and the score on held-out queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cards.plots import COLOURS, Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORE = "ndcg_at_10"
# A point of the smoothed line is the mean of so many parts of the run, so that a short run and a long one look alike.
_PARTS = 50


@dataclass(frozen=True)
class Curve:
    """`losses`: (step, loss) of each step. `scores`: (step, nDCG@10) of each evaluation on held-out queries."""

    losses: tuple[tuple[int, float], ...]
    scores: tuple[tuple[int, float], ...]


def curve_of(log: Sequence[Mapping[str, Any]]) -> Curve:
    losses = [(line["step"], float(line["loss"])) for line in log if "loss" in line]
    scores = [(line["step"], float(line["heldout"][SCORE])) for line in log if SCORE in line.get("heldout", {})]
    return Curve(tuple(losses), tuple(scores))


def curve_plots(curve: Curve) -> list[Plot]:
    """The plot of the card; none where the log holds no step."""
    if not curve.losses:
        return []
    return [Plot("training", "Training", _alt(curve), lambda facts: _draw(facts["curve"]))]


def _alt(curve: Curve) -> str:
    first, last = smoothed(curve.losses)[0], smoothed(curve.losses)[-1]
    told = f"Loss by step: from {first[1]:.3f} to {last[1]:.3f} in {curve.losses[-1][0]:,} steps."
    if not curve.scores:
        return f"{told} Nothing was evaluated on the way."
    best = max(curve.scores, key=lambda one: one[1])
    return (
        f"{told} nDCG@10 on held-out queries: {curve.scores[0][1]:.3f} at step {curve.scores[0][0]:,}, "
        f"{best[1]:.3f} at best, at step {best[0]:,}."
    )


def smoothed(losses: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """The means of runs of neighbouring steps."""
    size = max(1, len(losses) // _PARTS)
    parts = [losses[at : at + size] for at in range(0, len(losses), size)]
    return [(sum(step for step, _ in part) / len(part), sum(loss for _, loss in part) / len(part)) for part in parts]


def _draw(curve: Curve) -> "Figure":
    from matplotlib.figure import Figure

    panels = 2 if curve.scores else 1
    figure = Figure(figsize=(7.2, 2.1 * panels + 0.3), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False, sharex=True)[:, 0]
    axes[0].plot(*zip(*curve.losses, strict=True), color=COLOURS[0], linewidth=0.5, alpha=0.35)
    axes[0].plot(*zip(*smoothed(curve.losses), strict=True), color=COLOURS[0])
    axes[0].set_ylabel("loss")
    if curve.scores:
        axes[1].plot(*zip(*curve.scores, strict=True), color=COLOURS[1], marker="o", markersize=3)
        axes[1].set_ylabel("nDCG@10, held out")
    axes[-1].set_xlabel("step")
    return figure
