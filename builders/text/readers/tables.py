"""Files of rows (JSON Lines, CSV, TSV, Parquet, alone or a folder of them) as one source."""

from collections.abc import Callable, Iterator
from dataclasses import astuple
from itertools import chain
from pathlib import Path

from builders.text.documents import BadRow, Document, Source
from builders.text.readers.columns import Columns
from builders.text.readers.delimited import delimited_records
from builders.text.readers.jsonl import jsonl_records
from builders.text.readers.opening import content_hash, ending, fingerprint, undamaged
from builders.text.readers.parquet import parquet_records
from builders.text.readers.rows import Record, documents, not_empty

RECORDS: dict[str, Callable[[Path, str, Columns | None], Iterator[Record]]] = {
    ".jsonl": jsonl_records,
    ".ndjson": jsonl_records,
    ".csv": delimited_records,
    ".tsv": delimited_records,
    ".parquet": parquet_records,
}


def open_tables(kind: str, name: str, root: Path, files: list[Path], columns: Columns) -> Source:
    """The rows of `files`, in that order, as one source. Files below `root` are called by their path from there."""
    places = [str(file.relative_to(root).as_posix()) for file in files]
    parts = [kind, repr(astuple(columns))]
    for place, file in zip(places, files, strict=True):
        parts += [place, content_hash(file)]  # the place too: documents keep it

    def read() -> Iterator[Document | BadRow]:
        several = len(files) > 1
        rows = chain.from_iterable(
            _rows(file, place, columns, f"{place}/" if several else "")
            for place, file in zip(places, files, strict=True)
        )
        empty = f"{root if several else files[0]} holds no row: fill it, or point at another source."
        yield from not_empty(rows, empty)

    return Source(kind, name, fingerprint(parts), read)


def _rows(file: Path, place: str, columns: Columns, id_prefix: str) -> Iterator[Document | BadRow]:
    return undamaged(file, documents(RECORDS[ending(file)](file, place, columns), columns, place, id_prefix))
