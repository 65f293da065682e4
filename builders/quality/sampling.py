"""Which pairs of a query and a chunk are looked at: a seeded sample of each stratum, drawn without holding all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, NamedTuple

from builders.store.duck import duckdb_connection
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Stratum(NamedTuple):
    """Pairs that are drawn from together."""

    side: str
    method: str
    source: str
    language: str
    band: str


@dataclass(frozen=True)
class Drawn:
    """Of one stratum: the pairs that there are, those taken, and the highest number of one that was."""

    there: int
    taken: int
    highest: int

    @property
    def share(self) -> float:
        return self.taken / self.there


# Ranks that are one stratum of negatives; a positive's rank up to 10 is one by itself, since DRAMA takes ten.
_BANDS = ((1, 10), (11, 20), (21, 30), (31, 50), (51, 100))
_BAND = " ".join(f"WHEN rank <= {last} THEN '{first}..{last}'" for first, last in _BANDS)
# Every pair of a shard with its number, drawn from seed, row and chunk alone. The query's own chunk is what all are
# measured by, and so no pair.
_PAIRS = f"""
WITH lists AS (
  SELECT *, 'positive' AS side, positive_ids AS ids, positive_ranks AS ranks, positive_scores AS scores
  FROM read_parquet($shard, hive_partitioning = false)
  UNION ALL BY NAME
  SELECT *, 'negative' AS side, negative_ids AS ids, negative_ranks AS ranks, negative_scores AS scores
  FROM read_parquet($shard, hive_partitioning = false)
), pairs AS (
  SELECT triplet_id, query_id, chunk_id AS own_id, method, source, language, split, normalised_text_hash, retriever,
    side, unnest(ids) AS chunk_id, unnest(ranks) AS rank
  FROM lists
)
SELECT *, md5_number_lower(concat_ws(chr(0), $seed, side, triplet_id, chunk_id)) AS number,
  CASE WHEN rank IS NULL THEN 'unranked' WHEN side = 'positive' AND rank <= 10 THEN rank::VARCHAR
  {_BAND} ELSE '{_BANDS[-1][1] + 1}..' END AS band
FROM pairs WHERE side = 'negative' OR chunk_id <> own_id
"""  # noqa: S608 (our own words alone)
_STRATUM = ", ".join(Stratum._fields)


@dataclass(frozen=True)
class PairSample:
    """The sample of some versions: for each stratum, the pairs with the smallest numbers."""

    seed: int
    strata: dict[Stratum, Drawn]

    def pairs(self, shard: str) -> list[dict[str, Any]]:
        """The sampled pairs of a shard of triplets, in the order of rows and chunks, with `stratum_share`."""
        with duckdb_connection() as connection:
            connection.register("drawn", self._table)
            found = connection.execute(
                f"SELECT p.*, d.share AS stratum_share FROM ({_PAIRS}) p JOIN drawn d USING ({_STRATUM}) "  # noqa: S608
                "WHERE p.number <= d.highest ORDER BY triplet_id, chunk_id",
                {"shard": shard, "seed": str(self.seed)},
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @property
    def _table(self) -> "pa.Table":
        import pyarrow as pa

        rows = [{**s._asdict(), "share": d.share, "highest": d.highest} for s, d in self.strata.items()]
        names: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in Stratum._fields]
        numbers = (pa.field("share", pa.float64()), pa.field("highest", pa.uint64()))
        return pa.Table.from_pylist(rows, schema=pa.schema([*names, *numbers]))


@dataclass
class _Smallest:
    """The smallest numbers so far."""

    most: int | None
    there: int = 0
    numbers: list[int] = field(default_factory=list)

    def add(self, there: int, numbers: list[int]) -> None:
        self.there += there
        if self.most is not None:
            self.numbers = nsmallest(self.most, [*self.numbers, *numbers])

    def drawn(self) -> Drawn:
        taken = self.there if self.most is None else len(self.numbers)
        return Drawn(self.there, taken, 2**64 - 1 if taken == self.there else self.numbers[-1])


def draw_pairs(versions: Sequence[Version], most: int | None, seed: int) -> PairSample:
    """At most so many pairs of each stratum (None: all), over all shards; a larger sample holds a smaller one.

    In memory are one shard and the numbers of the sample: of 70 million pairs no more than is taken.
    """
    found: dict[Stratum, _Smallest] = defaultdict(lambda: _Smallest(most))
    with duckdb_connection() as connection:
        for version in versions:
            for shard in version.shards():
                for stratum, there, numbers in _counted(connection, str(shard), most, seed):
                    found[stratum].add(there, numbers)
    return PairSample(seed, {stratum: found[stratum].drawn() for stratum in sorted(found)})


def _counted(
    connection: "duckdb.DuckDBPyConnection", shard: str, most: int | None, seed: int
) -> Iterator[tuple[Stratum, int, list[int]]]:
    smallest = f"min(number, {most})" if most is not None else "NULL"
    rows = connection.execute(
        f"SELECT {_STRATUM}, count(*), {smallest} FROM ({_PAIRS}) GROUP BY ALL",  # noqa: S608
        {"shard": shard, "seed": str(seed)},
    )
    for *stratum, there, numbers in rows.fetchall():
        yield Stratum(*stratum), there, numbers or []


def band_order(band: str) -> tuple[int, str]:
    """By the first rank; unranked at the end."""
    first = band.partition("..")[0]
    return (int(first), band) if first.isdigit() else (2**31, band)
