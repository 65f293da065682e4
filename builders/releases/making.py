"""One release, written into a folder: checks, rows, facts, changes, card, page, and the manifest last."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.releases.changelog import Changes, write_changelog
from builders.releases.changes import check_changes, row_changes, version_changes
from builders.releases.choice import TABLES, Chosen
from builders.releases.manifests import content_hash, write_json, write_manifest, write_versions
from builders.releases.pairs import CONFIG, write_pairs
from builders.releases.previous import Previous
from builders.releases.redaction import redacted
from builders.releases.rows import config_rows, write_config
from builders.store.duck import duckdb_connection
from builders.store.parquet import write_bytes

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Wanted:
    """A release as it was asked for. `identity` is what its manifest says first: name, release, previous, versions.

    `options` are those of the command; `change` is major, minor or patch since `previous`.
    """

    identity: Mapping[str, Any]
    options: Mapping[str, Any]
    negatives: int
    previous: Previous | None
    change: str
    memory: str


def write_release(wanted: Wanted, chosen: Chosen, folder: Path, work: Path) -> dict[str, Any]:
    """Everything that `folder` is to hold; returns the manifest. `work` is for what is needed on the way."""
    from builders.cards.card import write_card
    from builders.cards.facts import ReleaseParts, release_facts
    from builders.cards.licence_check import check_licences
    from builders.cards.page import write_page
    from builders.quality.checking import check_versions

    options = wanted.options
    check_licences(chosen.versions, options["licences"], wanted.memory)
    write_versions(chosen, folder)
    _write_prompts(chosen, folder)
    # failing rows stay out: those of preferences, say, have columns that are not released
    quality = redacted(check_versions(chosen.versions, work, memory=wanted.memory))
    refuse_shapes(quality)
    write_json(folder / "quality.json", quality)
    configs = _write_rows(wanted, chosen, folder, work)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    parts = ReleaseParts(
        name=str(wanted.identity["name"]),
        release=str(wanted.identity["release"]),
        content_hash=content_hash(configs),
        description=options["description"],
        finished=finished,
        licences=options["licences"],
        configs=configs,
        negatives=wanted.negatives,
        repository=options["repository"],
    )
    facts = release_facts(chosen.versions, parts, quality)
    facts = redacted(facts) | {"prompts": facts["prompts"]}  # a prompt is shown as it is
    write_json(folder / "facts.json", facts)
    told = {
        **wanted.identity,
        "content_hash": parts.content_hash,
        "finished": finished,
        "licence": facts["licence"]["strictest"],
        "configs": configs,
        "quality": {kind: quality[kind] for kind in ("errors", "warnings")},
    }
    write_changelog(folder, told, _changes(wanted, chosen, told, quality, folder, work))
    write_card(folder, facts)
    write_page(folder / "report.html", facts, chosen.versions, rows=options["rows"])
    return write_manifest(folder, told, options)


def refuse_shapes(quality: Mapping[str, Any]) -> None:
    """UserError where a table lacks a column or has it of another type: neither card nor page can read it."""
    for check in quality["checks"]:
        is_shape = check["name"].startswith("schema.") and check["name"].count(".") == 1
        if is_shape and check["status"] == "failed" and check["examples"]:
            first = check["examples"][0]
            raise UserError(
                f"{', '.join(check['tables'])} cannot be released, since {first['detail']}: make that version again, "
                "and what comes after it (builders.checks names it)."
            )


def _connection(wanted: Wanted, work: Path) -> "AbstractContextManager[duckdb.DuckDBPyConnection]":
    return duckdb_connection(wanted.memory, spill=work)


def _write_prompts(chosen: Chosen, folder: Path) -> None:
    from builders.llm.prompt_texts import prompt_text

    for version in chosen.versions.versions:
        if (text := prompt_text(version)) is not None:
            (folder / "prompts").mkdir(exist_ok=True)
            name = version.manifest["identity"]["prompt"]["version"]
            write_bytes(folder / "prompts" / f"{name}.toml", text.encode())


def _write_rows(wanted: Wanted, chosen: Chosen, folder: Path, work: Path) -> dict[str, Any]:
    with _connection(wanted, work) as connection:  # all are looked at before the first is written
        rows = [config_rows(chosen, config, connection) for config in TABLES]
    configs = {one.config: write_config(one, folder) for one in rows}
    configs[CONFIG] = write_pairs(list(chosen.triplets), wanted.negatives, folder, work)
    return configs


def _changes(
    wanted: Wanted,
    chosen: Chosen,
    told: Mapping[str, Any],
    quality: Mapping[str, Any],
    folder: Path,
    work: Path,
) -> Changes | None:
    previous = wanted.previous
    if previous is None:
        return None
    with _connection(wanted, work) as connection:
        rows = row_changes(previous, folder, told["configs"], connection)
    versions = version_changes(previous, list(chosen.versions.versions))
    return Changes(previous, wanted.change, rows, versions, check_changes(previous, quality))
