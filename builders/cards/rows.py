"""Counts over the rows of versions, by DuckDB over their Parquet in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.duck import duckdb_connection
from builders.store.schemas import key_column
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb

_ALL = "SELECT * FROM read_parquet($shards, hive_partitioning = false)"
# A row that several versions hold is that of the first of them, as in a release.
_ONCE = """
    SELECT r.* FROM read_parquet($shards, filename = true, hive_partitioning = false) r
    LEFT JOIN {repeats} USING ("{key}")
    WHERE first IS NULL OR first = list_position($shards, filename)
"""
_REPEATS = """
    CREATE TEMP TABLE {repeats} AS
    SELECT "{key}", min(list_position($shards, filename)) AS first
    FROM read_parquet($shards, filename = true, hive_partitioning = false) GROUP BY "{key}" HAVING count(*) > 1
"""


class Rows:
    """The rows of versions of one table, to be asked in SQL as `rows`: each once."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection
        self._sources: dict[tuple[str, ...], str] = {}

    def ask(self, versions: Sequence[Version], query: str) -> list[tuple[Any, ...]]:
        """What the query returns of `rows`, all rows of these versions; nothing where they have no shard."""
        import duckdb

        # parameters, so that no name of a folder is read as SQL
        shards = [str(shard) for version in versions for shard in version.shards()]
        if not shards:
            return []
        try:
            if tuple(shards) not in self._sources:
                self._sources[tuple(shards)] = self._source(versions, shards)
            source = f"WITH rows AS ({self._sources[tuple(shards)]}) {query}"
            return self._connection.execute(source, {"shards": shards}).fetchall()
        except (duckdb.IOException, duckdb.InvalidInputException) as fault:
            words = str(fault).split("\n")[0]
            raise UserError(
                f"A shard of {', '.join(map(str, versions))} is missing or damaged ({words}): delete the version's "
                "folder, then run the command that made it again."
            ) from None

    def _source(self, versions: Sequence[Version], shards: list[str]) -> str:
        if len(versions) == 1:  # whose keys are unique
            return _ALL
        names = {"repeats": f"repeats_{len(self._sources)}", "key": key_column(versions[0].record)}
        self._connection.execute(_REPEATS.format(**names), {"shards": shards})
        counted = self._connection.execute("SELECT count(*) FROM {repeats}".format(**names)).fetchone()  # noqa: S608
        return _ONCE.format(**names) if counted and counted[0] else _ALL


@contextmanager
def rows_of(memory: str = "1GB") -> Iterator[Rows]:
    with duckdb_connection(memory) as connection:
        yield Rows(connection)
