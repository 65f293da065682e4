"""facts.json: everything that the card and the page of a release say, measured over its versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builders.cards.columns import config_facts, size_category
from builders.cards.distributions import distribution_facts
from builders.cards.licence_facts import check_names, licence_facts, model_facts, source_licences
from builders.cards.ranks import retrieval_facts
from builders.cards.released import released
from builders.cards.rows import rows_of
from builders.cards.sources import language_facts, method_facts, source_facts
from builders.cards.stages import prompt_facts, stage_facts
from builders.store.provenance import provenance
from builders.store.version_sets import VersionSet


@dataclass(frozen=True)
class ReleaseParts:
    """What a release knows beside its versions.

    `licences`: {source or model id: SPDX} where rows or data_cards/licences.toml do not tell. `configs` as in the
    release's manifest. `negatives`: how many a row of pairs has. `repository`: owner/name on the Hub.
    """

    name: str
    release: str
    content_hash: str
    description: str
    finished: str
    licences: Mapping[str, str]
    configs: Mapping[str, Any]
    negatives: int
    repository: str | None = None


def release_facts(
    versions: VersionSet, release: ReleaseParts, quality: Mapping[str, Any], *, memory: str = "1GB"
) -> dict[str, Any]:
    """The facts, as JSON values. UserError where a licence is lacking or is none."""
    given = released(versions)
    configs = config_facts(release.configs, release.negatives)
    with rows_of(memory) as rows:
        check_names(rows, given, release.licences)
        models = model_facts(versions, release.licences)
        licences = source_licences(rows, given, release.licences, models)
        return {
            "name": release.name,
            "release": release.release,
            "content_hash": release.content_hash,
            "description": release.description,
            "finished": release.finished,
            "repository": release.repository,
            "size_category": size_category(sum(split["rows"] for config in configs for split in config["splits"])),
            "made_with": provenance(),
            "configs": configs,
            "languages": language_facts(rows, given),
            "sources": source_facts(rows, given, licences),
            "methods": method_facts(rows, given),
            "stages": stage_facts(versions),
            "prompts": prompt_facts(versions),
            "models": models,
            "licence": licence_facts(licences, models),
            "quality": dict(quality),
            "audit": _audit(versions),
            "contamination": _contamination(versions),
            "retrieval": retrieval_facts(rows, versions),
            "distributions": distribution_facts(rows, given),
        }


def _audit(versions: VersionSet) -> list[dict[str, Any]]:
    if not versions.of("opinions"):
        return []
    from builders.quality.rates import audit_facts

    return [audit_facts(version, versions) for version in versions.of("opinions")]


def _contamination(versions: VersionSet) -> list[dict[str, Any]]:
    if not versions.of("contamination"):
        return []
    from builders.quality.overlaps import contamination_facts

    return [contamination_facts(version, versions.versions) for version in versions.of("contamination")]
