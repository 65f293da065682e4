"""The nearest right name to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(given: str, known: Iterable[str]) -> str:
    """ " (did you mean limit?)" where a known name is near, else nothing: to end a sentence with."""
    found = get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]}?)" if found else ""
