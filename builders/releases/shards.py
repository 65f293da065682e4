"""The Parquet files of one split of one config, numbered and of bounded size."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.parquet import ROW_GROUP, write_table

if TYPE_CHECKING:
    import pyarrow as pa

# What a reader downloads as one, and what stands in memory here: whichever comes first.
ROWS = 100_000
BYTES = 64_000_000  # of the columns in memory; a file has about a third of it
# What a reader that streams must hold at least.
GROUP_BYTES = 16_000_000


class Shards:
    """`write` tables of one schema, then `close`: files is what the manifest keeps of each, with its path."""

    def __init__(self, release: Path, config: str, split: str) -> None:
        self.files: list[dict[str, Any]] = []
        self._release, self._folder = release, f"{config}/{split}"
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def write(self, table: "pa.Table") -> None:
        """Rows that come after those written before."""
        while len(table):
            room = ROWS - self._rows
            part, table = table.slice(0, room), table.slice(room)
            self._waiting.append(part)
            self._rows += len(part)
            self._bytes += part.nbytes
            if self._rows >= ROWS or self._bytes >= BYTES:
                self.close()

    def close(self) -> None:
        """Write what is waiting."""
        import pyarrow as pa

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        path = f"{self._folder}/{len(self.files):05d}.parquet"
        group = max(1, min(ROW_GROUP, len(table) * GROUP_BYTES // max(1, self._bytes)))
        self.files.append({"path": path, **write_table(self._release / path, table, group)})
        self._waiting, self._rows, self._bytes = [], 0, 0


def split_facts(shards: Shards) -> dict[str, Any]:
    """What the manifest keeps of a split."""
    return {"rows": sum(file["rows"] for file in shards.files), "files": shards.files}
