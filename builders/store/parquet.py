"""One Parquet file, written so that the same rows are the same bytes."""

import os
from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.content import content_hash
from builders.store.schemas import arrow_schema, key_column

if TYPE_CHECKING:
    import pyarrow as pa

    # Rows one by one, or already in columns: what a stage of millions of rows makes.
    Rows = Sequence[Mapping[str, Any]] | pa.Table

ROW_GROUP = 10_000


def write_parquet(path: Path, rows: "Rows", record: str) -> dict[str, Any]:
    """Write the rows, sorted by their key, in one step: a temporary name, fsync, rename.

    Returns what the manifest keeps of the file: {rows, bytes, sha256, content_hash}. zstd 3 and content-defined chunks:
    after a small edit, an upload of the next version sends the pages that changed and no others.
    """
    return write_table(path, sorted_table(rows, record))


def write_table(path: Path, table: "pa.Table", row_group: int = ROW_GROUP) -> dict[str, Any]:
    """The same of a table as it is, in row groups of that many rows."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=3,
            row_group_size=row_group,
            use_content_defined_chunking=True,
            write_page_index=True,
        )
        content = content_hash(table)  # before the file has its name: a number that is not finite is no row
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return {"rows": len(table), "bytes": path.stat().st_size, "sha256": digest, "content_hash": content}


def sorted_table(rows: "Rows", record: str) -> "pa.Table":
    """The rows as a table of the record's columns, in the order of their keys (by code points)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    schema, key = arrow_schema(record), key_column(record)
    if not isinstance(rows, pa.Table):
        # sorted here: the text that a key is made of is compared by code points, which is how Arrow compares UTF-8
        return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row[key])), schema=schema)
    table = rows.select(schema.names).cast(schema).combine_chunks()
    keys = table.column(key)
    if len(keys) > 1 and not pc.all(pc.less_equal(keys[:-1], keys[1:])).as_py():
        table = table.take(pc.sort_indices(keys))
    return table


def storable(text: str) -> str:
    """Lone surrogates spelled out. A file's name may hold one, and a reply cut inside an emoji; UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_bytes(path: Path, content: bytes) -> None:
    """A small file in one step, as above."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


class replacing:
    """`with replacing(path) as temporary`: the file appears under its own name when it is whole and on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.temporary.unlink(missing_ok=True)
            return
        _sync(self.temporary)
        self.temporary.replace(self.path)
        _sync(self.path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
