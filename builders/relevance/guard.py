"""No negative is a positive in disguise: negatives that share something with a positive go, and are counted by reason.

That a known positive, or its twin, ends up as a negative is what users of every miner report.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.relevance.facts import ChunkFacts
from builders.relevance.selection import ScoreRules

if TYPE_CHECKING:
    import polars as pl

# Why a negative goes, the first that applies. The first four are what it shares with a positive of the same query.
REASONS = {
    "same_chunk": "a positive",
    "same_text": "the text of a positive",
    "same_cluster": "a near-duplicate of a positive",
    "same_document": "of the document of a positive",
    "held_out": "held out, in a train row",
    "too_near": "scored too near to a positive",
    "repeated": "the text of a negative before it",
}
_POSITIVES = ["positive_ids", "positive_ranks", "positive_scores"]
_NEGATIVES = ["negative_ids", "negative_ranks", "negative_scores"]
_SHARED = {"same_chunk": "chunk", "same_text": "text", "same_cluster": "cluster", "same_document": "document"}


@dataclass(frozen=True)
class Guarded:
    """Drafts whose negatives passed, with `dropped`: how many did not, in words. `counts` are by reason, of all."""

    drafts: "pl.DataFrame"
    counts: Counter[str]


def guard(drafts: "pl.DataFrame", known: "pl.DataFrame | None", facts: ChunkFacts, rules: ScoreRules) -> Guarded:
    """The drafts without offending negatives. A draft's own chunk counts as a positive here, whatever its rank.

    known: (normalised_text_hash, chunk_id), the positives of queries whose text stands in several rows: a chunk that
    answers one of them is no negative of the others. Held-out positives of train rows go too.
    """
    import polars as pl

    drafts = _without_held_out(drafts.with_row_index("row"), facts)
    negatives = _faulted(drafts, _protected(drafts, known, facts), facts, rules)
    is_kept = pl.col("fault").is_null()
    lists = negatives.filter(is_kept).group_by("row", maintain_order=True).agg(_NEGATIVES)
    dropped = negatives.filter(~is_kept).group_by("row", "fault").len().sort("row", "fault")
    words = dropped.group_by("row", maintain_order=True).agg(dropped=pl.format("{} {}", "len", "fault"))
    guarded = drafts.drop(_NEGATIVES).join(lists, on="row", how="left", maintain_order="left")
    guarded = guarded.join(words, on="row", how="left", maintain_order="left").with_columns(
        *(pl.col(name).fill_null([]) for name in _NEGATIVES), pl.col("dropped").list.join(", ").fill_null("none")
    )
    counts = Counter({f"dropped:{r}": n for r, n in negatives.filter(~is_kept).group_by("fault").len().iter_rows()})
    return Guarded(guarded.drop("row"), counts)


def _faulted(drafts: "pl.DataFrame", positives: "pl.DataFrame", facts: ChunkFacts, rules: ScoreRules) -> "pl.DataFrame":
    """Every negative of every row, in order, with the first reason to drop it in `fault`."""
    import polars as pl

    negatives = _pairs(drafts, _NEGATIVES, facts)
    flags = {}
    for reason, column in _SHARED.items():
        shared = positives.select("row", column).unique().with_columns(pl.lit(True).alias(reason))
        negatives = negatives.join(shared, on=["row", column], how="left", maintain_order="left")
        flags[reason] = pl.col(reason)
    flags["held_out"] = pl.col("held_out")
    if (ceiling := rules.ceiling()) is not None:
        limits = drafts.select("row", ceiling=ceiling)
        negatives = negatives.join(limits, on="row", how="left", maintain_order="left")
        flags["too_near"] = pl.col("negative_scores") >= pl.col("ceiling")  # null where there is no score: no rule
    fault = pl.coalesce([pl.when(flag).then(pl.lit(reason)) for reason, flag in flags.items()])
    negatives = negatives.with_columns(fault=fault)
    # only those that are kept so far: a text is repeated where it stands in a negative that is kept
    repeated = ~pl.struct("row", "text", is_kept=pl.col("fault").is_null()).is_first_distinct()
    return negatives.with_columns(
        fault=pl.when(pl.col("fault").is_null() & repeated).then(pl.lit("repeated")).otherwise("fault")
    )


def _pairs(drafts: "pl.DataFrame", lists: list[str], facts: ChunkFacts) -> "pl.DataFrame":
    """One row for each element of the lists (the first holds the ids), with the facts of its chunk.

    held_out is true for a held-out chunk in a train row only.
    """
    import polars as pl

    pairs = drafts.select("row", "split", *lists).explode(lists).drop_nulls(lists[0])
    at = facts.rows(pairs[lists[0]])
    return pairs.with_columns(
        chunk=pl.Series(facts.keys[at]),
        text=pl.Series(facts.text[at]),
        cluster=pl.Series(facts.cluster[at]),
        document=pl.Series(facts.document[at]),
        held_out=pl.Series(facts.held_out[at]) & (pl.col("split") == "train"),
    )


def _protected(drafts: "pl.DataFrame", known: "pl.DataFrame | None", facts: ChunkFacts) -> "pl.DataFrame":
    """Every chunk that a row's negatives are compared with: its positives, its own chunk, what is known of its text."""
    import polars as pl

    own = drafts.select("row", "split", protected=pl.concat_list("positive_ids", "chunk_id"))
    found = _pairs(own, ["protected"], facts)
    if known is None:
        return found
    others = drafts.select("row", "split", "normalised_text_hash").join(known, on="normalised_text_hash")
    others = others.group_by("row", "split", maintain_order=True).agg(protected="chunk_id")
    return pl.concat([found, _pairs(others, ["protected"], facts)])


def _without_held_out(drafts: "pl.DataFrame", facts: ChunkFacts) -> "pl.DataFrame":
    import polars as pl

    pairs = _pairs(drafts, _POSITIVES, facts)
    if not pairs["held_out"].any():
        return drafts
    lists = pairs.filter(~pl.col("held_out")).group_by("row", maintain_order=True).agg(_POSITIVES)
    left = drafts.drop(_POSITIVES).join(lists, on="row", how="left", maintain_order="left")
    return left.with_columns(pl.col(name).fill_null([]) for name in _POSITIVES)
