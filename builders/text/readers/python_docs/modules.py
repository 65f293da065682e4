"""Which Python modules with source are installed, found without importing any."""

import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Not documentation that anybody asks for: tests, copies of other packages, and programs of the standard library.
SKIPPED = frozenset(
    "test tests conftest setup site-packages vendor vendored third_party lib2to3 idlelib turtledemo ensurepip".split()
)


@dataclass(frozen=True, slots=True)
class Module:
    """A module with source; `place` is its path below the folder that it was found in."""

    name: str
    path: Path
    place: str
    is_standard: bool


def source_modules(packages: frozenset[str] | None) -> list[Module]:
    """The public modules of `packages` (dotted names, each with all below it) or of everything installed, by name.

    A name that starts with an underscore is private, unless it is asked for; of two modules with one name the standard
    library's is taken, as an import would.
    """
    found: dict[str, Module] = {}
    for root, is_standard in roots().items():
        for path in _walk(root, (), packages):
            place = path.relative_to(root).as_posix()
            name = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if packages is None or _is_within(name, packages):
                found.setdefault(name, Module(name, path, place, is_standard))
    return [found[name] for name in sorted(found)]


def roots() -> dict[Path, bool]:
    """The folders that hold installed modules, and whether each is the standard library's."""
    paths = sysconfig.get_paths()
    return {Path(paths[key]): key == "stdlib" for key in ("stdlib", "purelib", "platlib")}


def top_names() -> set[str]:
    """Names of the packages and modules that are installed with source, private ones and tests too."""
    names = {entry.name.removesuffix(".py") for root in roots() for entry in os.scandir(root)}
    return {name for name in names if name.isidentifier()}


def _is_within(name: str, packages: frozenset[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _walk(folder: Path, parents: tuple[str, ...], packages: frozenset[str] | None) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        stem = entry.name.removesuffix(".py")
        is_init = stem == "__init__" and bool(parents)
        asked = packages is not None and _leads_to((*parents, stem), packages)
        if not is_init and not (asked or ((packages is None or parents) and _is_public(stem))):
            continue
        if entry.name.endswith(".py") and entry.is_file():
            yield Path(entry.path)
        elif stem == entry.name and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), (*parents, stem), packages)


def _leads_to(parts: tuple[str, ...], packages: frozenset[str]) -> bool:
    return any(tuple(package.split("."))[: len(parts)] == parts for package in packages)


def _is_public(stem: str) -> bool:
    return stem.isidentifier() and stem[0] != "_" and stem not in SKIPPED and not stem.startswith("test_")
