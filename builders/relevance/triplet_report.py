"""What a version of triplets looks like: rows by method and language, negatives dropped by reason, example rows."""

from typing import TYPE_CHECKING

from builders.cli.progress import say
from builders.relevance.guard import REASONS
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

_LANGUAGES = 25


def rows_by_language(triplets: Version) -> "pl.DataFrame":
    """By method and language: rows, mean positives and negatives, the share whose first positive is the own chunk."""
    import polars as pl

    return (
        pl.scan_parquet(triplets.shards(), glob=False)
        .group_by("method", "language")
        .agg(
            pl.len().alias("rows"),
            pl.col("positive_ids").list.len().mean().alias("positives"),
            pl.col("negative_ids").list.len().mean().alias("negatives"),
            (pl.col("positive_ids").list.first() == pl.col("chunk_id")).mean().alias("own_first"),
        )
        .sort("method", "rows", "language", descending=[False, True, False])
        .collect(engine="streaming")
    )


def print_triplets(triplets: Version) -> None:
    """The tables, for a reader."""
    if triplets.manifest["rows"]["out"]:
        say(f"  {'method':<10} {'lang':<4} {'rows':>9} {'positives':>9} {'negatives':>9} {'own chunk first':>15}")
        for row in rows_by_language(triplets).head(_LANGUAGES).iter_rows(named=True):
            sizes = f"{row['positives']:>9.1f} {row['negatives']:>9.1f} {row['own_first']:>15.2f}"
            say(f"  {row['method']:<10} {row['language']:<4} {row['rows']:>9,} {sizes}")
    dropped = {r: triplets.manifest["counts"].get(f"dropped:{r}", 0) for r in REASONS}
    if any(dropped.values()):
        say("negatives dropped")
        for reason, count in dropped.items():
            if count:
                say(f"  {reason:<14} {count:>9,}  {REASONS[reason]}")
