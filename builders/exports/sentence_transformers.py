"""sentence-transformers: one Parquet row a positive, columns read by their position, texts in line."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import ParquetFiles, RowWriter
from builders.exports.targets import Setting, Target, nothing, query_texts

if TYPE_CHECKING:
    import polars as pl


def frame(rows: "pl.DataFrame", setting: Setting) -> "pl.DataFrame":
    """anchor, positive, negative_1 .. negative_n, and `label` where scores are wanted.

    The trainer takes every column but `label` for a text, so there is none with an id. `label` holds the scores of the
    positive and of each negative, which is what DistillKLDivLoss and MarginMSELoss want; the others pass over it.
    """
    import polars as pl

    assert setting.negatives is not None
    rows = rows.explode("positives", "positive_scores")
    columns = {
        "anchor": query_texts(rows, setting),
        "positive": pl.Series(setting.chunks.take(rows["positives"])),
    }
    for number in range(setting.negatives):
        negatives = rows["negatives"].list.get(number)
        columns[f"negative_{number + 1}"] = pl.Series(setting.chunks.take(negatives))
    if setting.scores:
        scores = pl.concat_list("positive_scores", pl.col("negative_scores").list.head(setting.negatives))
        columns["label"] = rows.select(scores).to_series()
    return pl.DataFrame(columns)


def open_rows(folder: Path, name: str, setting: Setting) -> RowWriter:
    return ParquetFiles(folder, name, partial(frame, setting=setting))


# All positives would put a query twice into a batch, where each is a negative of the other, unless the batch sampler is
# told (BatchSamplers.NO_DUPLICATES): so one, where the user does not say.
TARGET = Target(
    reads="sentence-transformers 6.2, by the position of the columns",
    frame=frame,
    open=open_rows,
    finish=nothing,
    usage='datasets.load_dataset("parquet", data_files="{out}/{name}-*.parquet"), then MultipleNegativesRankingLoss',
    positives="first",
    fixed_negatives=True,
    takes_scores=True,
)
