"""Short texts that say the same: those of which a given share of words stands in one that was seen before."""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from builders.text.duplicates import words
from builders.text.hashes import normalise


class SeenTexts:
    """The texts seen so far, each by a name, to be asked for one that is like another.

    Alike: the Jaccard similarity of their sets of words is at least `alike`. Exact, and not quadratic: two such sets
    share one of the first few words of both, whatever the order that all words are put into (prefix filtering), so only
    texts that share one of those are compared.
    """

    def __init__(self, alike: float, seen: Iterable[tuple[str, str]] = ()) -> None:
        self._alike = Fraction(str(alike))
        self._seen: list[tuple[str, frozenset[str]]] = []
        self._places_of: defaultdict[str, list[int]] = defaultdict(list)
        for name, text in seen:
            self.add(name, text)

    def add(self, name: str, text: str) -> None:
        own = _words(text)
        for word in self._first(own):
            self._places_of[word].append(len(self._seen))
        self._seen.append((name, own))

    def find(self, text: str) -> str | None:
        """The name of the first that was added of those that are like this text, or None."""
        own = _words(text)
        places = {place for word in self._first(own) for place in self._places_of.get(word, ())}
        for place in sorted(places):
            name, there = self._seen[place]
            shared = len(own & there)
            if shared >= self._alike * (len(own) + len(there) - shared):
                return name
        return None

    def _first(self, own: frozenset[str]) -> list[str]:
        """Long words before short ones: they are rarer, so that fewer texts are compared."""
        count = len(own) - ceil(self._alike * len(own)) + 1
        return sorted(own, key=lambda word: (-len(word), word))[:count]


def _words(text: str) -> frozenset[str]:
    return frozenset(words(normalise(text)))
