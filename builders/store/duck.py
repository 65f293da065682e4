"""DuckDB over Parquet, within a given memory: what does not fit goes to a folder that is removed at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@contextmanager
def duckdb_connection(
    memory: str = "1GB", threads: int | None = None, spill: Path | None = None
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A connection of at most that memory (as DuckDB writes it: 2GB), spilling to a folder of its own below `spill`.

    `spill` None takes the system's temporary folder. No extension is fetched and no progress bar is drawn.
    """
    import duckdb

    with TemporaryDirectory(prefix=".duckdb-", dir=spill) as folder:
        config = {
            "memory_limit": memory,
            "temp_directory": folder,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        if threads is not None:
            config["threads"] = str(threads)
        connection = duckdb.connect(config=config)  # type: ignore[arg-type]
        try:
            connection.execute("SET enable_progress_bar = false")
            yield connection
        finally:
            connection.close()
