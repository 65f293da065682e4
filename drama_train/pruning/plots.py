"""How l0 went, as a plot (SVG): each family's sparsity against its target, and the loss."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cards.plots import COLOURS, Plot, draw
from builders.store.parquet import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMOOTHED = 25  # steps of the loss's mean


def write_sparsity(log: Path, path: Path) -> None:
    """log: the steps of l0, one JSON object a line. UserError where matplotlib is not installed."""
    steps = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    write_bytes(path, draw(Plot("sparsity", "Sparsity and loss by step", "", _figure), {"steps": steps}))


def _figure(facts: Any) -> "Figure":
    from matplotlib.figure import Figure

    steps = facts["steps"]
    at = [one["step"] for one in steps]
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for colour, name in zip(COLOURS, steps[0]["targets"], strict=False):
        above.plot(at, [one["sparsity"][name] for one in steps], color=colour, label=name)
        above.plot(at, [one["targets"][name] for one in steps], color=colour, linestyle=":", linewidth=1)
    above.set_ylabel("sparsity (dotted: target)")
    above.legend(frameon=False, ncols=5, fontsize=8)
    losses = [one["loss"] for one in steps]
    below.plot(at, losses, color=COLOURS[6], linewidth=0.6)
    below.plot(at, _smoothed(losses), color=COLOURS[0])
    below.set_ylabel("nats a token")
    below.set_xlabel("step")
    return figure


def _smoothed(values: list[float]) -> list[float]:
    """The mean of the last so many."""
    return [sum(values[max(0, end - _SMOOTHED) : end]) / min(end, _SMOOTHED) for end in range(1, len(values) + 1)]
