"""triplets and all behind them -> one folder ready for the Hub: rows, checks, card, page, manifest."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.names import check_name, check_repository, numbers_of

if TYPE_CHECKING:
    from builders.releases.choice import Chosen
    from builders.releases.previous import Previous

REVISION = 1


@dataclass(frozen=True)
class Release:
    """Release triplets: their rows and texts as named configs, with checks, a card, a page and a manifest.

    Example: python -m builders.release triplets --name handbook --licence handbook=CC-BY-4.0
    """

    name: str
    """The data set's name on the Hub."""
    versions: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Versions of triplets, and of contamination and opinions about them; what they were made from comes with them."""
    release: str | None = None
    """The semantic version, such as v1.2.0. Not given: v1.0.0, or the one after --previous by what changed (major: a
    column went or means something else; minor: other rows; patch: the same rows)."""
    previous: Path | None = None
    """The folder of the release before, to tell what changed since."""
    out: Path | None = None
    """The folder to make, which appears when it is whole; releases/NAME-RELEASE beside --data where it is not given."""
    licence: tuple[str, ...] = ()
    """SOURCE=SPDX or MODEL=SPDX: the licence of a source, or of what a model writes, where its rows do not tell."""
    description: str = ""
    """A sentence or two about the data, for the card."""
    repository: str | None = None
    """Where it will be on the Hub, as owner/name; for the card."""
    negatives: int = 7
    """Negatives of a row of pairs. Rows with fewer are not in pairs; where no row has so many: as the row with the most
    has."""
    rows: int = 10_000
    """Triplets at most in the page's browser of rows."""
    memory: str = "2GB"
    """What DuckDB may use, as it writes it."""
    data: Path = Path("data")
    """The folder of all tables."""
    dry_run: bool = False
    """Say what would be made, and write nothing."""

    def __post_init__(self) -> None:
        check_name(self.name, "--name")
        if self.release is not None:
            numbers_of(self.release)
        if self.repository is not None:
            check_repository(self.repository)
        for flag in ("negatives", "rows"):
            if getattr(self, flag) < 1:
                raise UserError(f"--{flag} {getattr(self, flag)} leaves nothing: give 1 or more.", exit_code=2)
        if not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", self.memory):
            raise UserError(f"--memory {self.memory!r} is no size: write it like 2GB or 500MB.", exit_code=2)
        self.licences()

    def licences(self) -> dict[str, str]:
        """{source or model: SPDX}."""
        found = {}
        for given in self.licence:
            what, _, spdx = given.rpartition("=")
            if not what.strip() or not spdx.strip():
                raise UserError(f"--licence {given!r} is not SOURCE=SPDX: write it like docs=CC-BY-4.0.", exit_code=2)
            found[what.strip()] = spdx.strip()
        return found


@dataclass(frozen=True)
class Released:
    """A folder that was made, or found, and how many checks of severity error failed."""

    folder: Path
    errors: int


def main(config: Release) -> None:
    """Prints the folder that was made; its status is 1 where a check found an error."""
    made = release(config)
    if made is not None:
        print(made.folder, flush=True)
        refuse_errors(made)


def refuse_errors(made: Released) -> None:
    """UserError where the release has errors: it was written to be looked at."""
    if made.errors:
        raise UserError(
            f"{made.errors} checks found errors in {made.folder}, which is there to be looked at, and which "
            f"builders.publish refuses: read {made.folder / 'quality.json'}, mend the versions, and release those."
        )


def release(config: Release) -> Released | None:
    """Versions chosen; checks; rows; facts, changes, card and page; manifest. None after a dry run.

    UserError where the versions do not belong together or were changed by hand, or the folder holds something else.
    """
    from builders.cards.licence_check import check_licences
    from builders.releases.choice import choose
    from builders.releases.making import Wanted, write_release
    from builders.releases.manifests import already_released, version_list
    from builders.releases.pairs import usual_negatives
    from builders.releases.previous import change_since, read_previous, release_name
    from builders.store.folders import new_folder

    chosen = choose(config.data, config.versions)
    previous = read_previous(config.previous, config.name) if config.previous else None
    negatives = usual_negatives(list(chosen.triplets), config.negatives)
    change = change_since(previous, chosen, negatives) if previous else ""
    name = release_name(config.release, previous, change)
    out = config.out or config.data.parent / "releases" / f"{config.name}-{name}"
    if config.dry_run:
        _show(chosen, negatives, f"{config.name} {name}", out, config.memory)
        check_licences(chosen.versions, config.licences(), config.memory)
        return None
    identity = {
        "name": config.name,
        "release": name,
        "previous": _previous_facts(previous),
        "versions": version_list(chosen),
    }
    wanted = Wanted(identity, _options(config), negatives, previous, change, config.memory)
    if (found := already_released(out, identity, wanted.options)) is not None:
        say(f"already released: {out}")
        return Released(out, int(found["quality"]["errors"]))
    _verify(chosen)
    with new_folder(out) as (folder, work):
        manifest = write_release(wanted, chosen, folder, work)
    say(f"{config.name} {name}: {manifest['content_hash']}, {manifest['licence']}")
    _say_checks(out)
    return Released(out, int(manifest["quality"]["errors"]))


def _previous_facts(previous: "Previous | None") -> dict[str, str] | None:
    if previous is None:
        return None
    return {"release": previous.release, "content_hash": str(previous.manifest["content_hash"])}


def _options(config: Release) -> dict[str, Any]:
    """What makes another release of the same versions."""
    return {
        "revision": REVISION,
        "licences": dict(sorted(config.licences().items())),
        "description": config.description,
        "repository": config.repository,
        "negatives": config.negatives,
        "rows": config.rows,
    }


def _verify(chosen: "Chosen") -> None:
    """UserError that names a file that is not as it was written."""
    from builders.cli.progress import Progress
    from builders.store.version_sets import verify_files

    with Progress("verify", len(chosen.versions.versions), unit="versions") as progress:
        for version in chosen.versions.versions:
            verify_files(version)
            progress.step()


def _say_checks(folder: Path) -> None:
    """The checks that failed, with their first row."""
    import json

    checks = json.loads((folder / "quality.json").read_bytes())["checks"]
    failed = [check for check in checks if check["status"] == "failed"]
    for check in failed:
        told = f"{check['failing']:,} of {check['examined']:,} rows" if check["examined"] else "it examined no row"
        such = "".join(f", such as {e['key']}: {e['detail']}" for e in check["examples"][:1])
        say(f"  {check['severity']} {check['name']}: {told}{such}")
    say(f"  {len(checks)} checks, {len(failed)} failed")


def _show(chosen: "Chosen", negatives: int, name: str, out: Path, memory: str) -> None:
    from builders.releases.choice import TABLES
    from builders.releases.rows import config_rows
    from builders.store.duck import duckdb_connection

    say(f"{name} would be made in {out}, of")
    for version in chosen.versions.named:
        say(f"  {version}, {version.manifest['rows']['out']:,} rows")
    with duckdb_connection(memory) as connection:
        for config in TABLES:
            counts = config_rows(chosen, config, connection).counts()
            say(f"  {config:<9}" + ", ".join(f"{split} {count:,}" for split, count in counts.items()))
    say(f"  {'pairs':<9}the triplets with {negatives} negatives, as texts")


if __name__ == "__main__":
    sys.exit(run(Release, main))
