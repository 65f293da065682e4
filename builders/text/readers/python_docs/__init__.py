"""The documentation of the Python packages installed on this machine, as a source."""

import difflib
import os
import platform
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from multiprocessing import get_context

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.readers.opening import content_hash, fingerprint
from builders.text.readers.python_docs.compiled import compiled_docs, compiled_names, imported_docs
from builders.text.readers.python_docs.docstrings import Docs, Imported, module_docs
from builders.text.readers.python_docs.licences import STANDARD_LIBRARY, licences
from builders.text.readers.python_docs.modules import Module, source_modules, top_names
from builders.text.readers.python_docs.topics import TOPICS, topic_docs
from builders.text.readers.rows import bad_row, undecoded_at

# Shorter docstrings ("Return the name.") name what they are on without saying anything that one could ask for.
SHORTEST = 100  # characters

# Below this many modules, starting processes takes longer than they save.
FEW_MODULES = 300
CHUNK = 50  # modules at a time to a process


def open_python_docs(selection: str, name: str) -> Source:
    """Documentation of `selection` ("json,polars,topics"), or, where that is empty, of everything installed.

    Source is parsed and never imported. Compiled modules are imported, and only those of the standard library. Raises
    UserError where a package is not installed, or has no documentation that can be read.
    """
    packages = frozenset(part.strip() for part in selection.split(",") if part.strip()) or None
    modules = source_modules(packages)
    compiled = [module for module in compiled_names() if packages is None or module in packages]
    with_topics = packages is None or TOPICS in packages
    _check(packages or frozenset(), modules, compiled)
    stated = licences()
    parts = [f"{module.name} {content_hash(module.path)}" for module in modules]

    def read() -> Iterator[Document | BadRow]:
        found = _in_order(modules, compiled, with_topics)
        yield from _distinct(found, stated, {module.name for module in modules if module.is_standard} | set(compiled))

    return Source(
        "pydoc",
        name,
        fingerprint(
            [
                "pydoc",
                platform.python_version(),
                repr(sorted(stated.items())),
                repr(compiled),
                repr(with_topics),
                *parts,
            ]
        ),
        read,
    )


def _check(packages: frozenset[str], modules: list[Module], compiled: list[str]) -> None:
    there = {*compiled, TOPICS, *(module.name for module in modules)}
    for package in sorted(packages):
        if not any(name == package or name.startswith(f"{package}.") for name in there):
            near = difflib.get_close_matches(package, sorted(top_names() | {TOPICS} | set(compiled_names())), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "name packages that are, or none for all."
            raise UserError(f"No Python package {package!r} with readable source is installed: {hint}")


def _in_order(modules: list[Module], compiled: list[str], with_topics: bool) -> Iterator[tuple[str, Docs]]:
    """All documentation with the place of each, in one fixed order."""
    if with_topics:
        yield from ((TOPICS, docs) for docs in topic_docs())
    for name in compiled:
        yield from ((name, docs) for docs in compiled_docs(name))
    for module, (docs, imports) in zip(modules, _parsed(modules), strict=True):
        yield from ((f"{module.place} line {found.line}", found) for found in docs)
        if module.is_standard:
            yield from ((module.place, found) for found in imported_docs(imports))


def _parsed(modules: list[Module]) -> Iterator[tuple[list[Docs], list[Imported]]]:
    processes = os.cpu_count() or 1
    if len(modules) < FEW_MODULES or processes == 1:
        yield from map(_parse, modules)
        return
    # Not forked: the process that asks may have threads (of Arrow, of a model) that a fork would leave locked.
    with ProcessPoolExecutor(min(processes, 8), get_context("spawn")) as pool:
        yield from pool.map(_parse, modules, chunksize=CHUNK)


def _parse(module: Module) -> tuple[list[Docs], list[Imported]]:
    return module_docs(module.name, module.path.read_bytes())


def _distinct(
    found: Iterable[tuple[str, Docs]], stated: dict[str, str], standard: set[str]
) -> Iterator[Document | BadRow]:
    """Documents that are long enough, each id and each text once: what is inherited is said again."""
    ids: set[str] = set()
    texts: set[bytes] = set()
    for place, docs in found:
        digest = blake2b(docs.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if len(docs.text) < SHORTEST or docs.name in ids or digest in texts:
            continue
        ids.add(docs.name)
        texts.add(digest)
        top = docs.name.split(".")[0]
        licence = STANDARD_LIBRARY if top in standard or top == TOPICS else stated.get(top)
        undecoded = undecoded_at(docs.text)
        if undecoded:
            yield bad_row(place, docs.line, "not_utf8", undecoded, docs.text)
        else:
            yield Document(docs.name, docs.text, place, docs.name, None, licence)
