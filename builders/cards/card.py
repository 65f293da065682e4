"""The card of a release: a pure function of its facts, data_cards/template.md and the schemas."""

import json
from collections.abc import Mapping
from functools import cache
from html import escape as html_escape
from pathlib import Path
from typing import Any

from builders.cards.croissant import checked_croissant
from builders.cards.front_matter import LICENCE_FILE, front_matter
from builders.cards.licences import conditions, link, parts
from builders.cards.limits import limits
from builders.cards.markdown import Markdown, cell, code, escape, fence, number, one_line, percent
from builders.cards.plots import draw, plots
from builders.store.parquet import write_bytes
from builders.store.resources import resource
from builders.store.schemas import reasons

# What is told of a stage besides its counts by reason.
_SETTINGS = ("config", "model", "prompt", "sampling", "seed", "counts", "usage")

METHODS = {
    "sent": "a sentence cut out of the chunk (DRAMA 3.1.1)",
    "qgen": "a query that an LLM wrote for the chunk (DRAMA 3.1.2)",
    "rerank": "the same queries, their chunks in the order that an LLM prefers (DRAMA 3.1.3)",
    "triplet": "query, positive and negative that an LLM wrote (DRAMA 3.1.4)",
    "supervised": "a query whose positives people judged",
}


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """README.md, LICENSE.md, plots/*.svg and croissant.json. UserError where matplotlib or mlcroissant is lacking."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for plot in plots(facts):
        write_bytes(folder / "plots" / f"{plot.name}.svg", draw(plot, facts))
    croissant = json.dumps(checked_croissant(facts), indent=1, ensure_ascii=False)
    write_bytes(folder / "croissant.json", croissant.encode() + b"\n")
    write_bytes(folder / LICENCE_FILE, render_licences(facts).encode())
    write_bytes(folder / "README.md", render_card(facts).encode())


def render_card(facts: Mapping[str, Any]) -> str:
    """README.md. What is not Markdown of our own is escaped where it is put in; a fact that is lacking is an error."""
    named = facts["repository"]
    checks = [check for check in facts["quality"]["checks"] if not _is_column_that_passed(check)]
    text: str = template("template.md").render(
        checks=checks,
        columns_passed=len(facts["quality"]["checks"]) - len(checks),
        facts=facts,
        front_matter=Markdown(front_matter(facts).strip()),
        limits=limits(facts),
        methods=METHODS,
        place=named or "path/to/this/folder",
        plots=plots(facts),
        reasons=reasons(),
        revision=Markdown(f", revision={json.dumps(facts['release'])}" if named else ""),
    )
    return text


def render_licences(facts: Mapping[str, Any]) -> str:
    """LICENSE.md: what of the data is under which licence, and where its text is."""
    names = sorted({name for row in facts["licence"]["by"] for name in parts(row["licence"])})
    text: str = template("licence.md").render(facts=facts, links=[(name, link(name)) for name in names])
    return text


@cache
def template(name: str) -> Any:
    """jinja2's own escaping knows HTML alone; `finalize` sees every expression, so that no filter can be forgotten."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "asked": _asked,
        "cell": cell,
        "code": code,
        "fence": fence,
        "html": lambda text: Markdown(html_escape(one_line(text))),
        "megabytes": lambda size: Markdown(f"{size / 1e6:,.2f} MB"),
        "number": number,
        "percent": percent,
        "python": lambda text: Markdown(json.dumps(text)),
        "raw": Markdown,
        "settings": _settings,
        "tiny": lambda value: Markdown(f"{value:.0e}" if value else "0"),
    }
    return environment.from_string(resource("data_cards", name).read_text(encoding="utf-8"))


def _is_column_that_passed(check: Mapping[str, Any]) -> bool:
    """schema.RECORD.COLUMN: there are hundreds, and a table of them hides the rest."""
    name = str(check["name"])
    return bool(check["status"] == "passed") and name.startswith("schema.") and name.count(".") > 1


def _asked(expression: str) -> str:
    names = parts(expression)
    return ", ".join(sorted({asked for name in names for asked in conditions(name)})) or "nothing"


def _settings(stage: Mapping[str, Any]) -> str:
    told = {name: stage[name] for name in _SETTINGS if stage[name] not in (None, {})}
    return json.dumps(told, indent=1, ensure_ascii=False)
