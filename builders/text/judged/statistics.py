"""What a judged data set holds, in a few lines for the user."""

from typing import Any

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.store.versions import Version, read_rows

NAMED = 3  # unknown ids that are named
LANGUAGES = 25


def print_judgements(queries: Version, judgements: Version) -> None:
    """Positives and negatives a query, queries of the same words, and the first of the ids that are unknown."""
    import polars as pl

    if not judgements.manifest["rows"]["out"]:
        _say_unknown(judgements)
        reasons = ", ".join(
            f"{n:,} {reason}" for reason, n in judgements.manifest["rows"]["rejected_by_reason"].items()
        )
        raise UserError(
            f"No judgement is left ({reasons or 'the set holds none'}): look with `python -m builders.tables show "
            f"{judgements} --rejected REASON`, then correct --source, --qrels or --columns."
        )
    counts = judgements.manifest["counts"]
    asked = queries.manifest["rows"]["out"]
    positives, negatives = counts.get("positives", 0), counts.get("negatives", 0)
    say(
        f"  {asked:,} queries with {positives:,} positives ({positives / asked:.2f} a query) and {negatives:,} judged "
        f"not relevant ({negatives / asked:.2f} a query)"
    )
    languages = queries.manifest["counts"].items()
    by_language = [(n, name.removeprefix("language:")) for name, n in languages if name.startswith("language:")]
    say("  in " + ", ".join(f"{name} {n:,}" for n, name in sorted(by_language, reverse=True)[:LANGUAGES]))
    texts = (
        pl.scan_parquet(queries.shards(), glob=False).select(pl.col("normalised_text_hash").n_unique()).collect().item()
    )
    others = {
        "queries have the words of another, and are kept": asked - texts,
        "queries have no judgement here, and are left out": queries.manifest["counts"].get(
            "queries_without_judgement", 0
        ),
        "pairs are judged several times, and not the same: the highest stands": counts.get("relevance_disagreed", 0),
    }
    for told, count in others.items():
        if count:
            say(f"  {count:,} {told}")
    _say_unknown(judgements)


def _say_unknown(judgements: Version) -> None:
    unknown = _unknown(judgements)
    if unknown:
        total = judgements.manifest["rows"]["rejected_by_reason"]["unknown_id"]
        say(f"  {total:,} judgements name an unknown id, first: {'; '.join(unknown)}")


def _unknown(judgements: Version) -> list[str]:
    found: list[Any] = []
    for shard in judgements.rejected_shards():
        found += [row["detail"] for row in read_rows(shard) if row["reason"] == "unknown_id"]
        if len(found) >= NAMED:
            break
    return list(dict.fromkeys(found))[:NAMED]
