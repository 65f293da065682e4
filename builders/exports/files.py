"""Files that grow batch by batch: JSON lines, one JSON array, numbered Parquet files."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.parquet as pq

PARQUET_ROWS = 100_000
Frame = Callable[["pl.DataFrame"], "pl.DataFrame"]


class RowWriter(Protocol):
    """Takes the rows of one split (rows.with_numbers), some at a time, and writes them as a tool wants them."""

    def write(self, rows: "pl.DataFrame") -> None: ...
    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line, of the columns that `frame` makes. Control characters are escaped, U+2028 is not."""

    def __init__(self, path: Path, frame: Frame) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("wb")
        self._frame = frame

    def write(self, rows: "pl.DataFrame") -> None:
        self._frame(rows).write_ndjson(self._file)

    def close(self) -> None:
        self._file.close()


class JsonArray:
    """{..., "data": [rows]}, a row a line; `head` is the JSON before the rows, without its closing brace."""

    def __init__(self, path: Path, head: str, frame: Frame) -> None:
        self._file = path.open("wb")
        self._frame = frame
        self._between = head.encode() + b', "data": [\n'

    def write(self, rows: "pl.DataFrame") -> None:
        lines = BytesIO()
        self._frame(rows).write_ndjson(lines)
        # a line feed within a row is escaped, so that one that is not ends it
        self._file.write(self._between + lines.getvalue().rstrip(b"\n").replace(b"\n", b",\n"))
        self._between = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]}\n")
        self._file.close()


class ParquetFiles:
    """NAME-00000.parquet, NAME-00001.parquet and so on, of PARQUET_ROWS rows each (the last of fewer)."""

    def __init__(self, folder: Path, name: str, frame: Frame) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self._frame = folder, name, frame
        self._writer: pq.ParquetWriter | None = None
        self._files, self._room = 0, 0

    def write(self, rows: "pl.DataFrame") -> None:
        import pyarrow.parquet as pq

        frame = self._frame(rows)
        while len(frame):
            if not self._room:
                self.close()
                path = self._folder / f"{self._name}-{self._files:05d}.parquet"
                schema = plain_table(frame.head(0)).schema
                self._writer = pq.ParquetWriter(
                    path, schema, compression="zstd", compression_level=3, use_content_defined_chunking=True
                )
                self._files, self._room = self._files + 1, PARQUET_ROWS
            part, frame = frame.head(self._room), frame.slice(self._room)
            assert self._writer is not None
            self._writer.write_table(plain_table(part))
            self._room -= len(part)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def plain_table(frame: "pl.DataFrame") -> Any:
    """An Arrow table of the types that every reader knows: polars' own are string_view and large_list."""
    import pyarrow as pa
    from polars import CompatLevel

    table = frame.to_arrow(compat_level=CompatLevel.oldest())
    known = {pa.large_string(): pa.string(), pa.large_list(pa.float64()): pa.list_(pa.float64())}
    return table.cast(pa.schema([pa.field(field.name, known[field.type]) for field in table.schema]))
