"""Versions together with all that they were made from: what is checked, described and released as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from builders.cli.errors import UserError
from builders.store.versions import Version


@dataclass(frozen=True)
class VersionSet:
    """`versions` holds `named` and every version behind them, each once, those that were made first at the front."""

    named: tuple[Version, ...]
    versions: tuple[Version, ...]

    def of(self, table: str) -> list[Version]:
        """The versions of that table, in order."""
        return [version for version in self.versions if version.table == table]

    def behind(self, version: Version, table: str) -> list[Version]:
        """The versions of `table` that this one was made from, by whatever way; itself where it is one."""
        known = {str(v): v for v in self.versions}
        found: dict[str, Version] = {}
        ahead = [version]
        while ahead:
            one = ahead.pop()
            if one.table == table:
                found[str(one)] = one
            ahead += [known[name] for name in _input_names(one) if name not in found]
        return [v for v in self.versions if str(v) in found]


def version_set(named: Sequence[Version]) -> VersionSet:
    """The set of these versions. UserError where one behind them is gone, or holds other rows than it did."""
    found: dict[str, Version] = {}

    def add(version: Version) -> None:
        if str(version) not in found:
            for behind in version.inputs():
                add(behind)
            found[str(version)] = version

    for version in named:
        add(version)
    return VersionSet(tuple({str(v): found[str(v)] for v in named}.values()), tuple(found.values()))


def verify_files(version: Version) -> None:
    """UserError that names the first file of the version that is not what its manifest says (bytes, sha256)."""
    for given in version.manifest["files"]:
        path = version.folder / given["path"]
        if not path.is_file() or path.stat().st_size != given["bytes"] or _sha256(path) != given["sha256"]:
            what = "is missing" if not path.is_file() else "was changed after it was written (its sha256 differs)"
            raise UserError(
                f"{path} of {version} {what}: delete the version's folder, then run the command that made it again."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _input_names(version: Version) -> list[str]:
    return [f"{given['table']}/{given['version']}" for given in version.manifest["identity"]["inputs"]]
