"""What a version of candidates looks like: scores by rank, and where the queries' own chunks landed."""

from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

RANKS = (1, 2, 5, 10, 20, 30, 50, 100)
# Languages that are told one by one, the largest first.
_LANGUAGES = 25
# Below this share of own chunks at rank 1, of at least so many queries, the retriever is called weak.
WEAK, _FEW = 0.5, 20


def round_trips(candidates: Version) -> "pl.DataFrame":
    """By method and language: queries, the shares whose own chunk is first, in the first 10 and at all among them."""
    import polars as pl

    own = pl.col("own_rank")
    return (
        pl.scan_parquet(candidates.shards(), glob=False)
        .group_by("method", "language")
        .agg(
            pl.len().alias("queries"),
            (own == 1).fill_null(False).mean().alias("own_first"),
            (own <= 10).fill_null(False).mean().alias("own_in_10"),
            own.is_not_null().mean().alias("own_found"),
            pl.col("chunk_ids").list.len().mean().alias("candidates"),
        )
        .sort("method", "queries", "language", descending=[False, True, False])
        .collect(engine="streaming")
    )


def scores_by_rank(candidates: Version) -> "list[dict[str, Any]]":
    """By rank: how many queries reach it, mean, 5th and 95th percentile of the score there."""
    import polars as pl

    scan = pl.scan_parquet(candidates.shards(), glob=False)
    rows = []
    for rank in RANKS:
        score = pl.col("scores").list.get(rank - 1, null_on_oob=True).drop_nulls()
        row = scan.select(
            score.len().alias("queries"),
            score.mean().alias("mean"),
            score.quantile(0.05).alias("low"),
            score.quantile(0.95).alias("high"),
        ).collect()
        if row["queries"][0]:
            rows.append({"rank": rank, **row.to_dicts()[0]})
    return rows


def print_mining(candidates: Version) -> None:
    """Both tables, for a reader."""
    if not candidates.manifest["rows"]["out"]:
        return
    k = candidates.manifest["identity"]["config"]["k"]
    say(f"own chunk among the candidates of {candidates.manifest['facts']['retriever']}")
    say(f"  {'method':<10} {'lang':<4} {'queries':>9} {'first':>6} {'in 10':>6} {f'in {k}':>6} {'candidates':>11}")
    for row in round_trips(candidates).head(_LANGUAGES).iter_rows(named=True):
        shares = " ".join(f"{row[name]:>6.2f}" for name in ("own_first", "own_in_10", "own_found"))
        named = f"{row['method']:<10} {row['language']:<4} {row['queries']:>9,}"
        say(f"  {named} {shares} {row['candidates']:>11.1f}")
    _warn(candidates)
    say("score by rank: mean (5% to 95% of the queries)")
    for row in scores_by_rank(candidates):
        say(f"  {row['rank']:>4} {row['mean']:>9.4f} ({row['low']:.4f} to {row['high']:.4f})")
    fewer = candidates.manifest["counts"].get("in_reach_of_fewer", 0)
    if fewer:
        say(f"{fewer:,} queries have fewer than {k} chunks in their reach.")


def _warn(candidates: Version) -> None:
    """A retriever that does not find the chunk of a sentence again cannot say which chunks answer it."""
    import polars as pl

    weak = round_trips(candidates).filter((pl.col("own_first") < WEAK) & (pl.col("queries") >= _FEW))
    if len(weak):
        where = ", ".join(f"{m} {lang}" for m, lang in weak.select("method", "language").iter_rows())
        say(
            f"Warning: in {where} fewer than half of the queries find their own chunk first: what is ranked first is "
            "often no positive: take a model that knows the language, --retriever fused or bm25, or reject those "
            "queries later (triplets --round-trip 10)."
        )
