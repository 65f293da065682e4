"""The versions that a release is made of: triplets, what was found out about them, and all behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.cli.errors import UserError
from builders.store.schemas import schema_hash
from builders.store.version_sets import VersionSet, version_set
from builders.store.versions import Version, find_version

# What may be named beside triplets: it says something of them, and gives no rows.
ABOUT = ("contamination", "opinions")
# {config: the table that its rows come from}
TABLES = {"corpus": "chunks", "queries": "queries", "triplets": "triplets"}


@dataclass(frozen=True)
class Chosen:
    """`triplets` are those that were named, in the order of their names: the order in a command determines nothing."""

    triplets: tuple[Version, ...]
    versions: VersionSet

    def rows_of(self, config: str) -> list[Version]:
        """The versions that the rows of a config come from. Of triplets only those named: behind a revision stand those
        that it revised."""
        return list(self.triplets) if config == "triplets" else self.versions.of(TABLES[config])


def choose(data: Path, names: Sequence[str]) -> Chosen:
    """UserError where no triplets are named, or what is named does not belong together."""
    named = sorted({str(v): v for v in (find_version(data, name) for name in names)}.values(), key=str)
    for version in named:
        if version.table not in ("triplets", *ABOUT):
            raise UserError(
                f"{version} cannot be released by itself: name versions of triplets, and what they were made from "
                "comes with them.",
                exit_code=2,
            )
    triplets = tuple(v for v in named if v.table == "triplets")
    if not triplets:
        told = f"{', '.join(map(str, named))} hold no training rows" if named else "No version is named"
        raise UserError(
            f"{told}: name versions of triplets (`python -m builders.tables list` shows what there is).", exit_code=2
        )
    if not sum(version.manifest["rows"]["out"] for version in triplets):
        raise UserError(
            f"{', '.join(map(str, triplets))} hold no row: `python -m builders.tables show {triplets[0]}` tells "
            "why; release versions that have some."
        )
    chosen = Chosen(triplets, version_set(named))
    _check_revisions(chosen)
    _check_about(chosen)
    _check_schemas(chosen)
    return chosen


def _check_revisions(chosen: Chosen) -> None:
    for version in chosen.triplets:
        for behind in chosen.versions.behind(version, "triplets"):
            if str(behind) != str(version) and str(behind) in map(str, chosen.triplets):
                raise UserError(f"{version} is a revision of {behind}: name one of the two.", exit_code=2)


def _check_about(chosen: Chosen) -> None:
    """What was found out about other triplets says nothing of these."""
    released = {str(v) for v in version_set(chosen.triplets).of("triplets")}
    for version in chosen.versions.named:
        if version.table not in ABOUT:
            continue
        others = [str(v) for v in version.inputs() if v.table == "triplets" and str(v) not in released]
        if others:
            raise UserError(
                f"{version} is about {', '.join(others)}, not in this release: name those triplets too, or leave "
                f"{version} out.",
                exit_code=2,
            )


def _check_schemas(chosen: Chosen) -> None:
    about = [version for table in ABOUT for version in chosen.versions.of(table)]
    for version in [*(version for config in TABLES for version in chosen.rows_of(config)), *about]:
        if version.manifest["identity"]["schema"] != schema_hash(version.record):
            raise UserError(
                f"{version} was made when a row of {version.table} had other columns: make it again with "
                f"{version.manifest['stage']}, and what comes after it."
            )
