"""NeMo Automodel: one JSON of questions with the ids of their documents, and a corpus folder with its metadata.

Read back with its own make_retrieval_dataset (0.7.0), every positive by cycle_positive_docs.
"""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import JsonArray, ParquetFiles, RowWriter
from builders.exports.targets import Setting, Target, query_texts

if TYPE_CHECKING:
    import polars as pl

CORPUS_ROWS = 20_000


def frame(rows: "pl.DataFrame", setting: Setting) -> "pl.DataFrame":
    """question_id, question, corpus_id, pos_doc, neg_doc.

    The prefix stands in the question: query_instruction in the metadata is used only if the recipe says so, and with a
    space after it.
    """
    import polars as pl

    document = pl.struct(pl.element().alias("id"))
    questions = {"question_id": rows["query_id"], "question": query_texts(rows, setting)}
    return pl.DataFrame(questions).with_columns(
        corpus_id=pl.lit(setting.corpus_name),
        pos_doc=rows["positive_ids"].list.eval(document),
        neg_doc=rows["negative_ids"].list.eval(document),
    )


def open_rows(folder: Path, name: str, setting: Setting) -> RowWriter:
    # a path that is relative is taken from the folder of this file
    head = json.dumps({"corpus": [{"path": "corpus"}]}).removesuffix("}")
    return JsonArray(folder / f"{name}.json", head, partial(frame, setting=setting))


def write_corpus(folder: Path, setting: Setting) -> None:
    """corpus/train-*.parquet (id, text), and the metadata that says which class of dataset that is."""
    import polars as pl

    files = ParquetFiles(folder / "corpus", "train", lambda part: part)
    for start in range(0, len(setting.chunks.ids), CORPUS_ROWS):
        texts = setting.chunks.columns["text"].slice(start, CORPUS_ROWS)
        files.write(pl.DataFrame({"id": setting.chunks.ids.slice(start, CORPUS_ROWS), "text": pl.Series(texts)}))
    files.close()
    metadata = {"class": "TextQADataset", "corpus_id": setting.corpus_name}
    (folder / "corpus" / "merlin_metadata.json").write_text(json.dumps(metadata) + "\n")


TARGET = Target(
    reads="NeMo Automodel 0.5 to 0.7, retrieval: corpus ID-based JSON",
    frame=frame,
    open=open_rows,
    finish=write_corpus,
    usage="dataset.data_dir_list: {out}/{name}.json",
    corpus="used",
)
