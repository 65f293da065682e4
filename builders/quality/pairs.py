"""The pairs that are looked at, shard by shard of the triplets, with the texts of their queries and chunks."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.quality.sampling import PairSample
from builders.store.schemas import key_column
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

# Pairs that are held at once, of the shards that were read last: with their texts some 200 MB.
_HELD = 200_000


@dataclass(frozen=True)
class ShardPairs:
    """The sampled pairs of a shard, and the texts by id of their queries, their chunks and the queries' own chunks."""

    pairs: list[dict[str, Any]]
    queries: dict[str, str]
    chunks: dict[str, str]


@dataclass(frozen=True)
class Pairs:
    """What is audited: versions of triplets, and the pairs of them that were drawn."""

    versions: VersionSet
    triplets: tuple[Version, ...]
    sample: PairSample
    recent: "OrderedDict[int, ShardPairs]" = field(default_factory=OrderedDict, compare=False, repr=False)

    @property
    def places(self) -> list[tuple[Version, Path]]:
        """Every shard with its version: a shard of opinions is one of these."""
        return [(version, shard) for version in self.triplets for shard in version.shards()]

    def shard(self, number: int) -> ShardPairs:
        if number not in self.recent:
            self.recent[number] = self._read(number)
        self.recent.move_to_end(number)
        while len(self.recent) > 1 and sum(len(its.pairs) for its in self.recent.values()) > _HELD:
            self.recent.popitem(last=False)
        return self.recent[number]

    def _read(self, number: int) -> ShardPairs:
        version, shard = self.places[number]
        pairs = self.sample.pairs(str(shard))
        queries = self._texts(version, "queries", (pair["query_id"] for pair in pairs))
        chunks = self._texts(version, "chunks", (pair[name] for pair in pairs for name in ("chunk_id", "own_id")))
        return ShardPairs(pairs, queries, chunks)

    def behind(self, version: Version, table: str) -> list[Version]:
        return self.versions.behind(as_chosen(version), table)

    def _texts(self, version: Version, table: str, wanted: Iterable[str]) -> dict[str, str]:
        import polars as pl

        ids = pl.Series(sorted(set(wanted)), dtype=pl.String)
        found: dict[str, str] = {}
        for source in self.behind(version, table) if len(ids) else ():
            key = key_column(source.record)
            rows = pl.scan_parquet(source.shards(), glob=False).filter(pl.col(key).is_in(ids.implode()))
            try:
                found.update(rows.select(key, "text").collect(engine="streaming").iter_rows())
            except (OSError, pl.exceptions.ComputeError) as fault:
                raise UserError(
                    f"A shard of {source} is missing or damaged ({str(fault).splitlines()[0]}): delete the version's "
                    "folder, then run the command that made it again."
                ) from None
        if missing := [row_id for row_id in ids.to_list() if row_id not in found]:
            raise UserError(
                f"{version} names {missing[0]!r}, which no {table} behind it hold: build the triplets again."
            )
        return found


def as_chosen(triplets: Version) -> Version:
    """The triplets that these were revised from, as they were chosen: opinions and overlaps that took rows out may be
    of other triplets too, of another corpus."""
    before = [version for version in triplets.inputs() if version.table == "triplets"]
    return as_chosen(before[0]) if before else triplets


def pair_id(pair: dict[str, Any]) -> str:
    return f"{pair['triplet_id']}={pair['chunk_id']}"
