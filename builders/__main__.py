"""Run a recipe: the stages in order, each resuming where it was, each saying what is already built."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from builders import (
    candidates,
    corpus,
    cropped_sentences,
    release,
    rerank_preferences,
    supervised,
    synthetic_queries,
    synthetic_triplets,
    triplets,
)
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.cli.recipes import read_stages

if TYPE_CHECKING:
    from builders.store.versions import Version


@dataclass(frozen=True)
class Recipe:
    """Run the stages of a recipe in order.

    Example: python -m builders demo
    """

    recipe: Annotated[str, tyro.conf.Positional]
    """A TOML file with one table a stage, or the name of a recipe that is shipped (demo, paper)."""
    data: Path = Path("data")
    """The folder of all tables."""
    limit: int | None = None
    """Rehearse: at most so many documents read, queries written, searched for and judged."""
    processes: int = 1
    """Worker processes of each stage; the result does not depend on it."""
    show: int = 0
    """Print so many example queries and triplets with their chunks, and the counts, at the end."""


# Each with its config, in the order of main.
STAGES: dict[str, Any] = {
    "corpus": (corpus, corpus.Corpus),
    "cropped_sentences": (cropped_sentences, cropped_sentences.CroppedSentences),
    "synthetic_queries": (synthetic_queries, synthetic_queries.SyntheticQueries),
    "supervised": (supervised, supervised.Supervised),
    "candidates": (candidates, candidates.Candidates),
    "rerank_preferences": (rerank_preferences, rerank_preferences.RerankPreferences),
    "synthetic_triplets": (synthetic_triplets, synthetic_triplets.SyntheticTriplets),
    "triplets": (triplets, triplets.Triplets),
    "release": (release, release.Release),
}


def main(config: Recipe) -> None:
    """corpus -> Sent, QGen -> candidates -> Rerank -> triplets, and judged and written ones -> release. Those named.

    Candidates are made of every version of queries, preferences of the candidates of QGen alone (DRAMA 3.1.3), rows of
    all of them; the candidates of judged queries are what their further negatives are mined from.
    """
    stages = _Run(read_recipe(config))
    chunks = stages.run("corpus")
    sent = stages.run("cropped_sentences", chunks=chunks)
    qgen = stages.run("synthetic_queries", chunks=chunks)
    judged = stages.run("supervised")
    found = {}
    for queries in [sent, qgen, _input(judged, "queries")]:
        if queries is not None or not (sent or qgen or judged):
            found[str(queries)] = stages.run("candidates", queries=queries)
    reranked = stages.run("rerank_preferences", candidates=found.get(str(qgen)))
    written = stages.run("synthetic_triplets")
    mined = found.pop(str(_input(judged, "queries")), None) if judged else None
    rankings: list[Version | None] = [r for r in [*found.values(), reranked, judged, written] if r is not None]
    rows = []
    for ranked in rankings or [None]:
        if ranked is not None and ranked in (judged, written):
            beside = mined if ranked is judged else None
            unused = triplets.unused_with_judgements(beside is not None)
            rows.append(stages.run("triplets", without=unused, ranked=ranked, candidates=beside))
        else:
            rows.append(stages.run("triplets", ranked=ranked))
    released = stages.release([version for version in rows if version is not None], config.limit)
    if config.show:
        from builders.cli.summary import print_summary

        print_summary(stages.built, config.show)
    for version in stages.built:
        print(version.folder)
    if released is not None:
        print(released.folder, flush=True)
        release.refuse_errors(released)


def read_recipe(config: Recipe) -> dict[str, Any]:
    """{stage: its config}; UserError that names the nearest right name where a stage or a key is misspelt."""
    known = {name: config_type for name, (_, config_type) in STAGES.items()}
    shared = {"data": config.data, "processes": config.processes}
    stages = read_stages(config.recipe, known, shared, config.limit)
    queries = stages.keys() & {"cropped_sentences", "supervised"}
    if {"candidates", "rerank_preferences"} <= stages.keys() and queries and "synthetic_queries" not in stages:
        raise UserError(
            f"{config.recipe}: [rerank_preferences] judges the candidates of [synthetic_queries], which is not there: "
            "add it, or run builders.rerank_preferences by itself with --candidates.",
            exit_code=2,
        )
    return stages


class _Run:
    """The configs of a recipe's stages, and the versions built so far."""

    def __init__(self, configs: dict[str, Any]) -> None:
        self.configs = configs
        self.built: list[Version] = []

    def run(self, stage: str, without: Sequence[str] = (), **inputs: "Version | None") -> "Version | None":
        """The stage's version, made from `inputs` (the latest of each where None); None where it is not named.

        without: keys of the recipe that have no meaning for these inputs.
        """
        if stage not in self.configs:
            return None
        given: dict[str, str | None] = dict.fromkeys(without)
        given |= {name: str(version) for name, version in inputs.items() if version is not None}
        version: Version | None = STAGES[stage][0].main(replace(self.configs[stage], **given))
        assert version is not None, "only a dry run makes no version, and a recipe has none"
        say("")
        self.built.append(version)
        return version

    def release(self, rows: "Sequence[Version]", limit: int | None) -> "release.Released | None":
        """What was released of those triplets (of those that the recipe names where there are none here).

        A rehearsal is released under a name of its own: the next whole run is another data set.
        """
        if "release" not in self.configs:
            return None
        given: release.Release = self.configs["release"]
        name = given.name if limit is None else f"{given.name}-limit{limit}"
        made = release.release(replace(given, name=name, versions=tuple(map(str, rows)) or given.versions))
        say("")
        return made


def _input(version: "Version | None", table: str) -> "Version | None":
    return None if version is None else next(v for v in version.inputs() if v.table == table)


if __name__ == "__main__":
    sys.exit(run(Recipe, main))
