"""What a target is: the layout that one tool reads, and what it leaves open."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import RowWriter
from builders.exports.texts import Texts

if TYPE_CHECKING:
    import polars as pl

# The tables say heldout; every tool that is written for says test.
FILE_NAMES = {"train": "train", "heldout": "test"}


@dataclass(frozen=True)
class Setting:
    """The texts that the rows name by number, and the options that shape a row."""

    queries: Texts
    chunks: Texts
    query_prefix: str = ""
    negatives: int | None = None
    scores: bool = False
    corpus_name: str = "chunks"


@dataclass(frozen=True)
class Target:
    """One tool. `splits`, `positives` and `corpus` are what it is given where the user does not say."""

    reads: str
    frame: "Callable[[pl.DataFrame, Setting], pl.DataFrame]"  # the rows as the tool names their columns
    open: Callable[[Path, str, Setting], RowWriter]  # of one split, by its file name
    finish: Callable[[Path, Setting], None]  # what stands beside the rows
    usage: str  # how to load it, {out} being the folder and {name} the split
    about_prefix: str = ""  # what is to know of a query prefix
    splits: str = "train"  # train | heldout | all
    positives: str = "all"  # first | all
    corpus: str | None = None  # used | all; None where texts stand in line
    chunk_columns: tuple[str, ...] = ("text",)
    query_columns: tuple[str, ...] = ("text",)
    unfit_ids: str | None = None  # a regular expression: ids that the layout cannot hold
    least_negatives: int = 0
    fixed_negatives: bool = False
    takes_scores: bool = False


def nothing(_folder: Path, _setting: Setting) -> None:
    """Texts stand in line: there is no corpus to write."""


def query_texts(rows: "pl.DataFrame", setting: Setting) -> "pl.Series":
    """The query of each row, after the prefix."""
    import polars as pl

    return pl.select(pl.lit(setting.query_prefix) + pl.Series(setting.queries.take(rows["query"]))).to_series()
