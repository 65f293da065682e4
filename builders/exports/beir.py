"""BEIR: corpus.jsonl, queries.jsonl and qrels/train.tsv, qrels/test.tsv; positives only.

Read back with its own GenericDataLoader (2.2.0).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from builders.exports.files import RowWriter
from builders.exports.targets import Setting, Target
from builders.exports.texts import Texts

if TYPE_CHECKING:
    import polars as pl

ROWS = 20_000
COLUMNS = ("query-id", "corpus-id", "score")
# A line of qrels is cut at tabs, and a field that begins with a quote is taken for a quoted one.
UNFIT_IDS = '[\t\r\n]|^"'


def frame(rows: "pl.DataFrame", _setting: Setting) -> "pl.DataFrame":
    """query-id, corpus-id, score: a line for each positive."""
    pairs = rows.explode("positive_ids")
    return _judged(pairs["query_id"], pairs["positive_ids"])


def _judged(query_ids: "pl.Series", chunk_ids: "pl.Series") -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(dict(zip(COLUMNS, (query_ids, chunk_ids), strict=False))).with_columns(score=pl.lit(1))


class _Judgements:
    """The pairs of one split, each once however many methods have it: 8 bytes a pair until they are written."""

    def __init__(self, path: Path, setting: Setting) -> None:
        self._path, self._setting = path, setting
        self._pairs: list[pl.Series] = []

    def write(self, rows: "pl.DataFrame") -> None:
        import polars as pl

        pairs = rows.select("query", "positives").explode("positives")
        key = pl.col("query").cast(pl.UInt64) * 2**32 + pl.col("positives").cast(pl.UInt64)
        self._pairs.append(pairs.select(key).to_series())

    def close(self) -> None:
        import polars as pl

        pairs = pl.concat(self._pairs).unique(maintain_order=True)
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("wb") as file:
            file.write("\t".join(COLUMNS).encode() + b"\n")
            for part in pairs.to_frame("pair").iter_slices(ROWS):
                queries, chunks = part["pair"] // 2**32, part["pair"] % 2**32
                judged = _judged(self._setting.queries.ids.gather(queries), self._setting.chunks.ids.gather(chunks))
                judged.write_csv(file, include_header=False, separator="\t", quote_style="never")


def open_rows(folder: Path, name: str, setting: Setting) -> RowWriter:
    return _Judgements(folder / "qrels" / f"{name}.tsv", setting)


def write_texts(folder: Path, setting: Setting) -> None:
    """corpus.jsonl (_id, title, text, language), and queries.jsonl (_id, text, language): those that qrels name."""
    import polars as pl

    chunks, queries = setting.chunks, setting.queries
    everything = pl.int_range(len(chunks.ids), eager=True)
    _write_lines(folder / "corpus.jsonl", chunks, everything, ("title", "text", "language"))
    judged = [
        pl.read_csv(
            path, separator="\t", quote_char=None, columns=[0], schema_overrides={COLUMNS[0]: pl.String}
        ).to_series()
        for path in sorted((folder / "qrels").glob("*.tsv"))
    ]
    named = queries.ids.is_in(pl.concat(judged).implode()).arg_true()
    _write_lines(folder / "queries.jsonl", queries, named, ("text", "language"), setting.query_prefix)


def _write_lines(path: Path, texts: Texts, numbers: "pl.Series", columns: Sequence[str], prefix: str = "") -> None:
    import polars as pl

    with path.open("wb") as file:
        for start in range(0, len(numbers), ROWS):
            mine = numbers.slice(start, ROWS)
            part = pl.DataFrame(
                {"_id": texts.ids.gather(mine)} | {name: pl.Series(texts.take(mine, name)) for name in columns}
            )
            part.with_columns(text=pl.lit(prefix) + pl.col("text")).write_ndjson(file)


TARGET = Target(
    reads="BEIR 2, GenericDataLoader",
    frame=frame,
    open=open_rows,
    finish=write_texts,
    usage='GenericDataLoader("{out}").load(split="{name}")',
    splits="all",
    corpus="all",
    chunk_columns=("title", "text", "language"),
    query_columns=("text", "language"),
    unfit_ids=UNFIT_IDS,
)
