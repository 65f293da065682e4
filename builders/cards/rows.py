"""Counts over the rows of versions, by DuckDB over their Parquet in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.duck import duckdb_connection
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb


class Rows:
    """The rows of some versions, to be asked in SQL as `rows`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    def ask(self, versions: Sequence[Version], query: str) -> list[tuple[Any, ...]]:
        """What the query returns of `rows`, all rows of these versions; nothing where they have no shard."""
        import duckdb

        shards = [str(shard) for version in versions for shard in version.shards()]
        if not shards:
            return []
        # a parameter, so that no name of a folder is read as SQL
        source = f"WITH rows AS (SELECT * FROM read_parquet($shards)) {query}"  # noqa: S608 (queries of this package)
        try:
            return self._connection.execute(source, {"shards": shards}).fetchall()
        except (duckdb.IOException, duckdb.InvalidInputException) as fault:
            words = str(fault).split("\n")[0]
            raise UserError(
                f"A shard of {', '.join(map(str, versions))} is missing or damaged ({words}): delete the version's "
                "folder, then run the command that made it again."
            ) from None


@contextmanager
def rows_of(memory: str = "1GB") -> Iterator[Rows]:
    with duckdb_connection(memory) as connection:
        yield Rows(connection)
