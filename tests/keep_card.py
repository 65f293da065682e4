"""Keep the card of a release of the demo in data_cards: `python -m tests.keep_card FOLDER`, after `builders.release`."""

import json
import shutil
import sys
from pathlib import Path

from builders.cards.card import render_card
from builders.cards.plots import draw, plots
from builders.store.resources import folder

NAME = "pydoc-drama"


def main(release: Path) -> None:
    """pydoc-drama.json is the release's facts.json; the card and its plots are rendered from it again."""
    kept = folder("data_cards")
    text = (release / "facts.json").read_text(encoding="utf-8")
    facts = json.loads(text)
    (kept / f"{NAME}.json").write_text(text, encoding="utf-8")
    (kept / f"{NAME}.md").write_text(render_card(facts), encoding="utf-8")
    shutil.rmtree(kept / "plots", ignore_errors=True)
    (kept / "plots").mkdir()
    for plot in plots(facts):
        (kept / "plots" / f"{plot.name}.svg").write_bytes(draw(plot, facts))
    print(kept / f"{NAME}.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
