"""What a recipe made, for a reader: where the tables are, example queries with their chunks, and counts."""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from builders.cli.progress import say
from builders.store.versions import Version, read_rows
from builders.text.hashes import id_number


def print_summary(versions: Sequence[Version], examples: int) -> None:
    """Examples are a seeded draw, methods by turns: the same rows make the same summary."""
    queries = [v for v in versions if v.table == "queries"]
    drawn = [[(version, row) for row in _draw(version, examples)] for version in queries]
    for version, row in [r for turn in zip_longest(*drawn) for r in turn if r][:examples]:
        chunk = _chunk(version, row["chunk_id"])
        say(f"\n{row['method']}: {row['text']}")
        say(f"  from {row['chunk_id']}: {' '.join(chunk['text'].split())[:300]}")
    counts: Counter[tuple[str, str]] = Counter()
    for version in queries:
        for shard in version.shards():
            counts.update((r["method"], r["language"]) for r in read_rows(shard, ["method", "language"]))
    say("\nqueries by method and language")
    for (method, language), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
        say(f"  {method:<6} {language:<4} {count:>8,}")
    say("rejected by stage and reason")
    sources = [
        v for version in versions if version.table == "chunks" for v in version.inputs() if v.table == "documents"
    ]
    for version in [*sources, *versions]:
        stage = f"{version.table} of {version.manifest['stage'].removeprefix('builders.')}"
        for reason, count in version.manifest["rows"]["rejected_by_reason"].items():
            say(f"  {stage:<30} {reason:<18} {count:>8,}")
    say("tables")
    for version in versions:
        say(f"  {version!s:<24} {version.manifest['rows']['out']:>8,} rows in {version.folder}")


def _draw(version: Version, count: int) -> list[dict[str, Any]]:
    rows = [row for shard in version.shards() for row in read_rows(shard, ["query_id", "method", "text", "chunk_id"])]
    return sorted(rows, key=lambda row: id_number(0, row["query_id"], "example"))[:count]


def _chunk(queries: Version, chunk_id: str) -> dict[str, Any]:
    chunks = next(v for v in queries.inputs() if v.table == "chunks")
    return next(row for shard in chunks.shards() for row in read_rows(shard) if row["chunk_id"] == chunk_id)


# A token of a tokenizer that knows the script is several letters; at most half of them means that it spells words out.
SPELLED_OUT = 0.5


def print_languages(chunks: Version) -> None:
    """Chunks, tokens and sentences by language; a warning where the tokenizer does not know a language."""
    import polars as pl

    if not chunks.manifest["rows"]["out"]:
        return
    per_language = (
        pl.scan_parquet(chunks.shards())
        .group_by("language")
        .agg(
            pl.len().alias("chunks"),
            pl.col("tokens").mean(),
            pl.col("sentence_starts").list.len().mean().alias("sentences"),
            (pl.col("tokens").sum() / pl.col("text").str.len_chars().sum()).alias("tokens_a_character"),
        )
        .sort("chunks", "language", descending=[True, False])
        .collect(engine="streaming")
    )
    for row in per_language.head(25).iter_rows(named=True):
        mean = f"{row['tokens']:.0f} tokens, {row['sentences']:.1f} sentences"
        say(f"  {row['language']:<4} {row['chunks']:>8,} chunks of {mean}")
    spelled = per_language.filter(pl.col("tokens_a_character") > SPELLED_OUT)["language"].to_list()
    if spelled:
        say(
            f"Warning: the tokenizer {chunks.manifest['facts']['tokenizer']} spells out {', '.join(spelled)}, so that "
            "their chunks hold few sentences: name the tokenizer of the model that you will train (--tokenizer)."
        )
