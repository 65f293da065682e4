"""Training texts against evaluation texts, by their keys: pairs that are the same, share runs of words, or are near."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from builders.quality.key_index import KeyIndex, key_index
from builders.quality.text_keys import COARSE_BANDS, TextKeys, coarse_bands, lengths
from builders.text.duplicates import BANDS, ROWS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from builders.quality.text_keys import Counts, Numbers

MATCHES = ("exact", "ngram", "minhash")
PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Thresholds:
    """The least share of the shorter text's words in runs in common, and the least estimated Jaccard similarity."""

    ngram_share: float
    jaccard: float


@dataclass(frozen=True)
class Matcher:
    """Some training texts, indexed. Each text of `keys` is there once."""

    keys: TextKeys
    thresholds: Thresholds

    @cached_property
    def _exact(self) -> KeyIndex:
        import numpy as np

        owners = np.arange(len(self.keys))
        return key_index(_first_bits(self.keys.hashes), owners, owners)

    @cached_property
    def _ngrams(self) -> KeyIndex:
        import numpy as np

        owners = np.repeat(np.arange(len(self.keys)), np.diff(self.keys.starts))
        return key_index(self.keys.ngrams, owners, np.arange(len(owners)) - self.keys.starts[owners])

    @cached_property
    def _bands(self) -> KeyIndex:
        import numpy as np

        long = np.flatnonzero(~self.keys.is_short())
        owners = np.repeat(long, COARSE_BANDS)
        return key_index(coarse_bands(self.keys.minhashes[long]), owners, np.zeros(len(owners), dtype=np.int64))

    def common(self) -> dict[str, int]:
        """The n-grams and bands that too many of the texts have, and that are therefore not looked at."""
        return {"common_ngrams": self._ngrams.common, "common_bands": self._bands.common}

    def matches(self, evaluation: TextKeys) -> "pl.DataFrame":
        """(training, evaluation, match, share): each pair once, by the first of MATCHES that holds."""
        import polars as pl

        frames = [self._same(evaluation), *self._sharing(evaluation), self._near(evaluation)]
        found = pl.concat(frames)  # in the order of MATCHES
        return found.unique(["evaluation", "training"], keep="first", maintain_order=True)

    def _same(self, evaluation: TextKeys) -> "pl.DataFrame":
        import numpy as np

        asked, numbers = self._exact.lookup(_first_bits(evaluation.hashes))
        which, at = self._exact.expand(numbers)
        training, other = self._exact.owners[at], asked[which]
        same = [self.keys.hashes[t] == evaluation.hashes[e] for t, e in zip(training, other, strict=True)]
        kept = np.asarray(same, dtype=bool)
        return _frame(training[kept], other[kept], "exact", np.ones(int(kept.sum())))

    def _sharing(self, evaluation: TextKeys) -> "Iterator[pl.DataFrame]":
        """Pairs by their runs in common, some evaluation texts at a time: as many as have PAIRS_AT_ONCE at most."""
        import numpy as np

        asked, numbers = self._ngrams.lookup(evaluation.ngrams)
        owners = np.searchsorted(evaluation.starts, asked, side="right") - 1
        ends = np.flatnonzero(np.diff(owners, append=-1)) + 1  # where the hits of an evaluation text end
        total = np.concatenate([[0], np.cumsum(self._ngrams.counts()[numbers])])
        start = 0
        while start < len(asked):
            within = ends[(ends > start) & (total[ends] - total[start] <= PAIRS_AT_ONCE)]
            end = int(within[-1]) if len(within) else int(ends[ends > start][0])
            yield self._covered(evaluation, asked[start:end], owners[start:end], numbers[start:end])
            start = end

    def _covered(self, evaluation: TextKeys, asked: "Counts", owners: "Counts", numbers: "Counts") -> "pl.DataFrame":
        import numpy as np

        which, at = self._ngrams.expand(numbers)
        training, other = self._ngrams.owners[at], owners[which]
        pair = other * len(self.keys) + training
        runs = lengths(evaluation.ngrams[asked])[which]
        places = asked[which] - evaluation.starts[other]
        pairs, theirs = _words_covered(pair, places, runs)
        _, ours = _words_covered(pair, self._ngrams.places[at], runs)
        others, texts = pairs // len(self.keys), pairs % len(self.keys)
        one, two = self.keys.words[texts], evaluation.words[others]
        share = np.where(one < two, ours / one, np.where(two < one, theirs / two, np.maximum(ours, theirs) / two))
        kept = (share >= self.thresholds.ngram_share) & (share > 0)
        return _frame(texts[kept], others[kept], "ngram", share[kept])

    def _near(self, evaluation: TextKeys) -> "pl.DataFrame":
        import numpy as np

        long = np.flatnonzero(~evaluation.is_short())
        asked, numbers = self._bands.lookup(coarse_bands(evaluation.minhashes[long]))
        which, at = self._bands.expand(numbers)
        pairs = np.unique(long[asked // COARSE_BANDS][which] * len(self.keys) + self._bands.owners[at])
        others, texts = pairs // len(self.keys), pairs % len(self.keys)
        alike = np.zeros(len(pairs))
        step = PAIRS_AT_ONCE // (BANDS * ROWS)
        for start in range(0, len(pairs), step):
            some = slice(start, start + step)
            same = self.keys.minhashes[texts[some]] == evaluation.minhashes[others[some]]
            alike[some] = same.mean(axis=1)
        kept = alike >= self.thresholds.jaccard
        return _frame(texts[kept], others[kept], "minhash", alike[kept])


def _words_covered(pair: "Counts", places: "Counts", runs: "Counts") -> "tuple[Counts, Counts]":
    """(pairs, words): of each distinct pair the words that stand in its runs, given by place and length, counted once.

    A run ends where the next begins, at the latest: runs that overlap are of one length, or nearly.
    """
    import numpy as np

    order = np.lexsort((runs, places, pair))
    pair, places, runs = pair[order], places[order], runs[order]
    if not len(pair):
        return pair, places
    last = (np.diff(pair, append=-1) != 0) | (np.diff(places, append=-1) != 0)
    pair, places, runs = pair[last], places[last], runs[last]
    begins = np.flatnonzero(np.diff(pair, prepend=-1))
    ends = places + runs
    # the furthest end of the runs before, within the pair: an offset a pair keeps one from reaching into the next
    offset = np.cumsum(np.diff(pair, prepend=-1) != 0) * (int(ends.max()) + 1)
    reached = np.concatenate([[0], np.maximum.accumulate(ends + offset)[:-1]]) - offset
    words = ends - np.clip(np.maximum(places, reached), None, ends)
    return pair[begins], np.add.reduceat(words, begins)


def _first_bits(hashes: list[str]) -> "Numbers":
    import numpy as np

    return np.fromiter((int(h[:16], 16) for h in hashes), dtype=np.uint64, count=len(hashes))


def _frame(
    training: "Counts", evaluation: "Counts", match: str, share: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> "pl.DataFrame":
    import polars as pl

    given = {"training": training.astype("i8"), "evaluation": evaluation.astype("i8"), "share": share.astype("f8")}
    return pl.DataFrame(given).with_columns(match=pl.lit(match)).select("training", "evaluation", "match", "share")
