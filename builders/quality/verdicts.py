"""Rows of opinions, shard by shard: both scores of each pair, their verdict, or the reason why there is none."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from builders.llm.drafting import TOKENS
from builders.llm.engines import money
from builders.quality.opinions import Opinion, Score, Unscored, verdict
from builders.quality.pairs import Pairs, pair_id
from builders.store.building import Building, ShardResult, build_shards, rejection

_SAME = (
    "triplet_id",
    "query_id",
    "chunk_id",
    "side",
    "rank",
    "band",
    "method",
    "source",
    "language",
    "split",
    "normalised_text_hash",
    "stratum_share",
)


def write_opinions(
    made: Building, *, pairs: Pairs, opinions: Sequence[Opinion], price: tuple[float, float] | None
) -> tuple[int, dict[str, Any]]:
    """What costs first, of which nothing that is kept from before is repeated; then the rows."""
    shards = len(pairs.places)
    spent = Counter[str]()
    started = time.perf_counter()
    for opinion in opinions:
        spent.update(opinion.prepare(pairs))
    seconds = time.perf_counter() - started
    build_shards(made, shards, lambda number: judge_shard(pairs, opinions, number))
    usage = {kind: spent[kind] for kind in TOKENS}
    return shards, {**usage, "money": money(usage, price), "seconds_asking": round(seconds, 3)}


def judge_shard(pairs: Pairs, opinions: Sequence[Opinion], number: int) -> ShardResult:
    """Every sampled pair of the shard is a row or a rejection."""
    result = ShardResult([])
    its = pairs.shard(number).pairs
    for pair, scores in zip(its, zip(*(o.scores(pairs, number) for o in opinions), strict=True), strict=True):
        result.rows_in += 1
        row = _row(pair, opinions, scores)
        if "reason" in row:
            result.rejected.append(row)
        else:
            result.rows.append(row)
            result.counts[f"{pair['side']}:{row['verdict']}"] += 1
    return result


def _row(pair: dict[str, Any], opinions: Sequence[Opinion], scores: Sequence[Score | Unscored]) -> dict[str, Any]:
    said = []
    for opinion, score in zip(opinions, scores, strict=True):
        if isinstance(score, Unscored):
            return rejection(pair_id(pair), score.reason, f"{opinion.rule.by}: {score.detail}", score.raw)
        said.append(opinion.rule.opinion(score))
    return {
        "opinion_id": pair_id(pair),
        **{name: pair[name] for name in _SAME},
        "opinions": said,
        "verdict": verdict(said[0]["relevant"], said[1]["relevant"]),
    }
