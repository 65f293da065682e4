"""The triplets that are exported: chosen, cut to size, with the numbers of their texts or the reason to leave them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.exports.texts import Texts, among
from builders.store.versions import Version, read_table

if TYPE_CHECKING:
    import polars as pl

# Rows that are looked up at once.
BATCH = 20_000
_COLUMNS = ("triplet_id", "query_id", "split", "positive_ids", "positive_scores", "negative_ids", "negative_scores")


@dataclass(frozen=True)
class Choice:
    """Which triplets, and how much of each. `negatives` None keeps all; `splits` as the table names them."""

    versions: tuple[Version, ...]
    splits: tuple[str, ...]
    positives: str  # first | all
    negatives: int | None
    limit: int | None


@dataclass(frozen=True)
class Survey:
    """What the chosen rows name: ids of queries and chunks, each once and sorted; the fewest negatives of a row."""

    rows: int
    query_ids: "pl.Series"
    chunk_ids: "pl.Series"
    fewest_negatives: int


def chosen(choice: Choice) -> Iterator["pl.DataFrame"]:
    """The rows in order, at most BATCH at a time, with a `reason` not to write those that an earlier version has."""
    import polars as pl

    left = choice.limit
    for number, version in enumerate(choice.versions):
        earlier = _triplet_ids(choice.versions[:number]).sort()
        for shard in version.shards():
            columns = read_table(shard, list(_COLUMNS))
            frame = pl.DataFrame({name: pl.Series(columns.column(name)) for name in _COLUMNS})
            frame = frame.filter(pl.col("split").is_in(choice.splits))
            if left is not None:
                frame = frame.head(left)
                left -= len(frame)
            duplicate = among(frame["triplet_id"], earlier)
            frame = frame.with_columns(_cut(choice)).with_columns(
                reason=pl.when(duplicate).then(pl.lit("duplicate_id"))
            )
            yield from frame.iter_slices(BATCH)
            if left == 0:
                return


def _cut(choice: Choice) -> "list[pl.Expr]":
    import polars as pl

    names = {"positive": 1 if choice.positives == "first" else None, "negative": choice.negatives}
    return [
        pl.col(f"{kind}_{what}").list.head(most)
        for kind, most in names.items()
        if most is not None
        for what in ("ids", "scores")
    ]


def _triplet_ids(versions: Sequence[Version]) -> "pl.Series":
    import polars as pl

    shards = [shard for version in versions for shard in version.shards()]
    ids = [pl.Series(read_table(shard, ["triplet_id"]).column(0)) for shard in shards]
    return pl.concat(ids) if ids else pl.Series([], dtype=pl.String)


def survey(choice: Choice) -> Survey:
    """One pass over the chosen rows, without any text."""
    import polars as pl

    queries, chunks = _Distinct(), _Distinct()
    rows, fewest = 0, None
    for frame in chosen(choice):
        rows += len(frame)
        frame = frame.filter(pl.col("reason").is_null())
        queries.add(frame["query_id"])
        for name in ("positive_ids", "negative_ids"):
            chunks.add(frame[name].explode().drop_nulls())
        if len(frame):
            least = int(frame["negative_ids"].list.len().min())  # type: ignore[arg-type]
            fewest = least if fewest is None else min(fewest, least)
    return Survey(rows, queries.values().sort(), chunks.values().sort(), fewest or 0)


class _Distinct:
    """Distinct ids, in memory that grows with them and not with what is added."""

    def __init__(self) -> None:
        import polars as pl

        self._kept = pl.Series("id", [], dtype=pl.String)
        self._new: list[pl.Series] = []
        self._waiting = 0

    def add(self, ids: "pl.Series") -> None:
        self._new.append(ids.unique().alias("id"))
        self._waiting += len(self._new[-1])
        if self._waiting > max(1_000_000, len(self._kept)):
            self.values()

    def values(self) -> "pl.Series":
        import polars as pl

        self._kept, self._new, self._waiting = pl.concat([self._kept, *self._new]).unique(), [], 0
        return self._kept


def with_numbers(frame: "pl.DataFrame", queries: Texts, chunks: Texts) -> "pl.DataFrame":
    """The rows with `query`, a number, and `positives` and `negatives`, lists of them; null where there is no text."""
    return frame.with_columns(
        query=queries.numbers(frame["query_id"]),
        positives=list_of(chunks.numbers(flat(frame["positive_ids"])), frame["positive_ids"]),
        negatives=list_of(chunks.numbers(flat(frame["negative_ids"])), frame["negative_ids"]),
    )


def with_reasons(frame: "pl.DataFrame", *, negatives: int, scores: bool, unfit_ids: str | None) -> "pl.DataFrame":
    """The rows of `with_numbers` with the first `reason` that holds for not writing one.

    duplicate_id: an earlier version has the triplet. unknown_id: a text that no version holds. too_few_negatives: fewer
    than `negatives`. no_score: one is missing, or no number, where `scores` are wanted. unfit_id: one that matches the
    expression `unfit_ids`.
    """
    import polars as pl

    lists = ("positives", "negatives")
    unknown = [
        pl.col("query").is_null(),
        *(pl.col(name).list.eval(pl.element().is_null()).list.any() for name in lists),
    ]
    reasons = {
        "unknown_id": pl.any_horizontal(unknown),
        "too_few_negatives": pl.col("negatives").list.len() < negatives,
    }
    if scores:
        finite = pl.element().is_finite().fill_null(value=False)
        given = [pl.col(f"{kind}_scores").list.eval(finite).list.all() for kind in ("positive", "negative")]
        reasons["no_score"] = ~pl.all_horizontal(given)
    if unfit_ids is not None:
        unfit = pl.col("positive_ids").list.eval(pl.element().str.contains(unfit_ids)).list.any()
        reasons["unfit_id"] = pl.col("query_id").str.contains(unfit_ids) | unfit
    return frame.with_columns(
        reason=pl.coalesce("reason", *(pl.when(holds).then(pl.lit(name)) for name, holds in reasons.items()))
    )


def flat(lists: "pl.Series") -> "pl.Series":
    """The values of all lists, one after the other."""
    import polars as pl
    import pyarrow.compute as pc

    return pl.Series(lists.name, pc.list_flatten(lists.to_arrow()))


def list_of(values: "pl.Series", like: "pl.Series") -> "pl.Series":
    """The flat values as lists of the lengths that those of `like` have."""
    import polars as pl
    import pyarrow as pa

    ends = like.list.len().cast(pl.Int64).cum_sum()
    offsets = pl.concat([pl.Series([0], dtype=pl.Int64), ends.alias("")])
    lists: pa.Array[Any] = pa.LargeListArray.from_arrays(offsets.to_arrow(), values.to_arrow())  # type: ignore[call-overload]
    return pl.Series(like.name, lists)
