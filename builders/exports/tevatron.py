"""tevatron: JSON lines of ids, and the corpus that they are of.

Read back with its own TrainDataset and EncodeDataset (main branch, July 2026). Version 0.1.0, that of PyPI, is older
and reads other fields.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import JsonLines, RowWriter
from builders.exports.targets import Setting, Target, query_texts

if TYPE_CHECKING:
    import polars as pl

CORPUS_ROWS = 20_000


def frame(rows: "pl.DataFrame", setting: Setting) -> "pl.DataFrame":
    """query_id, query_text, positive_document_ids, negative_document_ids."""
    import polars as pl

    ids = {f"{kind}_document_ids": rows[f"{kind}_ids"] for kind in ("positive", "negative")}
    return pl.DataFrame({"query_id": rows["query_id"], "query_text": query_texts(rows, setting)} | ids)


def open_rows(folder: Path, name: str, setting: Setting) -> RowWriter:
    return JsonLines(folder / f"{name}.jsonl", partial(frame, setting=setting))


def write_corpus(folder: Path, setting: Setting) -> None:
    """docid, text. No title: encoding a corpus would put it before the text, and training does not."""
    import polars as pl

    with (folder / "corpus.jsonl").open("wb") as file:
        for start in range(0, len(setting.chunks.ids), CORPUS_ROWS):
            texts = setting.chunks.columns["text"].slice(start, CORPUS_ROWS)
            part = {"docid": setting.chunks.ids.slice(start, CORPUS_ROWS), "text": pl.Series(texts)}
            pl.DataFrame(part).write_ndjson(file)


# The README of the current code names the text `document_text`; what TrainDataset reads is `text`.
TARGET = Target(
    reads="tevatron 2 (main branch since April 2025), ids with a corpus",
    frame=frame,
    open=open_rows,
    finish=write_corpus,
    usage="--dataset_name json --dataset_path {out}/{name}.jsonl --corpus_name json --corpus_path {out}/corpus.jsonl",
    corpus="used",
)
