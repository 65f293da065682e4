"""Hashes of texts, exact and normalised, and seeded choices that depend on an id alone."""

import random
import re
import unicodedata
from hashlib import blake2b


def text_hash(text: str) -> str:
    """BLAKE2b-128 of the UTF-8 text, in hexadecimal."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _marks() -> str:
    """Combining marks as a character class: `\\w` leaves out the vowel signs of Thai, Bengali, Telugu, Arabic.

    Variation selectors are marks too, and left out: they follow symbols, which go.
    """
    ranges, start = [], None
    for point in (*range(0x300, 0xFE00), *range(0xFE10, 0x20000)):  # beyond are only more variation selectors
        is_mark = unicodedata.category(chr(point)) in ("Mn", "Mc")
        if is_mark and start is None:
            start = point
        elif not is_mark and start is not None:
            ranges.append(f"{re.escape(chr(start))}-{re.escape(chr(point - 1))}")
            start = None
    return "".join(ranges)


MARKS = _marks()
# "+" and "#" stay, so that C, C++ and C# are three words.
_BETWEEN_WORDS = re.compile(f"[^\\w{MARKS}+#]+|_+")


def normalise(text: str) -> str:
    """Lower-case words and digits with single spaces between: what is left when spelling variants are folded."""
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def id_number(seed: int, row_id: str, purpose: str = "") -> int:
    """64 uniform bits drawn from (seed, id, purpose): the same on every machine, independent of order and sharding."""
    return int.from_bytes(blake2b(f"{seed}\x00{purpose}\x00{row_id}".encode(), digest_size=8).digest())


def generator(seed: int, row_id: str, purpose: str = "") -> random.Random:
    """A random generator of this row's own."""
    return random.Random(id_number(seed, row_id, purpose))  # noqa: S311 (a draw, not a secret)
