"""candidates | preferences | judgements -> triplets: positives and hard negatives of each query (DRAMA 3.1)."""

import math
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.relevance.depth import Depth
    from builders.relevance.training_rows import TrainingRows
    from builders.relevance.windows import Windows
    from builders.store.versions import Version

STAGE = "builders.triplets"
REVISION = 1
KINDS = ("candidates", "preferences", "judgements")


@dataclass(frozen=True)
class Triplets:
    """Choose positives and hard negatives for each query.

    Example: python -m builders.triplets --ratio 0.95
    """

    ranked: str | None = None
    """The version of candidates (Sent, QGen), preferences (Rerank) or judgements (supervised, Triplet) to choose from;
    the latest of these tables where it is not given."""
    candidates: str | None = None
    """For judgements: the candidates that further negatives are mined from."""
    data: Path = Path("data")
    """The folder of all tables."""
    window: Literal["auto", "paper"] = "auto"
    """auto: DRAMA's ranks, scaled down to what is there (it says how and why); paper: DRAMA's ranks as they are."""
    positives: tuple[int, int] | None = None
    """First and last rank of the positives (DRAMA: 1 10; of preferences: 1 1)."""
    negatives: tuple[int, int] | None = None
    """First and last rank of the hard negatives (DRAMA: 31 50; of preferences: 11 20)."""
    least: int | None = None
    """The fewest negatives of a row; one with fewer is rejected (7, what training takes; for judgements 1)."""
    own: bool | None = None
    """Count a query's own chunk as its first positive, whatever its rank (DRAMA: no); where it is not given, with
    positives that are scaled to a small corpus."""
    ratio: float | None = None
    """Drop negatives that do not score below this share of the lowest positive's score (0.95 is usual)."""
    margin: float | None = None
    """Drop negatives that do not score at least this much below the lowest positive."""
    max_score: float | None = None
    """Drop negatives that score this or more."""
    round_trip: int | None = None
    """Reject queries whose own chunk is not ranked so high or higher: what a retriever that loses it calls a positive
    is a guess. Not in DRAMA, whose retriever is an LLM."""
    processes: int = 1
    """Worker processes; the result does not depend on it."""
    dry_run: bool = False
    """Show the windows and the first shard's counts, and write nothing."""

    def __post_init__(self) -> None:
        for name in ("positives", "negatives"):
            span = getattr(self, name)
            if span is not None and not 1 <= span[0] <= span[1]:
                sentence = f"--{name} {span[0]} {span[1]} is no window: give the first and the last rank, from 1 up."
                raise UserError(sentence, exit_code=2)
        if self.own and self.positives is not None and self.positives[0] != 1:
            raise UserError(f"--own needs --positives that begin at rank 1, not {self.positives[0]}.", exit_code=2)
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise UserError(f"--ratio {self.ratio:g} is not a share: give one above 0, 1 at most.", exit_code=2)
        for name in ("margin", "max_score"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise UserError(f"--{name.replace('_', '-')} {value} is no score: give a number.", exit_code=2)
        for name in ("least", "processes", "round_trip"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} {value} leaves nothing: give 1 or more.", exit_code=2)


def main(config: Triplets) -> "Version | None":
    """Windows chosen and said, then rows by shard."""
    from builders.relevance.triplet_report import print_triplets
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan

    rows = _rows(config)
    if config.dry_run:
        _show(rows)
        return None
    settings = {**asdict(rows.windows), **asdict(rows.rules), "round_trip": rows.round_trip}
    named = [rows.ranked, *([rows.candidates] if rows.candidates else []), rows.queries, rows.chunks]
    plan = Plan("triplets", "triplet", STAGE, REVISION, settings, inputs=tuple(named))
    work = partial(build_shards, shards=rows.shards(), make=rows, processes=config.processes)
    version = build(plan, config.data, work)
    print_triplets(version)
    return version


def _rows(config: Triplets) -> "TrainingRows":
    from builders.relevance.selection import ScoreRules
    from builders.relevance.training_rows import TrainingRows, repeated_queries
    from builders.store.versions import find_version

    ranked = _ranked(config)
    if ranked.table != "judgements" and config.candidates:
        raise UserError(f"--candidates is not used with {ranked.table}: leave it out.", exit_code=2)
    if ranked.table == "judgements":
        _check_judged(config)
    queries = _ancestor(ranked, "queries")
    chunks = _ancestor(ranked, "chunks")
    mined = find_version(config.data, config.candidates, table="candidates") if config.candidates else None
    if mined is not None and str(_ancestor(mined, "queries")) != str(queries):
        raise UserError(
            f"{mined} are candidates of {_ancestor(mined, 'queries')}, and {ranked} judges {queries}: make candidates "
            f"of those with --queries {queries}."
        )
    windows = _windows(config, ranked, mined, chunks)
    rules = ScoreRules(config.ratio, config.margin, config.max_score)
    rows = TrainingRows(ranked.table, ranked, queries, chunks, mined, windows, rules, config.round_trip)
    return replace(rows, known=repeated_queries(rows))


# What has no meaning where the positives are judged, and what has none where nothing is mined beside them.
OF_RANKS = ("positives", "own", "round_trip")
OF_MINED = ("negatives", "ratio", "margin", "max_score")


def unused_with_judgements(is_mined: bool) -> tuple[str, ...]:
    """The flags that have no meaning where positives are judged, and negatives are mined or not."""
    return OF_RANKS if is_mined else (*OF_RANKS, *OF_MINED)


def _check_judged(config: Triplets) -> None:
    for name in unused_with_judgements(bool(config.candidates)):
        if getattr(config, name) is not None:
            why = "whose positives are judged" if name in OF_RANKS else "without --candidates to mine negatives from"
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} is not used with judgements {why}: leave it out.", exit_code=2)


def _ranked(config: Triplets) -> "Version":
    from builders.store.versions import all_versions, find_version, latest_version

    if config.ranked:
        found = find_version(config.data, config.ranked)
        if found.table not in KINDS:
            sentence = f"{config.ranked} is a version of {found.table}: name one of {', '.join(KINDS)}."
            raise UserError(sentence, exit_code=2)
        return found
    there = [v for v in all_versions(config.data) if v.table in KINDS]
    if not there:
        raise UserError(
            f"There are no candidates, preferences or judgements in {config.data}: `python -m builders.candidates` "
            "makes candidates of queries.",
            exit_code=2,
        )
    return latest_version(config.data, there[-1].table)


def _ancestor(version: "Version", table: str) -> "Version":
    """The version of that table that this one was made from, through any number of steps."""
    inputs = version.inputs()
    for found in inputs:
        if found.table == table:
            return found
    return _ancestor(inputs[0], table)


def _windows(config: Triplets, ranked: "Version", mined: "Version | None", chunks: "Version") -> "Windows":
    """The windows by the user's choice, or scaled; what they are and why is said."""
    from builders.relevance.depth import depth_of
    from builders.relevance.windows import Windows, paper_windows, scaled_windows

    judged = ranked.table == "judgements"
    source = mined if judged else ranked
    if source is None:  # only what was judged
        return Windows((1, 1), (1, 1), config.least or 1)
    kind = "reranked" if ranked.table == "preferences" else "retrieved"
    depth = depth_of(source, chunks)
    windows = scaled_windows(kind, depth.chunks) if config.window == "auto" else paper_windows(kind)
    if config.positives or config.negatives:
        windows = replace(windows, deep=None)
    own = config.own if config.own is not None else windows.own and config.positives is None
    windows = replace(
        windows,
        positives=(1, 1) if judged else config.positives or windows.positives,
        negatives=config.negatives or windows.negatives,
        least=config.least or (1 if judged else windows.least),
        own=own and not judged,
    )
    asked = _ancestor(ranked, "queries").manifest["rows"]["out"]
    _say_windows(windows, kind, depth, judged, asked)
    return windows


def _say_windows(windows: "Windows", kind: str, depth: "Depth", judged: bool, asked: int) -> None:
    from builders.relevance.windows import ONE_POSITIVE, PAPER, PAPER_CHUNKS, row_windows

    positives, negatives, least = row_windows(windows, depth.usual)
    ranks = f"negatives {negatives[0]}..{negatives[1]}"
    if judged:
        say(f"windows: {ranks} are mined beside the judged ones, at least {least} of all a row")
    else:
        own = ", the query's own chunk first" if windows.own else ""
        say(f"windows: positives {positives[0]}..{positives[1]}{own}, {ranks}, at least {least} of them a row")
    if windows.own and windows.positives[1] < PAPER[kind][0][1]:
        say(
            f"  of DRAMA's {PAPER[kind][0][1]} positives {windows.positives[1]}: {depth.chunks:,} chunks are in reach, "
            f"there {PAPER_CHUNKS:,}; one up to {ONE_POSITIVE:,}, one more for each doubling"
        )
    if judged and (unsearched := asked - depth.queries):
        say(f"Warning: {unsearched:,} of {asked:,} judged queries have no candidates, so nothing is mined for them.")
    deep = windows.deep or windows.negatives[1]
    if short := depth.shorter_than(deep):
        what = "their ranks are in proportion" if windows.deep else "their windows are cut short"
        say(f"  {short:,} of {depth.queries:,} queries have fewer than {deep} candidates: {what}")


def _show(rows: "TrainingRows") -> None:
    result = rows(0)
    counts = f"{result.rows_in:,} in, {len(result.rows):,} out, {len(result.rejected):,} rejected"
    say(f"shard 0 of {rows.shards()}: {counts}")
    for name, count in sorted(result.counts.items()):
        say(f"  {name:<24} {count:>10,}")


if __name__ == "__main__":
    sys.exit(run(Triplets, main))
