"""Documentation of installed packages: what is a document, under which name, and that nothing is imported for it."""

import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.text.documents import Document
from builders.text.readers import open_source, python_docs
from builders.text.readers.python_docs import modules
from builders.text.readers.python_docs.compiled import compiled_names, is_compiled
from builders.text.readers.python_docs.docstrings import Imported, module_docs
from builders.text.readers.python_docs.licences import licence
from builders.text.readers.python_docs.prose import readable

SOURCE = b'''
"""What the module is for."""
from _struct import pack, _clear
from _struct import *
import os

if os.name:
    def early():
        """Say that it was early."""
else:
    def early():
        """Never seen."""

def _private():
    """Hidden from all."""

class Tool:
    """A tool that does things."""

    def __init__(self):
        """Take nothing."""

    @property
    def size(self):
        """The size of the tool."""

    def use(self, one, *rest, two=2, **more):
        """Use the tool on one."""

    def _hidden(self):
        """Hidden from all."""

    class Inner:
        """Within the tool."""

class Bare:
    def method(self):
        """A method of a class that says nothing."""
'''


def docs_of(spec: str) -> dict[str, Document]:
    rows = [row for row in open_source(spec).read() if isinstance(row, Document)]
    assert len({row.id for row in rows}) == len(rows)
    return {row.id: row for row in rows}


def test_documents_of_a_module() -> None:
    docs, imported = module_docs("pkg.mod", SOURCE)
    assert {found.name: found.text for found in docs} == {
        "pkg.mod": "What the module is for.",
        "pkg.mod.early": "Say that it was early.",
        "pkg.mod.Tool": (
            "A tool that does things.\n\nTake nothing.\n\nsize\nThe size of the tool.\n\n"
            "use(one, *rest, two, **more)\nUse the tool on one."
        ),
        "pkg.mod.Tool.Inner": "Within the tool.",
    }
    assert imported == [Imported("pkg.mod", "_struct", "pack"), Imported("pkg.mod", "_struct", "*")]


def test_public_is_what_all_lists() -> None:
    source = b'def a():\n "a" """A."""\ndef _b():\n """B."""\ndef c():\n """C."""\n'
    assert [found.name for found in module_docs("m", b'__all__ = ["a", "_b"]\n' + source)[0]] == ["m.a", "m._b"]
    added = b'__all__ = ["a"]\n__all__ += names()\n'
    assert [found.name for found in module_docs("m", added + source)[0]] == ["m.a", "m.c"]


@pytest.mark.parametrize(
    "source", [b'print "two" """', b'"""\x00"""', b"(" * 5000 + b'"""', '"""é"""'.encode("latin-1")]
)
def test_source_that_cannot_be_parsed(source: bytes) -> None:
    assert module_docs("m", source) == ([], [])


def test_docstrings_read_as_text() -> None:
    docstring = """Add :class:`~a.Number` to :func:`that <a.b>`.

        Parameters
        ----------
        x : int
        Example:
        >>> add(1)
        ----------
        2
        after

        :copyright: Copyright 2000 by somebody,
            and others.
        """
    assert readable(docstring) == (
        "Add a.Number to that.\n\nParameters\n\nx : int\nExample:\n\n>>> add(1)\n----------\n2\nafter"
    )
    for dropped in (
        "Alias for field number 0",
        "Deprecated, use other.",
        "Args:\n    x: a number",
        "x (`int`, *optional*, defaults to 3):\n    A number.",
        "See :func:`other`.",
        "",
    ):
        assert readable(dropped) == ""


def test_a_package_with_all_below_it() -> None:
    found = docs_of("pydoc:json,struct,math,topics")
    dumps = found["json.dumps"]
    assert dumps.title == "json.dumps"
    assert dumps.text.startswith("Serialize ``obj`` to a JSON formatted ``str``.")
    assert dumps.licence == "PSF-2.0"
    assert dumps.where.startswith("json/__init__.py line ")
    assert {"json", "json.JSONEncoder", "json.encoder.JSONEncoder"} & set(found) == {"json", "json.encoder.JSONEncoder"}
    assert "iterencode(o, _one_shot)" in found["json.encoder.JSONEncoder"].text
    assert {"struct.pack", "struct.Struct", "math.isclose", "topics.assert"} <= set(found)
    assert all(len(document.text) >= 100 for document in found.values())
    assert docs_of("pydoc:json.decoder").keys() < found.keys()


def test_in_processes_as_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_loop = list(open_source("pydoc:asyncio").read())
    monkeypatch.setattr(python_docs, "FEW_MODULES", 0)
    assert list(open_source("pydoc:asyncio").read()) == in_a_loop
    assert len(in_a_loop) > 50


def test_licence_of_a_package() -> None:
    assert {row.licence for row in docs_of("pydoc:click").values()} == {"BSD-3-Clause"}


def test_package_that_is_not_installed() -> None:
    with pytest.raises(UserError, match=r"No Python package 'jsn' .* did you mean json"):
        open_source("pydoc:jsn")


def test_nothing_with_source_is_imported() -> None:
    code = (
        "import sys; from builders.text.readers import open_source; "
        "rows = list(open_source('pydoc:this,antigravity,turtle,pip._internal.cli').read()); "
        "print(len(rows) > 10, [name for name in ('this', 'antigravity', 'turtle', 'tkinter', 'pip') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "True []\n"


def test_only_the_standard_library_counts_as_compiled() -> None:
    assert {"math", "itertools", "builtins"} <= set(compiled_names())
    assert is_compiled("_struct")
    assert not {name for name in ("json", "numpy", "pyarrow.lib", "zstandard", "posix") if name in compiled_names()}
    assert not is_compiled("numpy")


def test_fingerprint_follows_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "roots", lambda: {tmp_path: False})
    (tmp_path / "pkg" / "tests").mkdir(parents=True)
    (tmp_path / "pkg" / "_vendor").mkdir()
    text = "A text that is long enough to be a document of its own, since it has more than a hundred characters in it."
    for name in ("__init__", "public", "_private", "tests/mod", "_vendor/mod", "test_x"):
        (tmp_path / "pkg" / f"{name}.py").write_text(f'"""{name}: {text}"""')
    (tmp_path / "pkg" / "public.py").write_text(
        f'"""{text}"""\ndef same():\n    """{text}"""\ndef short():\n    """No."""'
    )
    source = open_source("pydoc:pkg")
    assert [row.id for row in source.read() if isinstance(row, Document)] == ["pkg", "pkg.public"]
    (tmp_path / "pkg" / "_private.py").write_text("")
    assert open_source("pydoc:pkg").fingerprint == source.fingerprint
    (tmp_path / "pkg" / "public.py").write_text("")
    assert open_source("pydoc:pkg").fingerprint != source.fingerprint


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License": "Apache License, Version 2.0"}, "Apache-2.0"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "Permission is hereby granted\nto anybody"}, None),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, None),
        ({}, None),
    ],
)
def test_licence(fields: dict[str, str], expected: str | None) -> None:
    message = Message()
    for name, value in fields.items():
        message[name] = value
    assert licence(message) == expected  # type: ignore[arg-type]
