"""A file of a folder that is published, and what is said of several."""

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 5


@dataclass(frozen=True)
class File:
    """A file by its path below the folder, with forward slashes."""

    path: str
    bytes: int
    sha256: str


def some(paths: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


def size(bytes_: int) -> str:
    """As people read it: 12.3 MB."""
    if bytes_ < 1_000:
        return f"{bytes_} bytes"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if bytes_ < 1_000 * scale:
            return f"{bytes_ / scale:,.1f} {unit}"
    return f"{bytes_ / 1e9:,.1f} GB"
