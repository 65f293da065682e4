"""Documentation of the standard library's modules without source, which must be imported to be read."""

import importlib
import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib.machinery import BuiltinImporter, ExtensionFileLoader, PathFinder
from types import ModuleType

from builders.text.readers.python_docs.docstrings import Docs, Imported
from builders.text.readers.python_docs.prose import readable

# Examples for writers of extensions, and modules that touch the terminal when they are imported.
SKIPPED = frozenset(("xxlimited", "xxlimited_35", "xxsubtype", "readline"))

# The os module presents what these hold.
PRESENTED = frozenset(("posix", "nt"))


def compiled_names() -> list[str]:
    """The public compiled modules of the standard library.

    Only these are ever imported: they come with Python. To import an extension module of another package runs its
    author's code, and may load hundreds of MB, for the sake of its docstrings.
    """
    names = sys.stdlib_module_names - PRESENTED
    return sorted(name for name in names if name[0] != "_" and is_compiled(name))


def is_compiled(name: str) -> bool:
    """Whether `name` is a module of the standard library, private ones too, that has no source."""
    if name not in sys.stdlib_module_names or name in SKIPPED:
        return False
    spec = BuiltinImporter.find_spec(name) or PathFinder.find_spec(name)
    return spec is not None and (spec.origin == "built-in" or isinstance(spec.loader, ExtensionFileLoader))


def compiled_docs(name: str) -> Iterator[Docs]:
    """What a compiled module documents. `line` is 0: there is no source."""
    module = _imported(name)
    if module:
        yield Docs(name, readable(module.__doc__ or ""), 0)
        for public in sorted(vars(module)):
            yield from _member(module, public, name)


def imported_docs(imports: Iterable[Imported]) -> Iterator[Docs]:
    """What modules with source take from compiled ones, under the names that they give it (struct.pack of _struct)."""
    for wanted in imports:
        module = _imported(wanted.source) if is_compiled(wanted.source) else None
        if module:
            for public in sorted(vars(module)) if wanted.name == "*" else [wanted.name]:
                yield from _member(module, public, wanted.module)


def _imported(name: str) -> ModuleType | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a module is deprecated
            return importlib.import_module(name)
    except ImportError:
        return None


def _member(module: ModuleType, name: str, parent: str) -> Iterator[Docs]:
    value = getattr(module, name, None)
    if name.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
        return
    text = _own_doc(value)
    if inspect.isclass(value):
        methods = {key: member for key, member in sorted(vars(value).items()) if not key.startswith("_")}
        docs = {
            f"{key}{'()' if inspect.isroutine(member) else ''}": _own_doc(member) for key, member in methods.items()
        }
        text = "\n\n".join([text, *(f"{call}\n{doc}" for call, doc in docs.items() if doc)]) if text else ""
    yield Docs(f"{parent}.{name}", text, 0)


def _own_doc(value: object) -> str:
    doc = getattr(value, "__doc__", None)
    # An instance shows its class's docstring as its own.
    return readable(doc) if isinstance(doc, str) and doc != type(value).__doc__ else ""
