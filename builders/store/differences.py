"""What changed between two versions of a table, row by row, and by which cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.schemas import key_column, parent_columns
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

# What in the plan of a version can change a row, and the word for it.
CAUSES = {
    "prompt": "prompt",
    "sampling": "prompt",
    "model": "model",
    "config": "config",
    "seed": "config",
    "schema": "code",
    "revision": "code",
}


@dataclass(frozen=True)
class Difference:
    """Row ids by (kind, cause): kind is added, dropped or changed. `plan` holds what differs between the two plans."""

    rows: Mapping[tuple[str, str], list[str]]
    same: int
    plan: Mapping[str, tuple[Any, Any]]


def diff(a: Version, b: Version) -> Difference:
    """Rows of `b` against `a`: in `b` alone (added), in `a` alone (dropped), in both with other content (changed).

    A row's cause is `input` where the row it was made from is not the same in the inputs of both; else what differs
    between the two plans (prompt, model, config, code), all of them where several do.
    """
    if a.record != b.record:
        raise UserError(f"{a} and {b} hold different records: name two versions of one table.", exit_code=2)
    plan = plan_changes(a, b)
    general = general_cause(plan)
    made_from_a, made_from_b = (_input_hashes(v) if "inputs" in plan else {} for v in (a, b))
    both = _rows(a).join(_rows(b), on="key", how="full", suffix="_b", coalesce=True)
    rows: dict[tuple[str, str], list[str]] = {}
    same = 0
    for key, row, parent, row_b, parent_b in both.iter_rows():
        if row == row_b:
            same += 1
            continue
        kind = "added" if row is None else "dropped" if row_b is None else "changed"
        source = parent_b if row is None else parent
        by_input = made_from_a.get(source) != made_from_b.get(source)
        rows.setdefault((kind, "input" if by_input else general), []).append(key)
    return Difference({k: sorted(v) for k, v in sorted(rows.items())}, same, plan)


def plan_changes(a: Version, b: Version) -> dict[str, tuple[Any, Any]]:
    """The parts of the two plans that differ."""
    one, two = a.manifest["identity"], b.manifest["identity"]
    return {k: (one.get(k), two.get(k)) for k in sorted(one.keys() | two.keys()) if one.get(k) != two.get(k)}


def general_cause(plan: Mapping[str, tuple[Any, Any]]) -> str:
    """The words for what differs between two plans, with a plus between them."""
    causes = {CAUSES[k] for k in plan if k in CAUSES}
    if "config" in plan:
        changed = {
            k for k in plan["config"][0] | plan["config"][1] if plan["config"][0].get(k) != plan["config"][1].get(k)
        }
        if "fingerprint" in changed:  # documents: their input is the source, which the config names by its fingerprint
            causes.add("input")
            if changed == {"fingerprint"} and "seed" not in plan:
                causes.discard("config")
    # Nothing of the row's own differs, yet the row does: another row of the input decided it (a duplicate, a cluster).
    return "+".join(sorted(causes)) or "input"


def _rows(version: Version) -> "pl.DataFrame":
    """(key, hash of the row, id of the row it was made from)."""
    import polars as pl

    key, names = key_column(version.record), _scan(version).collect_schema().names()
    parent = next(iter(parent_columns(version.record)), None)
    return (
        _scan(version)
        .select(
            pl.col(key).alias("key"),
            pl.struct(names).hash(seed=0).alias("row"),
            (pl.col(parent) if parent else pl.lit(None, pl.String)).alias("parent"),
        )
        .collect()
    )


def _input_hashes(version: Version) -> dict[str, int]:
    """{row id: hash} of what the version's rows are made from: the text alone, where the input has a hash of it."""
    import polars as pl

    if not parent_columns(version.record):
        return {}
    source = version.inputs()[0]
    while source.table == version.table:  # rows of an earlier version, some left out: made from what those were
        source = source.inputs()[0]
    names = _scan(source).collect_schema().names()  # those of the files: an older version may hold other columns
    names = ["text_hash"] if "text_hash" in names else names
    hashed = (
        _scan(source).select(pl.col(key_column(source.record)), pl.struct(names).hash(seed=0).alias("row")).collect()
    )
    return dict(hashed.iter_rows())


def _scan(version: Version) -> "pl.LazyFrame":
    import polars as pl

    return pl.scan_parquet(version.shards(), glob=False)


def rejected_reasons(version: Version) -> dict[str, str]:
    """{row id: reason} of the version's rejections."""
    import polars as pl

    if not version.rejected_shards():
        return {}
    found = pl.scan_parquet(version.rejected_shards(), glob=False).select("row_id", "reason").collect()
    return dict(found.iter_rows())
