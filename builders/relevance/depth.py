"""How deep a version of candidates or preferences is, and among how many chunks its queries were searched."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

# A tenth of the queries may have fewer candidates than what is called usual: those of the smallest languages.
_LOW = 0.1


@dataclass(frozen=True)
class Depth:
    """Queries by the number of their candidates; `usual` is what nine of ten have, `chunks` what is in their reach."""

    by_length: "pl.DataFrame"
    usual: int
    chunks: int

    @property
    def queries(self) -> int:
        return int(self.by_length["queries"].sum())

    def shorter_than(self, length: int) -> int:
        import polars as pl

        return int(self.by_length.filter(pl.col("length") < length)["queries"].sum())


def depth_of(ranked: Version, chunks: Version) -> Depth:
    """`chunks` of the result: of the train chunks that the median query could be given."""
    import polars as pl

    scan = pl.scan_parquet(ranked.shards(), glob=False)
    lengths = scan.select(length=pl.col("chunk_ids").list.len()).group_by("length").agg(pl.len().alias("queries"))
    by_length = lengths.sort("length").collect(engine="streaming")
    up_to = by_length["queries"].cum_sum()
    usual = by_length.filter(up_to > _LOW * int(by_length["queries"].sum()))["length"]
    return Depth(by_length, int(usual[0]) if len(usual) else 0, _in_reach(ranked, chunks))


def _in_reach(ranked: Version, chunks: Version) -> int:
    import polars as pl

    searched = ranked if ranked.table == "candidates" else next(v for v in ranked.inputs() if v.table == "candidates")
    within = searched.manifest["identity"]["config"]["within"]
    train = pl.scan_parquet(chunks.shards(), glob=False).filter(pl.col("split") == "train")
    if within is None:
        return int(train.select(pl.len()).collect().item())
    sizes = train.group_by(within).agg(pl.len().alias("chunks")).collect(engine="streaming")
    asked = pl.scan_parquet(ranked.shards(), glob=False).group_by(within).agg(pl.len().alias("queries"))
    both = asked.collect(engine="streaming").join(sizes, on=within).sort("chunks", within)
    if both.is_empty():
        return 0
    return int(both.filter(both["queries"].cum_sum() * 2 >= both["queries"].sum())["chunks"][0])
