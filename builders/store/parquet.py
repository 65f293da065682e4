"""One Parquet file, written so that the same rows are the same bytes, and a hash that no writer version changes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from builders.store.schemas import arrow_schema, canonical, key_column

ROW_GROUP = 10_000


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], record: str) -> dict[str, Any]:
    """Write the rows, sorted by their key, in one step: a temporary name, fsync, rename.

    Returns what the manifest keeps of the file: {rows, bytes, sha256, content_hash}. zstd 3 and content-defined chunks:
    after a small edit, an upload of the next version sends the pages that changed and no others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(rows, key=lambda row: str(row[key_column(record)]))
    table = pa.Table.from_pylist(ordered, schema=arrow_schema(record))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=3,
            row_group_size=ROW_GROUP,
            use_content_defined_chunking=True,
            write_page_index=True,
        )
    return {
        "rows": len(ordered),
        "bytes": path.stat().st_size,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "content_hash": content_hash(ordered),
    }


def content_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """A hash of the rows themselves: each as canonical JSON, one a line, in order."""
    digest = blake2b(digest_size=16)
    for row in rows:
        digest.update(canonical(row) + b"\n")
    return digest.hexdigest()


def storable(text: str) -> str:
    """Lone surrogates spelled out. A file's name may hold one, and a reply cut inside an emoji; UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_bytes(path: Path, content: bytes) -> None:
    """A small file in one step, as above."""
    with _replacing(path) as temporary:
        temporary.write_bytes(content)


class _replacing:
    """`with _replacing(path) as temporary`: the file appears under its own name when it is whole and on disk."""

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
