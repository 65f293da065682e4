"""What two texts are compared by: the hash of the normalised text, hashes of its word 8-grams, its MinHash."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from builders.text.duplicates import BANDS, ROWS, minhashes, word_shingles, words
from builders.text.hashes import normalise, text_hash

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.uint64]]
    Counts = np.ndarray[tuple[int], np.dtype[np.int64]]
    Minhashes = np.ndarray[tuple[int, int], np.dtype[np.uint32]]

# A run of 8 words. Where most of them are characters of a script without spaces, each a word to `words`, it takes 16:
# eight characters of Japanese are three or four words, and no evidence.
NGRAM_WORDS, NGRAM_CHARACTERS = 8, 16
MINHASHES = BANDS * ROWS
# 41 bands of 3 hashes: two texts of Jaccard 0.5 meet in one with probability 0.996, of 0.02 with 0.0003. Coarser than
# the 25 of 5 of builders.text.duplicates, whose texts are whole copies: a passage edited in every tenth word has 0.54.
COARSE_BANDS, COARSE_ROWS = 41, 3
# Raised when the same text would get other numbers: packs of another revision are refused.
REVISION = 1

_UNSPACED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd; 2**64 over the golden ratio
_WORDS_KEPT = 500_000
PORTION = 5_000  # texts whose words are held at once


@dataclass(frozen=True)
class TextKeys:
    """Of n texts, by place. `ngrams[starts[i]:starts[i + 1]]` are those of text i, one for each of its words that has
    seven behind it, 0 where no n-gram begins there; the lowest bit tells an n-gram of 16 words.

    A text without an n-gram (fewer than 8 words) has no MinHash either, its row being zero: it is compared exactly.
    """

    hashes: list[str]
    words: "Counts"
    ngrams: "Numbers"
    starts: "Counts"  # (n + 1)
    minhashes: "Minhashes"  # (n, MINHASHES)

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, texts: "Counts") -> "TextKeys":
        """The keys of those texts, by their places, in that order."""
        import numpy as np

        sizes = np.diff(self.starts)[texts]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.arange(starts[-1]) + np.repeat(self.starts[texts] - starts[:-1], sizes)
        hashes = [self.hashes[i] for i in texts.tolist()]
        return TextKeys(hashes, self.words[texts], self.ngrams[at], starts, self.minhashes[texts])

    def is_short(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Whether each text is compared exactly alone."""
        import numpy as np

        return np.asarray(self.minhashes.max(axis=1, initial=0) == 0)


def text_keys(texts: Sequence[str]) -> TextKeys:
    """The keys of the texts, which are normalised here; in portions, since their words as objects take most room."""
    import numpy as np

    parts = [_text_keys(texts[start : start + PORTION]) for start in range(0, max(len(texts), 1), PORTION)]
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    return TextKeys(
        [one for part in parts for one in part.hashes],
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.ngrams for part in parts]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part.minhashes for part in parts]),
    )


def _text_keys(texts: Sequence[str]) -> TextKeys:
    import numpy as np

    normalised = [normalise(text) for text in texts]
    split = [words(text) for text in normalised]
    ngrams, starts = ngram_hashes(split)
    signatures = np.zeros((len(texts), MINHASHES), dtype=np.uint32)
    begun = np.concatenate([[0], np.cumsum(ngrams != 0)])
    long = np.flatnonzero(begun[starts[1:]] - begun[starts[:-1]])
    if len(long):
        signatures[long] = np.asarray(minhashes([word_shingles(split[i]) for i in long.tolist()]), dtype=np.uint32)
    counts = np.fromiter(map(len, split), dtype=np.int64, count=len(split))
    return TextKeys([text_hash(text) for text in normalised], counts, ngrams, starts, signatures)


def ngram_hashes(texts: Sequence[Sequence[str]]) -> "tuple[Numbers, Counts]":
    """(ngrams, starts) of texts given as words: how long an n-gram is depends on its own words alone."""
    import numpy as np

    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    flat = [word for text in texts for word in text]
    hashed = np.fromiter(map(_word_hash, flat), dtype=np.uint64, count=len(flat))
    unspaced = np.fromiter(
        (not w.isascii() and _UNSPACED.match(w) is not None for w in flat), dtype=bool, count=len(flat)
    )
    left = np.repeat(ends[1:], np.diff(ends)) - np.arange(len(flat))  # words from here to the end of the text
    at = np.flatnonzero(left >= NGRAM_WORDS)
    before = np.concatenate([[0], np.cumsum(unspaced)])
    is_long = before[at + NGRAM_WORDS] - before[at] > NGRAM_WORDS // 2
    found = np.zeros(len(at), dtype=np.uint64)
    short, long = ~is_long, is_long & (left[at] >= NGRAM_CHARACTERS)
    found[short] = _runs(hashed, at[short], NGRAM_WORDS) & ~np.uint64(1)
    found[long] = _runs(hashed, at[long], NGRAM_CHARACTERS) | np.uint64(1)
    places = np.maximum(np.diff(ends) - NGRAM_WORDS + 1, 0)
    return found, np.concatenate([[0], np.cumsum(places)]).astype(np.int64)


def lengths(ngrams: "Numbers") -> "Counts":
    """The words of each n-gram."""
    import numpy as np

    return np.where(ngrams & np.uint64(1), NGRAM_CHARACTERS, NGRAM_WORDS).astype(np.int64)


def _runs(hashed: "Numbers", at: "Counts", length: int) -> "Numbers":
    """A hash of the `length` words from each place on: a polynomial of theirs modulo 2**64."""
    import numpy as np

    total = np.zeros(len(at), dtype=np.uint64)
    for i in range(length):
        total = total * np.uint64(_MULTIPLIER) + hashed[at + i]
    return mixed(total)


def mixed(numbers: "Numbers") -> "Numbers":
    """The same numbers with every bit depending on every bit (the finaliser of SplitMix64)."""
    import numpy as np

    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


_known: dict[str, int] = {}


def _word_hash(word: str) -> int:
    found = _known.get(word)
    if found is None:
        if len(_known) >= _WORDS_KEPT:
            _known.clear()
        found = _known[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
    return found


def coarse_bands(signatures: "Minhashes") -> "Numbers":
    """(n x COARSE_BANDS) keys of MinHashes, flat: near-duplicates have one of them in common."""
    import numpy as np

    rows = signatures[:, : COARSE_BANDS * COARSE_ROWS].reshape(len(signatures), COARSE_BANDS, COARSE_ROWS)
    keys = np.broadcast_to(np.arange(1, COARSE_BANDS + 1, dtype=np.uint64), rows.shape[:2])
    for i in range(COARSE_ROWS):
        keys = keys * np.uint64(_MULTIPLIER) + rows[:, :, i].astype(np.uint64)
    return mixed(keys.ravel())
