"""Rows that several versions of a table hold: each is released once, and two rows under one key not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.store.schemas import key_column
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

# One key, the first of the versions that have it, and whether all of them have the same row.
_SHARED = """
    SELECT key, min(number) AS first, count(DISTINCT row) > 1 AS differs FROM ({rows})
    GROUP BY key HAVING count(DISTINCT number) > 1 ORDER BY key
"""


@dataclass(frozen=True)
class Repeats:
    """Keys that more than one version holds, sorted, with the number of the first that does."""

    key: str
    keys: "pl.Series | None" = None
    first: "pl.Series | None" = None

    def without(self, table: "pa.Table", number: int) -> "pa.Table":
        """The rows of a shard of version `number` that no earlier version has."""
        import polars as pl

        if self.keys is None or self.first is None or not len(self.keys):
            return table
        mine = pl.Series(table.column(self.key))
        at = self.keys.search_sorted(mine).clip(0, len(self.keys) - 1)
        earlier = (self.keys.gather(at) == mine) & (self.first.gather(at) < number)
        return table.filter((~earlier).to_arrow()) if earlier.any() else table


def find_repeats(versions: Sequence[Version], connection: "duckdb.DuckDBPyConnection") -> Repeats:
    """UserError where two versions hold other rows under one key.

    The rows are compared by DuckDB, which spills what does not fit; in memory are only the keys that are shared.
    """
    import polars as pl

    key = key_column(versions[0].record)
    if len(versions) < 2:
        return Repeats(key)
    shards = [version.shards() for version in versions]
    selects = [
        f'SELECT "{key}" AS key, {number} AS number, hash(t) AS row '  # noqa: S608
        f"FROM read_parquet($files_{number}, hive_partitioning = false) t"
        for number, files in enumerate(shards)
        if files
    ]
    files = {f"files_{number}": [str(s) for s in found] for number, found in enumerate(shards) if found}
    query = _SHARED.format(rows=" UNION ALL ".join(selects))
    found = pl.DataFrame(connection.sql(query, params=files).to_arrow_table())
    others = found.filter("differs")
    if len(others):
        raise UserError(_told(versions, key, others["key"][0], connection))
    return Repeats(key, found["key"], found["first"])


def _told(versions: Sequence[Version], key: str, value: str, connection: "duckdb.DuckDBPyConnection") -> str:
    """Which two versions differ, and in which column."""
    held = []
    for version in versions:
        rows = "SELECT * FROM read_parquet($files, hive_partitioning = false)"
        query = f'{rows} WHERE "{key}" = $key LIMIT 1'
        result = connection.execute(query, {"files": [str(s) for s in version.shards()], "key": value})
        names = [column[0] for column in result.description or ()]
        held += [(version, dict(zip(names, row, strict=True))) for row in result.fetchall()]
    first, row = held[0]
    second, other = next((v, r) for v, r in held if r != row)
    column = next(name for name in row if row.get(name) != other.get(name))
    return (
        f"{value} has one {column} in {first} and another in {second}: these versions do not belong together; release "
        "one without the other, or make both again from the same versions."
    )
