"""Licences as SPDX expressions: read, compared by what they ask, and put together to the strictest of a set."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from typing import Any

from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.store.resources import resource

# A licence of one's own, as SPDX writes it.
_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_VERSION = re.compile(r"-[0-9.]+(-only|-or-later)?$|-only$|-or-later$")
# Version 2 of the GPL without "or later" is at odds with version 3 (gnu.org/licenses/gpl-faq.html#AllCompatibility);
# of the LGPL, versions 2 allow to go on under any later GPL.
_GPL_2_ALONE = re.compile(r"GPL-[12]\.0-only")
_GPL_3 = re.compile(r"A?L?GPL-3\.0-")
# Ways through ORs that are followed at a time.
MOST_WAYS = 64
# Conditions that bind to the licence's own text: another licence with the same condition does not meet them.
_OWN_TERMS = frozenset({"share-alike", "use", "unknown"})


@cache
def known() -> dict[str, Any]:
    """data_cards/licences.toml."""
    return tomllib.loads(resource("data_cards", "licences.toml").read_text())


@cache
def _licensing() -> Any:
    """SPDX's licences and those of our own list."""
    import license_expression as spdx

    # deprecated spellings (GPL-3.0+) are aliases there, and exceptions (WITH ...) are marked as such
    listed = [entry for entry in spdx.get_license_index() if entry.get("spdx_license_key")]
    symbols = [
        spdx.LicenseSymbol(
            entry["spdx_license_key"],
            aliases=tuple(entry.get("other_spdx_license_keys") or ()),
            is_exception=bool(entry.get("is_exception")),
        )
        for entry in listed
    ]
    return spdx.Licensing([*symbols, *(spdx.LicenseSymbol(name) for name in known()["licences"])])


@cache
def _categories() -> dict[str, str]:
    import license_expression as spdx

    return {str(entry["spdx_license_key"]): str(entry.get("category")) for entry in spdx.get_license_index()}


@cache
def read_expression(text: str) -> str | None:
    """The SPDX expression in its usual spelling; None where it is none.

    Taken too: the Hub's identifier of a licence, a name that leaves no doubt (`MIT License`), and LicenseRef- names.
    """
    from license_expression import ExpressionError, ExpressionParseError

    named = _named(text)
    try:
        parsed = _parse(named)
    except (ExpressionError, ExpressionParseError, IndexError):  # the last is what it says of ()
        return None
    return None if parsed is None else str(parsed)


def _named(text: str) -> str:
    from builders.text.readers.python_docs.licences import CLASSIFIERS, SPELLINGS

    words = " ".join(text.split())
    if _is_hub_only(words.lower()):
        return f"LicenseRef-{words.lower()}"
    spdx = {identifier: name for name, identifier in known()["hub"]["of"].items()}
    return (
        spdx.get(words.lower())
        or known()["stated"].get(words.lower())
        or SPELLINGS.get(words.lower())
        or CLASSIFIERS.get(words)
        or words
    )


@cache
def _is_hub_only(name: str) -> bool:
    """Whether the Hub has an identifier of one licence, and not of a family, for which SPDX has none."""
    if f"LicenseRef-{name}" in known()["licences"]:
        return True
    hub = known()["hub"]
    listed = {key.lower() for key in _categories()} | {*hub["families"], *hub["of"].values()}
    return name in hub["identifiers"] and name not in listed


def _parse(text: str) -> Any:
    """Raises ExpressionError for a licence that nobody knows; LicenseRef- names are anybody's own."""
    import license_expression as spdx

    licensing = _licensing()
    parsed = licensing.parse(text)
    if parsed is None:
        return None
    unknown = [key for key in licensing.unknown_license_keys(parsed) if not _OWN.fullmatch(key)]
    if unknown:
        raise spdx.ExpressionError(", ".join(unknown))
    return licensing.parse(text, strict=True) if not licensing.unknown_license_keys(parsed) else parsed


def checked_expression(text: str, of_what: str) -> str:
    """The expression in its usual spelling; UserError with the nearest where it is none."""
    found = read_expression(text)
    if found is None:
        names = [name for name in (*_categories(), *known()["licences"]) if name != text]
        raise UserError(
            f"The licence {text!r} of {of_what} is no SPDX expression{nearest(text, names)}: give one, such as "
            "CC-BY-SA-4.0 or 'MIT OR Apache-2.0', or LicenseRef- and a name for one that SPDX does not list.",
            exit_code=2,
        )
    return found


@cache
def conditions(name: str) -> frozenset[str]:
    """What one licence asks, of the conditions in data_cards/licences.toml; an exception (WITH) only loosens it."""
    name = name.partition(" WITH ")[0]
    if name in known()["licences"]:
        return frozenset(known()["licences"][name]["conditions"])
    if name.startswith("CC-BY"):
        parts = name.split("-")
        asked = {"SA": "share-alike", "NC": "non-commercial", "ND": "no-derivatives"}
        return frozenset({"attribution", "notice", *(asked[part] for part in parts if part in asked)})
    for beginning, asks in known()["beginnings"].items():
        if name.startswith(beginning):
            return frozenset({"notice", *asks})
    return frozenset(known()["categories"].get(_categories().get(name), ["unknown"]))


def strictness(names: Iterable[str]) -> tuple[int, ...]:
    """Orders sets of licences, the freest first: by their heaviest condition, then the next."""
    order = known()["conditions"]
    return tuple(sorted({order.index(asked) for name in names for asked in conditions(name)}, reverse=True))


def parts(expression: str) -> frozenset[str]:
    """The licences that bind whoever takes the freest way through the expression: one of each OR, all of an AND."""
    return min(_ways(_parse(expression)), key=_freest)


def binding(expressions: Iterable[str]) -> frozenset[str]:
    """The licences that bind whoever takes the freest way through all of the expressions together.

    The way through one depends on the others: beside CC-BY-SA-3.0, `GPL-2.0-or-later OR CC-BY-SA-3.0` is taken as the
    latter, which adds nothing, though alone GPL asks less. Ways are joined one expression after the other, those with
    the fewest first, and the best MOST_WAYS kept, so that many ORs take no time.
    """
    ways: set[frozenset[str]] = {frozenset()}
    for more in sorted({_ways(_parse(expression)) for expression in expressions}, key=lambda one: (len(one), str(one))):
        joined = {way | one for way in ways for one in more}
        ways = set(sorted(joined, key=_freest)[:MOST_WAYS])
    return min(ways, key=_freest)


def _freest(names: frozenset[str]) -> tuple[Any, ...]:
    return len(_at_odds(names)), strictness(names), len(_uncovered(names)), sorted(names)


def _ways(parsed: Any) -> frozenset[frozenset[str]]:
    """The sets of licences, each of which is one way to keep to the expression."""
    import license_expression as spdx

    if isinstance(parsed, spdx.Licensing().AND):
        ways = {frozenset[str]()}
        for arg in parsed.args:
            joined = {way | one for way in ways for one in _ways(arg)}
            ways = set(sorted(joined, key=_freest)[:MOST_WAYS])
        return frozenset(ways)
    if isinstance(parsed, spdx.Licensing().OR):
        return frozenset().union(*(_ways(arg) for arg in parsed.args))
    return frozenset({frozenset({str(parsed)})})


def strictest(expressions: Iterable[str]) -> str:
    """What binds the whole of a set of texts, as one expression.

    A licence that asks nothing beyond what another of the set asks is met with that one and left out: CC0-1.0 beside
    MIT, CC-BY-4.0 beside CC-BY-NC-4.0. Where neither covers the other (two share-alike licences, MIT and Apache-2.0,
    whose notices are two texts) both bind, and they are joined by AND: to name one would be wrong. So the result is
    one licence where the set has one that is strictest, and says honestly where it has none.
    """
    # The heaviest first, so that a reader sees at once what binds.
    ordered = sorted(_uncovered(binding(expressions)), key=lambda name: ([-rank for rank in strictness([name])], name))
    return " AND ".join(ordered)


def _uncovered(names: Iterable[str]) -> list[str]:
    names = frozenset(names)
    return [name for name in names if not any(_covers(other, name) for other in names if other != name)]


def _at_odds(names: Iterable[str]) -> list[str]:
    """Share-alike licences that cannot all be kept by one work: each asks to be its only one. Else none."""
    asking = sorted(name for name in names if "share-alike" in conditions(name))
    old = [name for name in asking if _GPL_2_ALONE.fullmatch(name.partition(" WITH ")[0])]
    new = [name for name in asking if _GPL_3.match(name)]
    return asking if len({family(name) for name in asking}) > 1 or (old and new) else []


def _covers(one: str, other: str) -> bool:
    """Whether whoever keeps to `one` keeps to `other` too. Equal conditions do not cover: they name two texts."""
    asked = conditions(other)
    return asked < conditions(one) and not asked & _OWN_TERMS


def warnings(expressions: Iterable[str]) -> list[str]:
    """What a careful person would say of these licences together, in sentences."""
    names = sorted(binding(expressions))
    asking = {asked: [n for n in names if asked in conditions(n)] for asked in known()["conditions"]}
    said = []
    if at_odds := _at_odds(names):
        said.append(
            f"What is made of texts under {_listed(at_odds)} has to be under the same licence, so one "
            "work made of both cannot be: keep the rows apart by their source."
        )
    if asking["share-alike"] and (closed := [n for n in names if conditions(n) & {"use", "non-commercial"}]):
        closed = [n for n in closed if n not in asking["share-alike"]]
        if closed:
            said.append(
                f"Texts under {_listed(asking['share-alike'])} may not be restricted further, and those under "
                f"{_listed(closed)} are: one work made of both cannot keep to both."
            )
    if asking["no-derivatives"]:
        said.append(
            f"What is made of texts under {_listed(asking['no-derivatives'])} may not be passed on, and chunks and "
            "queries may well be that: ask the owner, or leave the source out."
        )
    if asking["unknown"]:
        said.append(f"What {_listed(asking['unknown'])} asks is not known here: read it before you use this data.")
    said += [f"{name} {known()['licences'][name]['note']}." for name in names if _note(name)]
    return said


def _note(name: str) -> str:
    return str(known()["licences"].get(name, {}).get("note", ""))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def family(name: str) -> str:
    """Versions of one licence, and GNU's among each other, allow to be put under one of them: but for _GPL_2_ALONE."""
    base = _VERSION.sub("", name.partition(" WITH ")[0])
    return "GPL" if base in ("GPL", "LGPL", "AGPL") else base


def link(name: str) -> str | None:
    """Where the licence's text is; None for one that nobody here knows."""
    if name in known()["licences"]:
        return str(known()["licences"][name]["link"])
    base = name.partition(" WITH ")[0]
    return f"https://spdx.org/licenses/{base}.html" if base in _categories() and not _OWN.match(base) else None


def hub_identifier(name: str) -> str | None:
    """The Hub's identifier of one licence; None where it has none."""
    hub = known()["hub"]
    lower = name.removeprefix("LicenseRef-").lower()
    without = lower.removesuffix("-only").removesuffix("-or-later")
    family_of_all = "gfdl" if without.startswith("gfdl-") else without
    tried = (hub["of"].get(name), lower, without, family_of_all)
    return next((one for one in tried if one in hub["identifiers"]), None)
