"""A mixture file: which rows make up which share of every step (DRAMA 4.4)."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError

FIELDS = ("release", "source", "method", "language")
SHIPPED = ("rows", "paper")


@dataclass(frozen=True)
class Kind:
    """What rows of one stream have in common."""

    release: str
    source: str
    method: str
    language: str

    @property
    def name(self) -> str:
        return "/".join(getattr(self, field) for field in FIELDS)


@dataclass(frozen=True)
class Share:
    """`weight` of the whole goes to the rows that fit every pattern: fnmatch, one of several."""

    weight: float
    patterns: Mapping[str, tuple[str, ...]]

    def fits(self, kind: Kind) -> bool:
        return all(any(fnmatchcase(getattr(kind, f), p) for p in given) for f, given in self.patterns.items())

    def __str__(self) -> str:
        return ", ".join(f"{field} {' or '.join(given)}" for field, given in self.patterns.items()) or "all rows"


def read_shares(mixture: str) -> list[Share]:
    """The shares of a mixture that is shipped (rows, paper), or of a TOML file. UserError where it is not one."""
    if mixture in SHIPPED:
        content = (files("drama_train") / "mixtures" / f"{mixture}.toml").read_bytes()
    else:
        path = Path(mixture)
        if not path.is_file():
            raise UserError(
                f"There is no mixture {mixture}: give {' or '.join(SHIPPED)}, or a TOML file with [[share]] tables.",
                exit_code=2,
            )
        content = path.read_bytes()
    try:
        given = tomllib.loads(content.decode())
        if unknown := sorted(set(given) - {"share"}):
            raise ValueError(f"{unknown[0]} is unknown: it holds [[share]] tables")
        tables = given.get("share", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise ValueError("share is no [[share]] table")
        shares = [_share(table) for table in tables]
    except (ValueError, TypeError) as fault:  # a TOML fault is a ValueError
        raise UserError(f"The mixture {mixture} cannot be used ({fault}): correct it.", exit_code=2) from None
    if not shares:
        raise UserError(f"The mixture {mixture} has no [[share]]: give one at least.", exit_code=2)
    return shares


def weights(shares: Sequence[Share], rows: Mapping[Kind, int], balance: float) -> dict[Kind, float]:
    """The weight of each kind of rows, the sum being 1; a kind belongs to the first share that it fits.

    A share is divided among its kinds by rows ** balance: 1 takes every row equally often, 0 every kind (other tongues
    than the largest gain by values between). A kind that fits none is left out. UserError where a share has no rows.
    """
    kinds: list[list[Kind]] = [[] for _ in shares]
    for kind in rows:
        place = next((at for at, share in enumerate(shares) if share.fits(kind)), None)
        if place is not None:
            kinds[place].append(kind)
    found: dict[Kind, float] = {}
    total = sum(share.weight for share in shares)
    for share, own in zip(shares, kinds, strict=True):
        if not own:
            there = ", ".join(sorted({f"{kind.source}/{kind.method}" for kind in rows}))
            raise UserError(f"No row fits the share of {share} (there are {there}): correct the mixture.", exit_code=2)
        parts = [rows[kind] ** balance for kind in own]
        found |= {kind: share.weight / total * part / sum(parts) for kind, part in zip(own, parts, strict=True)}
    return found


def _share(table: Mapping[str, Any]) -> Share:
    if unknown := sorted(set(table) - {"weight", *FIELDS}):
        raise ValueError(f"{unknown[0]} is unknown: a share has weight, {', '.join(FIELDS)}")
    weight = table.get("weight")
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 < weight < float("inf"):
        raise ValueError(f"the weight {weight} of a share is not a number above 0")
    patterns = {}
    for field in FIELDS:
        given = table.get(field)
        listed = [given] if isinstance(given, str) else given
        if listed is None:
            continue
        if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
            raise ValueError(f"{field} = {given} is neither a text nor a list of texts")
        patterns[field] = tuple(listed)
    return Share(float(weight), patterns)
