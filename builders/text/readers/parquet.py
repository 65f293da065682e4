"""Rows of Parquet files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.text.readers.columns import Columns, needed_columns
from builders.text.readers.rows import Record

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1000  # with the 5k to 20k rows of a usual row group, a few MB at a time


def parquet_records(path: Path, place: str, columns: Columns | None) -> Iterator[Record]:
    """The rows of a Parquet file, batch by batch, with only the columns that are needed."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path, memory_map=False)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{place} is not a Parquet file, or was cut short ({error}): fetch or write it again."
        ) from error
    with file:
        names = file.schema_arrow.names
        wanted = needed_columns(names, columns, place)
        number = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                values = [_values(column) for column in batch.columns]
                for row in zip(*values, strict=True):
                    number += 1
                    yield number, dict(zip(batch.schema.names, row, strict=True))
        except pa.ArrowException as error:
            raise OSError(str(error)) from error


def _values(column: "pa.Array[Any]") -> Sequence[object]:
    import pyarrow as pa

    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # Arrow does not check that its strings are UTF-8; as bytes, the good rows survive
        return column.cast(pa.string()).cast(pa.binary()).to_pylist()
