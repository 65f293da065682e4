"""FlagEmbedding: JSON lines of a query, its positives and its negatives, texts in line.

Read back with its own AbsEmbedderTrainDataset (1.4.2), with and without knowledge distillation.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import JsonLines, RowWriter
from builders.exports.rows import flat, list_of
from builders.exports.targets import Setting, Target, nothing

if TYPE_CHECKING:
    import polars as pl


def frame(rows: "pl.DataFrame", setting: Setting) -> "pl.DataFrame":
    """query, pos, neg, then `prompt` and the scores where they are wanted (its documentation of the fine-tuning data).

    The prefix goes to `prompt`, which takes the place of --query_instruction_for_retrieval; its own format puts
    nothing between. `type` is left out: it tells tasks apart that are not retrieval.
    """
    import polars as pl

    columns = {"query": pl.Series(setting.queries.take(rows["query"]))}
    for name, kind in (("pos", "positives"), ("neg", "negatives")):
        texts = pl.Series(setting.chunks.take(flat(rows[kind])))
        columns[name] = list_of(texts, rows[kind])
    if setting.scores:
        columns |= {"pos_scores": rows["positive_scores"], "neg_scores": rows["negative_scores"]}
    if setting.query_prefix:
        columns["prompt"] = pl.repeat(setting.query_prefix, len(rows), eager=True)
    return pl.DataFrame(columns)


def open_rows(folder: Path, name: str, setting: Setting) -> RowWriter:
    # Given a folder, it takes every .json for training data, and export.json is none: so each split has its own.
    return JsonLines(folder / name / "rows.jsonl", partial(frame, setting=setting))


TARGET = Target(
    reads="FlagEmbedding 1.4, embedder fine-tuning",
    frame=frame,
    open=open_rows,
    finish=nothing,
    usage="--train_data {out}/{name}",
    about_prefix="the prefix stands in `prompt`, which is used where --query_instruction_for_retrieval is given too",
    least_negatives=1,
    takes_scores=True,
)
