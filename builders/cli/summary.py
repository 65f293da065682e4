"""What a recipe made, for a reader: where the tables are, example queries with their chunks, and counts."""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from builders.cli.progress import say
from builders.store.schemas import key_column
from builders.store.versions import Version, read_column, read_rows
from builders.text.hashes import id_number


def print_summary(versions: Sequence[Version], examples: int) -> None:
    """Examples are a seeded draw, methods by turns: the same rows make the same summary."""
    queries = [v for v in versions if v.table == "queries"]
    for version, row in _by_turns(queries, "query_id", examples):
        chunk = _rows_by_id(version, "chunks", [row["chunk_id"]])[row["chunk_id"]]
        say(f"\n{row['method']}: {row['text']}")
        say(f"  from {row['chunk_id']}: {_line(chunk['text'])}")
    for version, row in _by_turns([v for v in versions if v.table == "triplets"], "triplet_id", examples):
        _print_triplet(version, row)
    counts: Counter[tuple[str, str, str]] = Counter()
    for version in [v for v in versions if v.table in ("queries", "triplets")]:
        for shard in version.shards():
            rows = read_rows(shard, ["method", "language"])
            counts.update((version.table, r["method"], r["language"]) for r in rows)
    say("\nrows by table, method and language")
    for (table, method, language), count in sorted(counts.items(), key=lambda item: (item[0][:2], -item[1])):
        say(f"  {table:<10} {method:<10} {language:<4} {count:>8,}")
    say("rejected by stage and reason")
    sources = [
        v for version in versions if version.table == "chunks" for v in version.inputs() if v.table == "documents"
    ]
    for version in [*sources, *versions]:
        stage = f"{version.table} of {_made_by(version)}"
        for reason, count in version.manifest["rows"]["rejected_by_reason"].items():
            say(f"  {stage:<34} {reason:<18} {count:>8,}")
    say("tables")
    for version in versions:
        say(f"  {version!s:<24} {version.manifest['rows']['out']:>8,} rows in {version.folder}")


def _made_by(version: Version) -> str:
    """The stage; for triplets, what they were chosen from, since a recipe makes several."""
    if version.table == "triplets":
        return str(version.inputs()[0])
    return str(version.manifest["stage"]).removeprefix("builders.")


def _print_triplet(version: Version, row: dict[str, Any]) -> None:
    """The query with its first positive and its first negative."""
    query = _rows_by_id(version, "queries", [row["query_id"]])[row["query_id"]]
    first = {"+": "positive", "-": "negative"}
    chunks = _rows_by_id(version, "chunks", [row[f"{side}_ids"][0] for side in first.values()])
    say(f"\n{row['method']}, a training row: {query['text']}")
    for sign, side in first.items():
        chunk_id, rank, score = (row[f"{side}_{what}"][0] for what in ("ids", "ranks", "scores"))
        place = "" if rank is None else f" (rank {rank}, {score:.3f})"
        more = len(row[f"{side}_ids"]) - 1
        say(f"  {sign} {chunk_id}{place}{f' and {more} more' if more else ''}: {_line(chunks[chunk_id]['text'])}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


def _by_turns(versions: Sequence[Version], key: str, count: int) -> list[tuple[Version, dict[str, Any]]]:
    drawn = [[(version, row) for row in _draw(version, key, count)] for version in versions]
    return [found for turn in zip_longest(*drawn) for found in turn if found][:count]


def _draw(version: Version, key: str, count: int) -> list[dict[str, Any]]:
    ids = [row_id for shard in version.shards() for row_id in read_column(shard, key)]
    chosen = set(sorted(ids, key=lambda row_id: id_number(0, row_id, "example"))[:count])
    rows = [row for shard in version.shards() for row in read_rows(shard) if row[key] in chosen]
    return sorted(rows, key=lambda row: id_number(0, row[key], "example"))


def _rows_by_id(version: Version, table: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of an input of that table, by their ids."""
    source = next(v for v in version.inputs() if v.table == table)
    key = key_column(source.record)
    return {row[key]: row for shard in source.shards() for row in read_rows(shard) if row[key] in ids}


# A token of a tokenizer that knows the script is several letters; at most half of them means that it spells words out.
SPELLED_OUT = 0.5


def print_languages(chunks: Version) -> None:
    """Chunks, tokens and sentences by language; a warning where the tokenizer does not know a language."""
    import polars as pl

    if not chunks.manifest["rows"]["out"]:
        return
    per_language = (
        pl.scan_parquet(chunks.shards(), glob=False)
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
