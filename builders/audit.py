"""triplets -> opinions: how many negatives are positives, and positives none, by two second opinions on a sample."""

import math
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.llm.engines import EngineOptions, money, refuse_scoring
from builders.quality.opinions import OpinionName
from builders.retrieval.encoders import EncoderName

if TYPE_CHECKING:
    from builders.quality.chosen_opinions import Given
    from builders.quality.opinions import Opinion
    from builders.quality.pairs import Pairs
    from builders.store.plans import Plan, PromptUse
    from builders.store.versions import Version

STAGE = "builders.audit"
REVISION = 1
_LLM = ("pointwise", "likelihood", "listwise")


@dataclass(frozen=True)
class Audit:
    """Estimate how many negatives answer their query, and how many positives do not.

    Example: python -m builders.audit triplets --by dense pointwise --pairs 100
    """

    triplets: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Versions of triplets; the latest where none is given."""
    data: Path = Path("data")
    """The folder of all tables."""
    by: tuple[OpinionName, OpinionName] = ("dense", "copy")
    """Two second opinions. copy: how much of the own chunk stands in the other; dense, bm25: a retriever's score beside
    the own chunk's; cross-encoder: a model that reads both texts; pointwise: an LLM says yes or no; likelihood: of the
    query after the chunk, for small LLMs; listwise: an LLM's order of the own chunk and the row's. dense and copy find
    near-copies, on a laptop: for a rate ask a cross-encoder or an LLM."""
    thresholds: tuple[float, float] | None = None
    """What a score must reach to say relevant, one for each opinion. dense, bm25, copy, cross-encoder: a share of the
    own chunk's; likelihood: nats below it; listwise: places above it. Not given: as measured on planted positives."""
    pairs: int | None = 50
    """Pairs of each stratum (side, method, source, language, band of ranks) that are looked at; None: all there are."""
    policy: Literal["keep", "drop", "promote"] = "keep"
    """What becomes of negatives that both call relevant. keep: nothing, only rates; drop: a new version of the triplets
    without them; promote: one that has them as positives."""
    encoder: EncoderName = "sentence-transformers"
    """dense: what encodes."""
    retriever: str = "minilm"
    """dense: the model, as id, id@revision or folder. One that did not rank the rows says more."""
    retriever_url: str = "http://127.0.0.1:8000/v1"
    """dense with --encoder openai: the server."""
    cross_encoder: str | None = None
    """cross-encoder: the model, as id, id@revision or folder."""
    prompt: str | None = None
    """A prompt of prompts/ by name, or a TOML file, for the LLM's opinion."""
    seed: int = 0
    """Seed of the sample. A larger sample of one seed holds the smaller."""
    dry_run: bool = False
    """Show the strata, the first question and an estimate, and ask nobody."""
    llm: EngineOptions = field(default_factory=EngineOptions)
    """The engine of pointwise, likelihood and listwise."""

    def __post_init__(self) -> None:
        if self.by[0] == self.by[1]:
            raise UserError(f"--by {self.by[0]} {self.by[1]} is one opinion: name two.", exit_code=2)
        if self.pairs is not None and self.pairs < 1:
            raise UserError(f"--pairs {self.pairs} looks at nothing: give 1 or more, or None for all.", exit_code=2)
        if self.thresholds is not None and not all(map(math.isfinite, self.thresholds)):
            sentence = f"--thresholds {self.thresholds[0]} {self.thresholds[1]} holds no score: give two numbers."
            raise UserError(sentence, exit_code=2)
        if ("cross-encoder" in self.by) != bool(self.cross_encoder):
            raise UserError(
                "--by cross-encoder and --cross-encoder MODEL need each other: give both or none.", exit_code=2
            )
        if self.prompt and sum(name in _LLM for name in self.by) != 1:
            raise UserError("--prompt is for one opinion of an LLM: leave it out, or ask for one such.", exit_code=2)
        if "likelihood" in self.by:
            refuse_scoring(self.llm)
        if self.policy != "keep" and len(self.triplets) > 1:
            raise UserError(f"--policy {self.policy} revises one version of triplets: name one.", exit_code=2)


def main(config: Audit, given: "Given | None" = None) -> "Version | None":
    """The sample; the opinions of every pair; their rates; and, where it is asked for, revised triplets."""
    from builders.quality.chosen_opinions import Given, make_opinions
    from builders.quality.pairs import Pairs
    from builders.quality.rates import print_audit
    from builders.quality.revision import revise
    from builders.quality.sampling import draw_pairs
    from builders.quality.verdicts import write_opinions
    from builders.store.building import build
    from builders.store.version_sets import version_set

    triplets = _triplets(config)
    sample = draw_pairs(triplets, config.pairs, config.seed)
    if not sample.strata:
        raise UserError(f"{', '.join(map(str, triplets))} hold no pair to look at: choose triplets first.")
    pairs = Pairs(version_set(triplets), triplets, sample)
    opinions = make_opinions(config, given or Given())
    if config.dry_run:
        _show(config, pairs, opinions)
        return None
    _warn(triplets, opinions)
    plan = _plan(config, triplets, opinions)
    work = partial(write_opinions, pairs=pairs, opinions=opinions, price=config.llm.price)
    found = build(plan, config.data, work)
    print_audit(found)
    if config.policy == "keep":
        return found
    if config.pairs is not None:
        seen = sum(one.taken for s, one in sample.strata.items() if s.side == "negative")
        there = sum(one.there for s, one in sample.strata.items() if s.side == "negative")
        if seen < there:
            say(f"{config.policy}: only the {seen:,} sampled negatives of {there:,} were looked at (--pairs None: all)")
    return revise(triplets[0], found, pairs.behind(triplets[0], "chunks"), config.policy, config.data)


def _triplets(config: Audit) -> "tuple[Version, ...]":
    """UserError where two of the versions have rows of the same names."""
    from builders.store.versions import find_version, latest_version

    if not config.triplets:
        return (latest_version(config.data, "triplets"),)
    found = tuple(find_version(config.data, name, table="triplets") for name in config.triplets)
    owners: dict[str, Version] = {}
    for version in found:
        for name in _row_names(version):
            if (other := owners.setdefault(name, version)) is not version or found.count(version) > 1:
                raise UserError(
                    f"{other} and {version} hold rows of the same queries and method: audit them one by one.",
                    exit_code=2,
                )
    return found


def _row_names(version: "Version") -> set[str]:
    """One word for all rows whose ids could be those of another version: their queries' version, and their method."""
    import polars as pl

    from builders.quality.pairs import as_chosen
    from builders.store.version_sets import version_set

    queries = version_set([version]).behind(as_chosen(version), "queries")
    methods = pl.scan_parquet(version.shards(), glob=False).select(pl.col("method").unique()).collect()["method"]
    return {f"{query} {method}" for query in queries for method in methods}


def _plan(config: Audit, triplets: "tuple[Version, ...]", opinions: "list[Opinion]") -> "Plan":
    from builders.store.plans import Plan

    said = [{"rule": asdict(one.rule), **one.identity()} for one in opinions]
    return Plan(
        "opinions",
        "opinion",
        STAGE,
        REVISION,
        {"pairs": config.pairs, "opinions": said},
        inputs=triplets,
        prompt=_prompt(config),
        seed=config.seed,
        facts={"price": config.llm.price},
    )


def _prompt(config: Audit) -> "PromptUse | None":
    """Of the LLM's opinion; where two are an LLM's, the settings of both name them."""
    from builders.quality.chosen_opinions import find_prompt
    from builders.store.plans import PromptUse

    asked = [name for name in config.by if name in _LLM]
    if len(asked) != 1:
        return None
    prompt = find_prompt(asked[0], config.prompt)
    return PromptUse(prompt.name, prompt.version)


def _warn(triplets: "tuple[Version, ...]", opinions: "list[Opinion]") -> None:
    """Where an opinion is of the very retriever that ranked the rows."""
    import polars as pl

    shards = [shard for version in triplets for shard in version.shards()]
    ranked = pl.scan_parquet(shards, glob=False).select(pl.col("retriever").drop_nulls().unique()).collect()
    ranked_by = {part for name in ranked["retriever"] for part in name.split("+")}
    for opinion in opinions:
        if opinion.rule.kind == "retriever" and (name := opinion.rule.by.removeprefix("dense ")) in ranked_by:
            say(f"Warning: {name} ranked these rows too: what it overlooked then, its second opinion overlooks again.")


def _show(config: Audit, pairs: "Pairs", opinions: "list[Opinion]") -> None:
    say(f"{'stratum':<52} {'pairs':>9} {'sampled':>8}")
    strata = pairs.sample.strata
    for stratum, one in list(strata.items())[:_SHOWN]:
        say(f"  {' '.join(stratum):<50.50} {one.there:>9,} {one.taken:>8,}")
    if len(strata) > _SHOWN:
        say(f"  and {len(strata) - _SHOWN:,} more strata")
    there, taken = (sum(getattr(one, name) for one in strata.values()) for name in ("there", "taken"))
    say(f"{taken:,} of {there:,} pairs in {len(strata):,} strata, each with its query's own chunk")
    usage = {"prompt_tokens": 0, "reply_tokens": 0}
    for opinion in opinions:
        rule = opinion.rule
        say(f"--- {rule.by}: relevant by {rule.form}, from {rule.threshold:g}; its first question:")
        first = opinion.first(pairs)
        say(first)
        if rule.kind in ("pointwise", "listwise"):
            asked = taken * (1 if rule.form == "absolute" else 2)
            usage["prompt_tokens"] += asked * len(first) // 4  # about 4 characters a token in English
            usage["reply_tokens"] += asked * 8
            say(f"--- at most {asked:,} requests")
    if usage["prompt_tokens"]:
        say(f"--- about {usage['prompt_tokens']:,} prompt tokens and {usage['reply_tokens']:,} reply tokens")
    if (price := money(usage, config.llm.price)) is not None:
        say(f"--- about {price:,.2f} in money")


_SHOWN = 30


if __name__ == "__main__":
    sys.exit(run(Audit, main))
