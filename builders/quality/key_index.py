"""An index of 64-bit keys: which of many texts have one of those that are asked for, and where."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from builders.quality.text_keys import Counts, Numbers

# Keys of more texts than this are boilerplate (a licence, a footer), and are left out: pairs grow with its square.
COMMON = 1_000
_BITMAP_BITS = 27


@dataclass(frozen=True)
class KeyIndex:
    """`owners[starts[i]:starts[i + 1]]` and the same of `places` stand at keys[i]. `bitmap` rules most others out."""

    keys: "Numbers"
    starts: "Counts"
    owners: "Counts"
    places: "Counts"
    bitmap: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    shift: int
    common: int  # keys left out

    def lookup(self, asked: "Numbers") -> "tuple[Counts, Counts]":
        """(place in `asked`, number of the key) of each that is here."""
        import numpy as np

        maybe = np.flatnonzero(self.bitmap[asked >> np.uint64(self.shift)])
        at = np.searchsorted(self.keys, asked[maybe])
        at[at == len(self.keys)] = 0
        found = self.keys[at] == asked[maybe] if len(self.keys) else np.zeros(0, dtype=bool)
        return maybe[found], at[found]

    def counts(self) -> "Counts":
        """At how many places each key stands."""
        import numpy as np

        return np.diff(self.starts)

    def expand(self, numbers: "Counts") -> "tuple[Counts, Counts]":
        """(place in `numbers`, place in `owners`) of all texts that have these keys, one after the other."""
        import numpy as np

        counts = self.counts()[numbers]
        which = np.repeat(np.arange(len(numbers)), counts)
        within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.starts[numbers][which] + within


def key_index(keys: "Numbers", owners: "Counts", places: "Counts") -> KeyIndex:
    """The index of keys that texts have at places; a key 0 is none."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    order = order[np.searchsorted(keys[order], 1) :]
    distinct, counts = np.unique(keys[order], return_counts=True)
    rare = counts <= COMMON
    order = order[np.repeat(rare, counts)]
    starts = np.concatenate([[0], np.cumsum(counts[rare])]).astype(np.int64)
    kept = distinct[rare]
    bits = min(max(len(kept).bit_length() + 4, 8), _BITMAP_BITS)
    bitmap = np.zeros(1 << bits, dtype=bool)
    bitmap[kept >> np.uint64(64 - bits)] = True
    return KeyIndex(kept, starts, owners[order], places[order], bitmap, 64 - bits, len(distinct) - len(kept))
