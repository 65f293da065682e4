"""What a version of contamination says, in numbers: sets, texts examined, overlaps by set, kind, role and match."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from builders.quality.training_texts import texts_by_row
from builders.store.versions import Version, all_versions, read_table

if TYPE_CHECKING:
    import polars as pl

ORDER = ("set", "kind", "role", "match")


def contamination_facts(version: Version, among: Sequence[Version] | None = None) -> dict[str, Any]:
    """{version, sets, examined, policy, rows, overlaps}: plain JSON, for the card.

    `texts` of an overlap are distinct training texts, `rows` the triplets that one of them is in; `rows` of the whole
    counts a triplet once. The policy is drop where one of the versions `among` (those of a
    release; None: all that the data folder holds) leaves out what this version found, else flag.
    """
    counts = version.manifest["counts"]
    names = [one["name"] for one in version.manifest["identity"]["config"]["sets"]]
    sizes = ("queries", "documents")
    versions = all_versions(version.folder.parent.parent) if among is None else among
    dropped = any(v.table == "triplets" and _is_input(version, v) for v in versions)
    return {
        "version": str(version),
        "sets": [{"name": name, **{size: counts.get(f"set:{name}:{size}", 0) for size in sizes}} for name in names],
        "examined": {kind: counts.get(f"examined:{kind}", 0) for kind in ("queries", "positives")},
        "policy": "drop" if dropped else "flag",
        **_overlaps(version),
    }


def _is_input(version: Version, of: Version) -> bool:
    inputs = [(given["table"], given["version"]) for given in of.manifest["identity"]["inputs"]]
    return (version.table, version.name) in inputs


def _overlaps(version: Version) -> dict[str, Any]:
    """{rows, overlaps}."""
    import polars as pl

    found = pl.scan_parquet(version.shards(), glob=False).select("row_id", *ORDER).collect()
    if found.is_empty():
        return {"rows": 0, "overlaps": []}
    held = [_rows_holding(triplets, found.select("kind", "row_id").unique()) for triplets in version.inputs()]
    rows = pl.concat(held).join(found, on=["kind", "row_id"])
    texts = found.group_by(ORDER).agg(texts=pl.col("row_id").n_unique())
    triplet = pl.struct("version", "triplet_id")
    counted = rows.group_by(ORDER).agg(rows=triplet.n_unique())
    both = texts.join(counted, on=ORDER, how="left").with_columns(pl.col("rows").fill_null(0)).sort(ORDER)
    return {
        "rows": rows.select(triplet.n_unique()).item(),
        "overlaps": both.select(*ORDER, "texts", "rows").to_dicts(),
    }


def _rows_holding(triplets: Version, texts: "pl.DataFrame") -> "pl.DataFrame":
    """(kind, row_id, version, triplet_id) of the triplets whose query or positive is one of the texts."""
    import polars as pl

    parts = []
    for shard in triplets.shards():
        rows = pl.DataFrame(pl.from_arrow(read_table(shard, ["triplet_id", "query_id", "positive_ids"])))
        parts.append(texts_by_row(rows).join(texts, on=["kind", "row_id"], how="semi"))
    return pl.concat(parts).select("kind", "row_id", pl.lit(str(triplets)).alias("version"), "triplet_id")


def print_overlaps(version: Version) -> None:
    """The same in words."""
    facts = contamination_facts(version)
    counts = version.manifest["counts"]
    for one in facts["sets"]:
        short = counts.get(f"set:{one['name']}:short_queries", 0)
        told = f", {short:,} of them under 8 words: found as exact copies alone" if short else ""
        say(f"  against {one['name']}: {one['documents']:,} documents and {one['queries']:,} queries{told}")
    examined = [f"{n:,} {kind}{_short(counts, kind)}" for kind, n in facts["examined"].items()]
    say(f"  examined {', '.join(examined)}")
    for one in facts["overlaps"]:
        word = {"exact": "are copies of", "ngram": "share runs of 8 words with", "minhash": "are nearly"}[one["match"]]
        kinds = "queries" if one["kind"] == "query" else "positives"
        roles = "queries" if one["role"] == "query" else "documents"
        say(f"  {one['texts']:>7,} {kinds:<9} {word} {roles} of {one['set']}, in {one['rows']:,} rows")
    if not facts["overlaps"]:
        say("  no overlap was found")
    if left_out := counts.get("overlaps_left_out", 0):
        say(f"  {left_out:,} further overlaps of texts that have 100 with the same set are left out")
    if common := counts.get("common_ngrams", 0):
        say(f"  {common:,} runs of words stand in more than 1,000 training texts and were taken for boilerplate")


def _short(counts: dict[str, int], kind: str) -> str:
    short = counts.get(f"short:{kind}", 0)
    return f" ({short:,} under 8 words)" if short else ""
