"""The config `pairs`: texts in line, as sentence-transformers opens them, by the code of builders.export."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from builders.exports import sentence_transformers
from builders.exports.files import plain_table
from builders.exports.rows import Choice
from builders.exports.targets import FILE_NAMES, Setting
from builders.exports.texts import versions_behind
from builders.exports.writing import Sources, prepare, write_rows
from builders.releases.rows import SPLITS
from builders.releases.shards import Shards, split_facts
from builders.store.versions import Version, read_table

if TYPE_CHECKING:
    import polars as pl

CONFIG = "pairs"


def usual_negatives(triplets: list[Version], wanted: int) -> int:
    """How many negatives each row of pairs has: as many as wanted, or as the row with the most has."""
    import pyarrow.compute as pc

    most = 0
    for version in triplets:
        for shard in version.shards():
            lengths = pc.list_value_length(read_table(shard, ["negative_ids"]).column(0))
            most = max(most, pc.max(lengths).as_py() or 0)
    return min(wanted, most)


def write_pairs(triplets: list[Version], negatives: int, folder: Path, work: Path) -> dict[str, Any]:
    """A row of each triplet with so many negatives: its query, its best positive, its best ranked negatives.

    The others are left out, counted and said. UserError where none is left.
    """
    written = {split: Shards(folder, CONFIG, split) for split in SPLITS}
    splits = {name: split for split, name in FILE_NAMES.items()}
    target = replace(
        sentence_transformers.TARGET, open=lambda _, name, setting: _PairWriter(written[splits[name]], setting)
    )
    sources = Sources(triplets, versions_behind(triplets, "queries"), versions_behind(triplets, "chunks"))
    choice = Choice(tuple(triplets), SPLITS, "first", negatives, None)
    setting, total = prepare(target, sources, choice, work, all_chunks=False)
    counts = write_rows(target, choice, setting, total, folder)
    for reason, count in counts["rows"]["left_out"].items():
        if reason == "too_few_negatives":
            say(f"{count:,} triplets have fewer than {negatives} negatives: they are in triplets, and not in pairs")
    return {
        "record": None,
        "schema": None,
        "splits": {split: split_facts(shards) for split, shards in written.items() if shards.files},
    }


class _PairWriter:
    """What writing.write_rows gives the rows of one split to."""

    def __init__(self, shards: Shards, setting: Setting) -> None:
        self._shards, self._setting = shards, setting

    def write(self, rows: "pl.DataFrame") -> None:
        self._shards.write(plain_table(sentence_transformers.frame(rows, self._setting)))

    def close(self) -> None:
        self._shards.close()
