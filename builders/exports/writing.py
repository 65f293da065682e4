"""From the chosen triplets to the files of a target: texts first, then the rows, then what stands beside them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.exports import rows
from builders.exports.files import RowWriter
from builders.exports.rows import Choice
from builders.exports.targets import FILE_NAMES, Setting, Target
from builders.exports.texts import copy_texts
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

# Texts that are in memory at once: 60 MB of chunks of 256 tokens.
TEXTS = 30_000


@dataclass(frozen=True)
class Sources:
    """The versions that rows and texts come from."""

    triplets: list[Version]
    queries: list[Version]
    chunks: list[Version]


def prepare(target: Target, sources: Sources, choice: Choice, work: Path, *, all_chunks: bool) -> tuple[Setting, int]:
    """The texts that the chosen rows need, copied into the folder `work`, and how many rows are chosen."""
    found = rows.survey(choice)
    negatives = choice.negatives
    if target.fixed_negatives and negatives is None:
        negatives = found.fewest_negatives
        say(f"{negatives} negatives a row, as many as the row with the fewest has; --negatives takes another number")
    wanted = None if all_chunks else found.chunk_ids
    queries = copy_texts(sources.queries, work / "queries", found.query_ids, target.query_columns)
    chunks = copy_texts(sources.chunks, work / "chunks", wanted, target.chunk_columns)
    name = "+".join(version.name for version in sources.chunks)
    return Setting(queries, chunks, negatives=negatives, corpus_name=f"chunks-{name}"), found.rows


def with_reasons(target: Target, choice: Choice, setting: Setting) -> "Iterator[pl.DataFrame]":
    """The chosen rows with the numbers of their texts, and with a reason where one cannot be written."""
    least = setting.negatives if target.fixed_negatives and setting.negatives is not None else target.least_negatives
    for frame in rows.chosen(choice):
        numbered = rows.with_numbers(frame, setting.queries, setting.chunks)
        yield rows.with_reasons(numbered, negatives=least, scores=setting.scores, unfit_ids=target.unfit_ids)


def write_rows(target: Target, choice: Choice, setting: Setting, total: int, folder: Path) -> dict[str, Any]:
    """Write `total` rows, but for those with a reason, and return the counts for the manifest.

    UserError where no row is left.
    """
    writers: dict[str, RowWriter] = {}
    written, left_out = Counter[str](), Counter[str]()
    with Progress("export", total, unit="triplets") as progress:
        for frame in with_reasons(target, choice, setting):
            left_out.update(frame["reason"].drop_nulls())
            for name, part in kept_rows(frame):
                if name not in writers:
                    writers[name] = target.open(folder, name, setting)
                writers[name].write(part)
                written[name] += len(part)
            progress.step(len(frame))
    told = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    told = f", {left_out.total():,} left out: {told}" if told else ""
    if not written:
        versions = ", ".join(map(str, choice.versions))
        raise UserError(
            f"Nothing of {versions} is left to write: {total:,} triplets of split {' or '.join(choice.splits)}{told}; "
            "choose another --split, fewer --negatives, or other versions."
        )
    for writer in writers.values():
        writer.close()
    target.finish(folder, setting)
    say(f"{written.total():,} triplets written{told}")
    counts = {"chosen": total, "written": dict(sorted(written.items())), "left_out": dict(sorted(left_out.items()))}
    texts = {"queries": len(setting.queries.ids), "chunks": len(setting.chunks.ids)}
    return {"rows": counts, "negatives": setting.negatives, "texts": texts}


def kept_rows(frame: "pl.DataFrame") -> "Iterator[tuple[str, pl.DataFrame]]":
    """(file name, rows of that split without a reason), at most TEXTS texts at a time."""
    import polars as pl

    kept = frame.filter(pl.col("reason").is_null())
    if not len(kept):
        return
    longest = kept.select(pl.col("positives").list.len().max() + pl.col("negatives").list.len().max()).item()
    for part in kept.iter_slices(max(1, TEXTS // (1 + longest))):
        for split, name in FILE_NAMES.items():
            mine = part.filter(pl.col("split") == split)
            if len(mine):
                yield name, mine
