"""Rows of contamination: a batch of training texts against a whole hash pack."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.quality.hash_packs import HashPack, Piece, pieces
from builders.quality.matching import MATCHES, Matcher, Thresholds
from builders.quality.text_keys import text_keys
from builders.quality.training_texts import TrainingTexts
from builders.store.building import TableResult
from builders.store.schemas import arrow_schema, columns

if TYPE_CHECKING:
    import polars as pl

    from builders.quality.text_keys import TextKeys

# Of one training text with one set and role: the best are kept, and how many were left out is counted.
MOST = 100
PAIRS_HELD = 2_000_000


@dataclass(frozen=True)
class OverlapRows:
    """Training texts -> overlaps. Called with the number of a batch; each reads the packs from start to end."""

    texts: TrainingTexts
    packs: tuple[HashPack, ...]
    documents: str
    thresholds: Thresholds

    def __call__(self, batch: int) -> TableResult:
        import polars as pl

        training = self.texts.read(batch)
        distinct, keys = _distinct(training)
        matcher = Matcher(keys, self.thresholds)
        counts = Counter({f"examined:{plural(kind)}": n for kind, n in distinct.group_by("kind").len().iter_rows()})
        short = distinct.filter(keys.is_short()[distinct["training"].to_numpy()])
        counts.update({f"short:{plural(kind)}": n for kind, n in short.group_by("kind").len().iter_rows()})
        counts.update(matcher.common())
        if batch == 0:
            counts.update(self._set_counts())
        best, left_out = _best(_pairs(matcher, self._evaluation()))
        counts["overlaps_left_out"] = left_out
        rows = (
            distinct.drop("text")
            .join(best, on="training")
            .with_columns(overlap_id=pl.format("{}:{}={}/{}/{}", "kind", "row_id", "set", "role", "evaluation_id"))
        )
        counts.update({f"match:{name}": n for name, n in rows.group_by("match").len().iter_rows()})
        table = rows.select(columns("overlap")).to_arrow().cast(arrow_schema("overlap"))
        return TableResult(table, arrow_schema("rejection").empty_table(), counts, len(training))

    def _evaluation(self) -> Iterator[Piece]:
        for pack in self.packs:
            yield from pieces(pack, documents=self.documents != "none")

    def _set_counts(self) -> dict[str, int]:
        """How large the sets are, and how many of their texts are too short for more than an exact comparison."""
        sizes = ["queries", "short_queries", *(["documents", "short_documents"] if self.documents != "none" else [])]
        return {f"set:{s.name}:{size}": getattr(s, size) for pack in self.packs for s in pack.sets for size in sizes}


def plural(word: str) -> str:
    return {"query": "queries"}.get(word, f"{word}s")


def _distinct(training: "pl.DataFrame") -> "tuple[pl.DataFrame, TextKeys]":
    """The texts with `training`, the number of their keys: those that are the same after normalisation share one."""
    import polars as pl

    keys = text_keys(training["text"].to_list())
    frame = training.with_columns(training_text_hash=pl.Series(keys.hashes, dtype=pl.String)).with_row_index("place")
    first = frame.group_by("training_text_hash", maintain_order=True).agg(pl.col("place").first())
    numbered = first.with_row_index("training").with_columns(pl.col("training").cast(pl.Int64))
    joined = frame.join(numbered.drop("place"), on="training_text_hash", maintain_order="left")
    return joined.drop("place"), keys.take(first["place"].to_numpy())


def _pairs(matcher: Matcher, evaluation: Iterator[Piece]) -> "Iterator[pl.DataFrame]":
    """(training, match, share, set, role, evaluation_id, normalised_text_hash) of each pair, piece by piece."""
    for piece in evaluation:
        found = matcher.matches(piece.keys)
        yield found.drop("evaluation").hstack(piece.rows[found["evaluation"]])


def _pair_columns() -> "dict[str, Any]":
    import polars as pl

    texts = ("match", "set", "role", "evaluation_id", "normalised_text_hash")
    return {"training": pl.Int64, "share": pl.Float64} | dict.fromkeys(texts, pl.String)


def _best(pairs: "Iterator[pl.DataFrame]") -> "tuple[pl.DataFrame, int]":
    """(the MOST best pairs of each training text, set and role; how many more there were).

    Of texts of a set that are the same after normalisation, the first counts.
    """
    import polars as pl

    held = [pl.DataFrame(schema=_pair_columns())]
    left_out = 0
    for frame in pairs:
        held.append(frame.select(held[0].columns))
        if sum(map(len, held)) > PAIRS_HELD:
            kept, more = _kept(pl.concat(held))
            held, left_out = [kept], left_out + more
    kept, more = _kept(pl.concat(held))
    return kept, left_out + more


def _kept(pairs: "pl.DataFrame") -> "tuple[pl.DataFrame, int]":
    import polars as pl

    text = ["training", "set", "role"]
    once = pairs.sort("evaluation_id").unique([*text, "normalised_text_hash"], keep="first", maintain_order=True)
    order = pl.col("match").replace_strict({name: i for i, name in enumerate(MATCHES)}, return_dtype=pl.Int8)
    best = once.with_columns(order=order).sort("order", "share", "evaluation_id", descending=[False, True, False])
    kept = best.filter(pl.int_range(pl.len()).over(text) < MOST).drop("order")
    return kept, len(best) - len(kept)
