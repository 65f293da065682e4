"""Drafts of triplets: which of a query's ranked or judged chunks are positives and which are negatives.

A draft has the columns of a triplet but its id, and own_rank: the rank of the query's own chunk.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.relevance.windows import Windows

if TYPE_CHECKING:
    import polars as pl

# Columns that a triplet takes over from the row that it is made of.
TAKEN = ["query_id", "chunk_id", "document_id", "source", "language", "split", "normalised_text_hash"]


@dataclass(frozen=True)
class ScoreRules:
    """What a negative's score must stay below; each may be None. A positive's score is that of the row's lowest one.

    A positive that was not among the candidates scores lower than all of them, so no negative that was is below it.
    """

    ratio: float | None = None
    margin: float | None = None
    maximum: float | None = None

    def ceiling(self) -> "pl.Expr | None":
        """The lowest score at which a negative is too near; None where there is no rule. Null where a row has no score.

        ratio: positive-aware (de Souza Moreira et al., 2024, NV-Retriever, TopK-PercPos); a share of the positive's
        size, so that it means the same where scores are below 0.
        """
        import polars as pl

        scores = pl.col("positive_scores")
        unranked = (scores.list.drop_nulls().list.len() < scores.list.len()) & pl.col("retriever").is_not_null()
        lowest = pl.when(unranked).then(float("-inf")).otherwise(scores.list.min())
        limits = []
        if self.ratio is not None:
            limits.append(pl.when(unranked).then(lowest).otherwise(lowest - (1 - self.ratio) * lowest.abs()))
        if self.margin is not None:
            limits.append(lowest - self.margin)
        if self.maximum is not None:
            limits.append(pl.lit(self.maximum))
        return pl.min_horizontal(limits) if limits else None


def from_candidates(candidates: "pl.DataFrame", windows: Windows, ranking: str) -> "pl.DataFrame":
    """Sent and QGen: by the retriever's ranks (DRAMA 3.1.1, 3.1.2)."""
    import polars as pl

    ranked = candidates.with_columns(judge=pl.lit(None, pl.String), ranking=pl.lit(ranking))
    drafts = _by_rank(ranked, "scores", windows)
    return (_own_first(drafts) if windows.own else drafts).select([*_DRAFT])


def from_preferences(preferences: "pl.DataFrame", windows: Windows, ranking: str) -> "pl.DataFrame":
    """Rerank: by the judge's ranks, with the retriever's scores (DRAMA 3.1.3)."""
    import polars as pl

    ranked = preferences.with_columns(
        method=pl.lit("rerank"),
        judge=pl.format("{} {} {}", "preference_method", "model", "prompt_version"),
        ranking=pl.lit(ranking),
    )
    return _by_rank(ranked, "retriever_scores", windows).select([*_DRAFT])


def from_judgements(
    queries: "pl.DataFrame",
    judgements: "pl.DataFrame",
    candidates: "pl.DataFrame | None",
    windows: Windows,
    ranking: str,
) -> "pl.DataFrame":
    """Judged or written pairs (relevance above 0: positive), the best judged first; and, where candidates are given,
    negatives mined from their ranks after the judged ones, and the ranks and scores of judged chunks among them."""
    import polars as pl

    judged = judgements.select("query_id", "chunk_id", "relevance").sort(
        ["query_id", "relevance", "chunk_id"], descending=[False, True, False]
    )
    ranked = _ranked_pairs(candidates)
    judged = judged.join(ranked, on=["query_id", "chunk_id"], how="left", maintain_order="left")
    answers = pl.col("relevance") > 0
    _, negative, _ = _spans(pl.col("candidates"), windows)
    mined = ranked.filter(pl.col("rank").is_between(*negative)).join(
        judged, on=["query_id", "chunk_id"], how="anti", maintain_order="left"
    )
    negatives = pl.concat(
        [part.select("query_id", "chunk_id", "rank", "score") for part in (judged.filter(~answers), mined)]
    )
    drafts = queries.select([*TAKEN, "method"])
    for side, pairs in (("positive", judged.filter(answers)), ("negative", negatives)):
        lists = pairs.group_by("query_id", maintain_order=True).agg(
            pl.col("chunk_id").alias(f"{side}_ids"),
            pl.col("rank").alias(f"{side}_ranks"),
            pl.col("score").alias(f"{side}_scores"),
        )
        drafts = drafts.join(lists, on="query_id", how="left", maintain_order="left")
    filled = [pl.col(name).fill_null([]) for name in _LISTS]
    filled.append(pl.lit(None, pl.Int32).alias("own_rank"))
    filled.append(pl.lit(windows.least).alias("least"))
    retriever = pl.lit(None, pl.String)
    if candidates is not None:
        drafts = drafts.join(
            candidates.select("query_id", "retriever"), on="query_id", how="left", maintain_order="left"
        )
        retriever = pl.col("retriever")
    named = pl.when(retriever.is_not_null()).then(pl.lit(ranking))  # a query that was not searched has no ranking
    return drafts.with_columns(*filled, retriever=retriever, judge=pl.lit(None, pl.String), ranking=named).select(
        [*_DRAFT]
    )


_LISTS = [f"{side}_{what}" for side in ("positive", "negative") for what in ("ids", "ranks", "scores")]
_DRAFT = [*TAKEN, "method", "retriever", "judge", "ranking", "own_rank", "least", *_LISTS]


def _spans(
    candidates: "pl.Expr", windows: Windows
) -> "tuple[tuple[pl.Expr, pl.Expr], tuple[pl.Expr, pl.Expr], pl.Expr]":
    """row_windows for the number of candidates of each row: positives, negatives, least."""
    import polars as pl

    (p0, p1), (n0, n1), least = windows.positives, windows.negatives, pl.lit(windows.least)
    first, last, start, end = pl.lit(p0), pl.lit(p1), pl.lit(n0), pl.lit(n1)
    if windows.deep is not None:
        depth = candidates.cast(pl.Int64).clip(upper_bound=windows.deep)
        last = pl.max_horizontal(pl.lit(1), depth * p1 // windows.deep)
        start = pl.max_horizontal(last + 1, (depth * n0 + windows.deep - 1) // windows.deep)
        end = pl.max_horizontal(start, depth * n1 // windows.deep)
    return (first, last), (start, end), pl.min_horizontal(least, end - start + 1)


def _by_rank(frame: "pl.DataFrame", scores: str, windows: Windows) -> "pl.DataFrame":
    """The two windows of the lists chunk_ids and `scores`, whose places are ranks."""
    import polars as pl

    length = pl.col("chunk_ids").list.len()
    ranks = pl.int_ranges(1, length + 1, dtype=pl.Int32)
    positive, negative, least = _spans(length, windows)

    def window(column: "pl.Expr", span: "tuple[pl.Expr, pl.Expr]") -> "pl.Expr":
        return column.list.slice(span[0] - 1, span[1] - span[0] + 1)

    lists = {
        f"{side}_{what}": window(column, span)
        for side, span in (("positive", positive), ("negative", negative))
        for what, column in (("ids", pl.col("chunk_ids")), ("ranks", ranks), ("scores", pl.col(scores)))
    }
    return frame.with_columns(**lists, least=least)


def _own_first(frame: "pl.DataFrame") -> "pl.DataFrame":
    """The own chunk before the other positives, as many in all as before; rank and score are null where it has none."""
    import polars as pl

    size = pl.col("positive_ids").list.len().cast(pl.Int32)
    place = pl.min_horizontal("own_rank", size)  # that it has among the positives, or takes: null is passed over
    score = pl.col("scores").list.get(pl.col("own_rank") - 1, null_on_oob=True)
    own = {"ids": pl.col("chunk_id"), "ranks": pl.col("own_rank"), "scores": score}

    def joined(what: str) -> "pl.Expr":
        others = pl.col(f"positive_{what}")
        return pl.concat_list(own[what], others.list.slice(0, place - 1), others.list.slice(place, size))

    return frame.with_columns(**{f"positive_{what}": joined(what) for what in own})


def _ranked_pairs(candidates: "pl.DataFrame | None") -> "pl.DataFrame":
    """(query_id, chunk_id, rank, score, candidates) of every candidate; the last is how many its query has."""
    import polars as pl

    if candidates is None:
        columns = {"query_id": pl.String, "chunk_id": pl.String, "rank": pl.Int32, "score": pl.Float64}
        return pl.DataFrame(schema=columns | {"candidates": pl.UInt32})
    length = pl.col("chunk_ids").list.len()
    ranks = pl.int_ranges(1, length + 1, dtype=pl.Int32)
    lists = candidates.select("query_id", chunk_id="chunk_ids", rank=ranks, score="scores", candidates=length)
    return lists.explode("chunk_id", "rank", "score").drop_nulls("chunk_id")
