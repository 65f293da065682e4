"""Which licence each source and each model of a release has, and what binds the whole."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from builders.cards.licences import checked_expression, known, read_expression, strictest, warnings
from builders.cards.released import Released
from builders.cards.rows import Rows
from builders.cards.stages import WRITING, asked_models
from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

WRITTEN_BY_MODEL = "builders.synthetic_triplets"


def check_names(rows: Rows, released: Released, given: Mapping[str, str]) -> None:
    """UserError for a licence that is none, or of something that the release does not hold: a misspelt name would be
    passed over.
    """
    sources = [source for (source,) in rows.ask(released.chunks, "SELECT DISTINCT source FROM rows")]
    names = {*sources, *(model_id for model_id, _, _ in asked_models(released.versions))}
    for name in given:
        if name not in names:
            raise UserError(
                f"--licence {name}={given[name]} names no source and no model of this release{nearest(name, names)}: "
                f"it holds {', '.join(sorted(names))}.",
                exit_code=2,
            )
        checked_expression(given[name], f"the {'source' if name in sources else 'model'} {name}")


def model_facts(versions: VersionSet, given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Models with what they did and their licence. UserError where one that wrote texts has none that is known."""
    roles: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for model_id, revision, role in asked_models(versions):
        if role not in roles[model_id, revision]:
            roles[model_id, revision].append(role)
    facts = []
    for (model_id, revision), does in roles.items():
        licence = given.get(model_id) or known()["models"].get(model_id)
        if licence is not None:
            licence = checked_expression(licence, f"the model {model_id}")
        elif any(role in WRITING for role in does):
            raise UserError(
                f"The licence of the model {model_id}, which {' and '.join(does)}, is not known, and its words are in "
                f"the data: give --licence '{model_id}=SPDX' with what its maker states, such as Apache-2.0.",
                exit_code=2,
            )
        facts.append({"id": model_id, "revision": revision, "roles": does, "licence": licence})
    return facts


def source_licences(
    rows: Rows, given: Released, licences: Mapping[str, str], models: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """{source: [{licence, stated, documents}]}: what its documents state, or what was given where they state none.

    What a row states and SPDX can read stands: `licences` fills in for rows that state none, or something else. The
    texts that a model wrote are under the model's licence. UserError names the first source that is left without.
    """
    per_licence = "SELECT source, licence, count(DISTINCT document_id) FROM rows GROUP BY ALL ORDER BY ALL"
    written = _written_sources(given.versions, models)
    facts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for source, stated, documents in rows.ask(given.chunks, per_licence):
        licence = read_expression(stated) if stated else None
        if licence is None and source in licences:
            licence = checked_expression(licences[source], f"the source {source}")
        if licence is None and not stated:
            licence = written.get(source)
        if licence is None:
            raise UserError(_lacking(source, stated, documents), exit_code=2)
        facts[source].append({"licence": licence, "stated": stated, "documents": documents})
    return dict(facts)


def _lacking(source: str, stated: str | None, documents: int) -> str:
    what = f"state the licence {stated!r}, which is no SPDX expression" if stated else "state no licence"
    return (
        f"{documents:,} documents of the source {source} {what}: give --licence '{source}=SPDX' with the licence that "
        "those have, such as CC-BY-SA-4.0, or leave the source out."
    )


def _written_sources(versions: VersionSet, models: list[dict[str, Any]]) -> dict[str, str]:
    """{source whose documents a model wrote: the licence of that model}."""
    of_model = {model["id"]: model["licence"] for model in models}
    found = {}
    for documents in versions.of("documents"):
        if documents.manifest["stage"] == WRITTEN_BY_MODEL:
            writers = {str(v.manifest["identity"]["model"]["id"]) for v in _drafts(versions, documents)}
            found[str(documents.manifest["identity"]["config"]["name"])] = strictest(of_model[w] for w in writers)
    return found


def _drafts(versions: VersionSet, documents: Version) -> list[Version]:
    return versions.behind(documents, "triplet_drafts")


def licence_facts(sources: Mapping[str, list[dict[str, Any]]], models: list[dict[str, Any]]) -> dict[str, Any]:
    """The strictest of all that put words into the data; models that only judged or retrieved put none."""
    by = [
        {"what": f"source {source}", "licence": licence}
        for source, stated in sorted(sources.items())
        for licence in sorted({one["licence"] for one in stated})
    ]
    for model in models:
        if wrote := [role.removeprefix("writes ") for role in model["roles"] if role in WRITING]:
            by.append({"what": f"model {model['id']}, which wrote {' and '.join(wrote)}", "licence": model["licence"]})
    expressions = [one["licence"] for one in by]
    return {"strictest": strictest(expressions), "by": by, "warnings": warnings(expressions)}
