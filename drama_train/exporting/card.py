"""The card of a model: README.md, its front matter for the Hub, and the plot of its training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.cards.card import template
from builders.cards.front_matter import CODE, licence_fields
from builders.cards.licences import link, parts
from builders.cards.markdown import Markdown, one_line
from builders.cards.plots import draw
from builders.store.parquet import write_bytes
from drama_train.exporting import snippets
from drama_train.exporting.curves import curve_plots
from drama_train.exporting.limits import limits
from drama_train.exporting.onnx_model import ONNX_FILE
from drama_train.exporting.scores import Scores

MOST_STREAMS = 60
UNRECORDED = "not recorded"


def write_card(
    folder: Path,
    facts: Mapping[str, Any],
    *,
    name: str,
    repository: str | None,
    dtype: str,
    scores: Scores,
) -> None:
    """README.md and plots/training.svg. UserError where matplotlib is lacking."""
    plots = curve_plots(facts["curve"])
    for plot in plots:
        (folder / "plots").mkdir(exist_ok=True)
        write_bytes(folder / "plots" / f"{plot.name}.svg", draw(plot, facts))
    place, settings = repository or snippets.FOLDER, facts["settings"]
    streams = sorted(facts["streams"], key=lambda one: -(one.get("weight") or 0))
    text = template("model.md").render(
        check=f"python -m drama_train export --check {'path/to/a/copy' if repository else place}",
        dtype=dtype,
        facts=facts,
        front_matter=Markdown(front_matter(name, facts).strip()),
        has_onnx=(folder / ONNX_FILE).is_file(),
        limits=limits(facts, scores, dtype),
        more_streams=max(0, len(streams) - MOST_STREAMS),
        name=name,
        place=place,
        plan=json.dumps(facts["run"].get("plan"), indent=1, ensure_ascii=False) if facts["run"].get("plan") else "",
        plots=plots,
        scores=scores,
        settings=settings,
        snippets={
            "sentence_transformers": snippets.for_sentence_transformers(place, settings),
            "transformers": snippets.for_transformers(place, settings),
            "vllm": snippets.for_vllm(place, settings),
        },
        streams=[{"rows": None, "weight": None} | dict(one) for one in streams[:MOST_STREAMS]],
        training=training_rows(facts),
    )
    write_bytes(folder / "README.md", text.encode())


def training_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is told of the run, in words; UNRECORDED where it is not."""
    run = facts["run"]
    model, made = run.get("model") or {}, run.get("made_with") or {}
    steps, best, tokens, seconds = (run.get(name) for name in ("steps", "best_step", "tokens", "seconds"))
    began = f"{model['id']}, revision {model.get('revision') or UNRECORDED}" if model else UNRECORDED
    if model.get("layers"):
        began += f", its first {model['layers']} layers"
    libraries = made.get("libraries") or {}
    pruned = [_pruned(model["pruned_from"])] if model.get("pruned_from") else []
    return [
        ("began from", began),
        *pruned,
        ("steps", UNRECORDED if steps is None else f"{steps:,}"),
        ("checkpoint", _checkpoint(facts["checkpoint"], best, run.get("best_score"))),
        ("tokens", UNRECORDED if tokens is None else f"{tokens:,}"),
        ("time", UNRECORDED if seconds is None else _hours(seconds)),
        ("tokens a second", UNRECORDED if not (tokens and seconds) else f"{tokens / seconds:,.0f}"),
        ("hardware", run.get("hardware") or UNRECORDED),
        ("libraries", ", ".join(f"{one} {libraries[one]}" for one in ("torch", "transformers") if one in libraries)
         or UNRECORDED),
        ("commit", made.get("git_commit") or UNRECORDED),
    ]  # fmt: skip


def _pruned(origin: Mapping[str, Any]) -> tuple[str, str]:
    """How the model came to be what training began from: pruned and recovered here, or either."""
    is_cut, tokens = bool(origin.get("target_shape")), (origin.get("recovery") or {}).get("tokens")
    told = f"{origin['id']}, revision {origin.get('revision') or UNRECORDED}"
    if is_cut:
        told += f", by {origin.get('pick') or UNRECORDED}: {origin.get('source_shape') or UNRECORDED} to "
        told += f"{origin['target_shape']} (layers x hidden x heads x kv heads x intermediate)"
    told += f", then trained on {tokens:,} tokens" if tokens else ", not recovered" if is_cut else ""
    if names := list(dict.fromkeys(one["name"] for one in origin.get("learned_from") or [])):
        told += f"; its weights learned from {', '.join(names)}"
    if before := origin.get("pruned_from"):
        told += f"; {origin['id']} itself came from " + _pruned(before)[1]
    return "pruned from" if is_cut else "made of", told


def _checkpoint(name: str | None, best: int | None, score: float | None) -> str:
    if name is None:
        return UNRECORDED
    if name != "best" or best is None:
        return name
    return f"best, of step {best:,}" + (f" (held-out nDCG@10 {score:.3f})" if score is not None else "")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 5400 else f"{seconds / 60:,.1f} minutes"


def front_matter(name: str, facts: Mapping[str, Any]) -> str:
    """The YAML block that the Hub reads, without its dashes. All strings are of one line, so that none can end it."""
    from huggingface_hub import ModelCardData

    languages = [code for code in facts["languages"] if CODE.fullmatch(code) and code != "und"]
    datasets = [one["repository"] for one in facts["releases"] if one["repository"]]
    causal = facts["settings"].attention == "causal"
    data = ModelCardData(
        model_name=one_line(name),
        language=languages or None,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[
            "sentence-transformers",
            "feature-extraction",
            "retrieval",
            "drama",
            "causal" if causal else "bidirectional",
            *(["matryoshka"] if len(facts["settings"].dims) > 1 else []),
        ],
        datasets=datasets or None,
        base_model=facts["base"],
        **_licence(facts["licence"]["strictest"]),
    )
    text: str = data.to_yaml()
    return text


def _licence(expression: str | None) -> dict[str, Any]:
    """The Hub takes one licence of a model; `unknown` is its own word for what is not known."""
    if expression is None:
        return {"license": "unknown"}
    fields = licence_fields(expression)
    if not isinstance(fields["license"], list):
        return {**fields, "license_link": _link(fields)} if "license_link" in fields else fields
    slug = "-".join(fields["license"])
    return {"license": "other", "license_name": slug, "license_link": link(sorted(parts(expression))[0])}


def _link(fields: Mapping[str, Any]) -> str:
    """A licence's page; the card's own section where there is none, since no LICENSE.md is here."""
    there = str(fields["license_link"])
    return there if there.startswith("https://") else "README.md"
