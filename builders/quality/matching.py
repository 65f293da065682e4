"""Training texts against evaluation texts, by their keys: pairs that are the same, share runs of words, or are near."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from builders.quality.key_index import KeyIndex, key_index
from builders.quality.text_keys import COARSE_BANDS, TextKeys, coarse_bands, lengths

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from builders.quality.text_keys import Counts, Minhashes, Numbers

    Shares = np.ndarray[tuple[int], np.dtype[np.float64]]

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

        frames = [self._same(evaluation), *self._sharing(evaluation), *self._near(evaluation)]
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
        """Pairs by their runs in common."""
        import numpy as np

        asked, numbers = self._ngrams.lookup(evaluation.ngrams)
        owners = np.searchsorted(evaluation.starts, asked, side="right") - 1
        for some in _portions(owners, self._ngrams.counts()[numbers]):
            yield self._covered(evaluation, asked[some], owners[some], numbers[some])

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

    def _near(self, evaluation: TextKeys) -> "Iterator[pl.DataFrame]":
        """Pairs by their MinHashes, of those that have a band in common."""
        import numpy as np

        long = np.flatnonzero(~evaluation.is_short())
        asked, numbers = self._bands.lookup(coarse_bands(evaluation.minhashes[long]))
        owners = long[asked // COARSE_BANDS]
        for some in _portions(owners, self._bands.counts()[numbers]):
            which, at = self._bands.expand(numbers[some])
            pairs = np.unique(owners[some][which] * len(self.keys) + self._bands.owners[at])
            others, texts = pairs // len(self.keys), pairs % len(self.keys)
            alike = _alike(self.keys.minhashes, texts, evaluation.minhashes, others)
            kept = alike >= self.thresholds.jaccard
            yield _frame(texts[kept], others[kept], "minhash", alike[kept])


def _portions(owners: "Counts", pairs: "Counts") -> Iterator[slice]:
    """Hits in portions of at most PAIRS_AT_ONCE pairs, or of one evaluation text; `owners` are in order."""
    import numpy as np

    ends = np.flatnonzero(np.diff(owners, append=-1)) + 1  # where the hits of an evaluation text end
    total = np.concatenate([[0], np.cumsum(pairs)])
    start = 0
    while start < len(owners):
        last = np.searchsorted(total[ends], total[start] + PAIRS_AT_ONCE, side="right") - 1
        end = int(ends[max(int(last), int(np.searchsorted(ends, start, side="right")))])
        yield slice(start, end)
        start = end


def _alike(one: "Minhashes", texts: "Counts", two: "Minhashes", others: "Counts") -> "Shares":
    """The share of MinHashes that are the same, of pairs given by their places: an estimate of Jaccard, +-0.045."""
    import numpy as np

    step = max(PAIRS_AT_ONCE // one.shape[1], 1)
    parts = [slice(start, start + step) for start in range(0, len(texts), step)]
    return np.concatenate([np.zeros(0), *((one[texts[p]] == two[others[p]]).mean(axis=1) for p in parts)])


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


def _frame(training: "Counts", evaluation: "Counts", match: str, share: "Shares") -> "pl.DataFrame":
    import polars as pl

    given = {"training": training.astype("i8"), "evaluation": evaluation.astype("i8"), "share": share.astype("f8")}
    return pl.DataFrame(given).with_columns(match=pl.lit(match)).select("training", "evaluation", "match", "share")
