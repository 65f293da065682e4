"""The offending rows that a check selects: all of them counted, the first of them kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = 100_000
EXAMPLES = 5
# Bytes of a key or detail in quality.json: a row may be a megabyte.
SHOWN = 300


@dataclass(frozen=True)
class FailingRows:
    """`rows` are the first KEPT of `count` by key: columns key, detail, version."""

    count: int
    rows: "pa.Table"

    def examples(self) -> list[dict[str, str]]:
        first = self.rows.slice(0, EXAMPLES).select(["key", "detail"]).to_pylist()
        return [{name: text[:SHOWN] for name, text in row.items()} for row in first]


def first_rows(batches: "Iterable[pa.RecordBatch]", names: Sequence[str]) -> FailingRows:
    """Of batches with the columns version (the place of its name in `names`), key and detail."""
    import pyarrow as pa

    schema = pa.schema([("key", pa.string()), ("detail", pa.string()), ("version", pa.string())])
    kept, count = schema.empty_table(), 0
    for batch in batches:
        if not len(batch):
            continue
        count += len(batch)
        version = pa.array(names).take(batch.column("version"))
        texts = [batch.column(name).cast(pa.string()).fill_null("null") for name in ("key", "detail")]
        kept = pa.concat_tables([kept, pa.table([*texts, version], schema=schema)])
        if len(kept) > 2 * KEPT:
            kept = _first(kept)
    return FailingRows(count, _first(kept))


def _first(rows: "pa.Table") -> "pa.Table":
    return (
        rows.sort_by([("key", "ascending"), ("version", "ascending"), ("detail", "ascending")])
        .slice(0, KEPT)
        .combine_chunks()
    )


def write_failing(folder: Path, name: str, rows: "pa.Table") -> None:
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / f"{name}.parquet", compression="zstd")
