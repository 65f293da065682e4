"""What the card of a model tells: a pure function of its run, its settings, what was checked and what was scored."""

from collections.abc import Mapping, Sequence
from typing import Any

from builders.cards.licences import checked_expression, known, strictest, warnings
from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.releases.redaction import redacted
from drama_train.exporting.checking import Finding
from drama_train.exporting.curves import Curve, curve_of
from drama_train.exporting.sources import Source
from drama_train.retriever import Retriever

Facts = dict[str, Any]
# Where a model that has a name of its own here comes from.
_ON_THE_HUB = {"smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def card_facts(
    source: Source,
    retriever: Retriever,
    licences: Mapping[str, str],
    findings: Sequence[Finding],
    *,
    scores_fit: bool = True,
) -> Facts:
    """Of the run nothing is guessed: what it does not record is None, and the card says so.

    scores_fit: whether the scores are of these weights and settings. licences: of the model that training began from,
    of releases and of texts, by name, where the run records none. UserError where one is given for what is not named.
    """
    run = redacted(dict(source.facts))
    model, releases = run.get("model"), run.get("releases") or []
    config = retriever.model.config
    embeddings = retriever.model.get_input_embeddings().weight.numel()
    curve: Curve = curve_of(source.log)
    return {
        "architecture": type(retriever.model).__name__.removesuffix("Model"),
        "base": base_of(model),
        "checkpoint": source.checkpoint,
        "curve": curve,
        "dim": retriever.dim,
        "embeddings": embeddings,
        "findings": [finding for finding in findings if finding.difference is not None],
        "is_run": bool(source.facts),
        "languages": sorted({code for release in releases for code in release.get("languages") or []}),
        "layers": config.num_hidden_layers,
        "licence": licence_facts(model, releases, licences),
        "parameters": sum(one.numel() for one in retriever.model.parameters()) - embeddings,
        "releases": [_release(one) for one in releases],
        "run": run,
        "scores_fit": scores_fit,
        "settings": retriever.settings,
        "streams": (run.get("mixture") or {}).get("streams") or [],
        "vocabulary": config.vocab_size,
    }


def base_of(model: Mapping[str, Any] | None) -> str | None:
    """The Hub's id of the model that training began from, before it was pruned; None where it has none."""
    named = _root(model) if model else ""
    named = _ON_THE_HUB.get(named, named)
    return named if named.count("/") == 1 else None


def _root(model: Mapping[str, Any]) -> str:
    """The id of the model itself, or of the one that it was pruned from."""
    while before := model.get("pruned_from"):
        model = before
    return str(model["id"])


def _release(release: Mapping[str, Any]) -> Facts:
    told = dict.fromkeys(("release", "content_hash", "repository", "licence", "languages")) | dict(release)
    return told | {"title": f"{told['name']} {told['release'] or ''}".strip()}


def _other_texts(model: Mapping[str, Any] | None, releases: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The texts that the pruned model's weights were trained on, and no release of the run is."""
    learned = ((model or {}).get("pruned_from") or {}).get("learned_from") or []
    hashes = {one.get("content_hash") for one in releases} - {None}
    return [one for one in learned if one.get("content_hash") not in hashes]


def licence_facts(
    model: Mapping[str, Any] | None, releases: Sequence[Mapping[str, Any]], given: Mapping[str, str]
) -> Facts:
    """{strictest: of all or None where one is not known, by: [{what, licence}], unknown, warnings}."""
    parts = [(f"model {_root(model)}", _root(model), model.get("licence"))] if model else []
    parts += [(f"release {r['name']} {r.get('release') or ''}".strip(), r["name"], r.get("licence")) for r in releases]
    parts += [(f"texts {one['name']}", one["name"], one.get("licence")) for one in _other_texts(model, releases)]
    _check_given(given, parts)
    by = []
    for what, name, stated in dict.fromkeys(parts):
        licence = stated or given.get(name) or (known()["models"].get(name) if what.startswith("model ") else None)
        by.append({"what": what, "licence": checked_expression(licence, what) if licence else None})
    unknown = list(dict.fromkeys(one["what"] for one in by if one["licence"] is None))
    unknown += [] if model else ["the model that training began from"]
    unknown += [] if releases else ["its training data"]
    stated = [one["licence"] for one in by if one["licence"]]
    return {
        "strictest": None if unknown else strictest(stated),
        "by": by,
        "unknown": unknown,
        "warnings": warnings(stated) if stated else [],
    }


def _check_given(given: Mapping[str, str], parts: Sequence[tuple[str, str, str | None]]) -> None:
    """UserError where a licence is given for what is not there, or against all that is recorded of that name."""
    names = [name for _, name, _ in parts]
    for name, licence in sorted(given.items()):
        if name not in names:
            raise UserError(
                f"--licence {name}={licence} names nothing that this model came from{nearest(name, names)}: that is "
                f"{', '.join(names) or 'not recorded'}.",
                exit_code=2,
            )
        stated = [(what, recorded) for what, of, recorded in parts if of == name]
        if all(recorded and recorded != licence for _, recorded in stated):
            what, recorded = stated[0]
            raise UserError(
                f"--licence {name}={licence}: the run records {recorded} of {what}: leave it out, or mend it there.",
                exit_code=2,
            )
