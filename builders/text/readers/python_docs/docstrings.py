"""The docstrings of one Python source file, read from its syntax tree."""

import ast
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from builders.text.readers.python_docs.prose import readable

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Docs(NamedTuple):
    """One document to be: a module's, a class's with its methods', or a function's. `line` is where in the source."""

    name: str
    text: str
    line: int


class Imported(NamedTuple):
    """A name ("*" for all) that a module takes from a compiled one and presents as its own."""

    module: str
    source: str
    name: str


def module_docs(module: str, source: bytes) -> tuple[list[Docs], list[Imported]]:
    """What `source` documents under public names, and what it takes from private top-level modules.

    Public is what `__all__` lists, where it is a plain list, and otherwise what has no leading underscore. A source
    that this version of Python cannot parse documents nothing: such files are templates, or for another version.
    """
    if b'"""' not in source and b"'''" not in source and b"__doc__" not in source and b"import _" not in source:
        return [], []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are wrong in somebody's string
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return [], []
    public = _listed(tree)
    docs: dict[str, Docs] = {}
    text = readable(_docstring(tree))
    if text:
        docs[module] = Docs(module, text, 1)
    for node in _definitions(tree):
        if node.name in public if public is not None else _is_public(node.name):
            for found in _of_definition(node, module):
                docs.setdefault(found.name, found)
    return list(docs.values()), list(_imports(tree, module, public))


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _docstring(node: ast.Module | Definition) -> str:
    return ast.get_docstring(node) or ""


def _definitions(node: ast.AST) -> Iterator[Definition]:
    """Functions and classes of a body, those under `if`, `try` and `with` too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield child
        elif isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _definitions(child)


def _listed(tree: ast.Module) -> frozenset[str] | None:
    """The names of `__all__` where it is one plain list; None where there is none, or code puts it together."""
    values = []
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            values.append(node.value if isinstance(node, ast.Assign) else None)
    if len(values) != 1 or not isinstance(values[0], ast.List | ast.Tuple):
        return None
    names = [element.value for element in values[0].elts if isinstance(element, ast.Constant)]
    return frozenset(str(name) for name in names) if len(names) == len(values[0].elts) else None


def _imports(tree: ast.Module, module: str, public: frozenset[str] | None) -> Iterator[Imported]:
    for node in tree.body:
        for statement in [node, *node.body] if isinstance(node, ast.Try | ast.If) else [node]:
            if isinstance(statement, ast.ImportFrom) and not statement.level and _is_hidden(statement.module or ""):
                for alias in statement.names:
                    name = alias.asname or alias.name
                    if name == "*" or (name in public if public is not None else _is_public(name)):
                        yield Imported(module, f"{statement.module}", alias.name)


def _is_hidden(module: str) -> bool:
    # What the os module presents is in posix or nt.
    return module.startswith("_") or module in ("posix", "nt")


def _of_definition(node: Definition, parent: str) -> Iterator[Docs]:
    name = f"{parent}.{node.name}"
    if isinstance(node, ast.ClassDef):
        text = _class_text(node)
        if text:
            yield Docs(name, text, node.lineno)
        for inner in _definitions(node):
            if isinstance(inner, ast.ClassDef) and _is_public(inner.name):
                yield from _of_definition(inner, name)
    else:
        text = readable(_docstring(node))
        if text:
            yield Docs(name, text, node.lineno)


def _class_text(node: ast.ClassDef) -> str:
    """What a class says of itself, and then of each public method under its call; "" where it says nothing of itself.

    Method by method without the class, it is seldom more than what a template says of every such class.
    """
    methods: dict[str, str] = {}
    for method in _definitions(node):
        text = "" if isinstance(method, ast.ClassDef) else readable(_docstring(method))
        if text and not isinstance(method, ast.ClassDef):
            methods.setdefault(
                method.name, text if method.name == "__init__" else f"{method.name}{_call(method)}\n{text}"
            )
    own = "\n\n".join(part for part in (readable(_docstring(node)), methods.get("__init__")) if part)
    return "\n\n".join([own, *(text for name, text in methods.items() if _is_public(name))]) if own else ""


def _call(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The arguments of a method by name, as it is called; nothing for what is read like an attribute."""
    if any("property" in ast.unparse(decorator) for decorator in method.decorator_list):
        return ""
    arguments = method.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    if names[:1] in (["self"], ["cls"]):
        del names[0]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return f"({', '.join(names)})"
