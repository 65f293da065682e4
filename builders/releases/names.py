"""Names that the Hub takes, and semantic versions of data."""

import re

from builders.cli.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_RELEASE = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
FIRST = "v1.0.0"
# What a change of the data asks for. Whoever pins a major version can go on reading the columns that they read.
MAJOR, MINOR, PATCH = "major", "minor", "patch"


def check_name(name: str, flag: str) -> None:
    """UserError where the Hub would refuse the name of a data set (or of its owner)."""
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise UserError(
            f"{flag} {name!r} cannot be a name on the Hub: take at most 96 letters A-Z, digits, single - . or _, "
            "beginning and ending with a letter or digit.",
            exit_code=2,
        )


def check_repository(repository: str, flag: str = "--repository") -> None:
    """UserError where this is not owner/name."""
    owner, slash, name = repository.partition("/")
    if not slash:
        raise UserError(f"{flag} {repository!r} names no owner: give it as owner/name.", exit_code=2)
    for part in (owner, name):
        check_name(part, f"{flag} {repository!r}:")


def numbers_of(release: str, flag: str = "--release") -> tuple[int, int, int]:
    """(1, 0, 0) of v1.0.0; UserError where it is none."""
    found = _RELEASE.fullmatch(release)
    if not found:
        raise UserError(f"{flag} {release!r} is no semantic version: write it like {FIRST}.", exit_code=2)
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def next_release(before: str, change: str) -> str:
    """The release after `before` where the change is major, minor or patch."""
    major, minor, patch = numbers_of(before)
    if change == MAJOR:
        return f"v{major + 1}.0.0"
    return f"v{major}.{minor + 1}.0" if change == MINOR else f"v{major}.{minor}.{patch + 1}"
