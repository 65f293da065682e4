"""What made a version: library versions and the commit of this code. Nothing of the machine, nothing secret."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from builders.store.resources import PACKAGE

LIBRARIES = (
    "drama",
    "pyarrow",
    "sentencex",
    "pythainlp",
    "py3langid",
    "rensa",
    "tokenizers",
    "openai",
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "bm25s",
    "polars",
    "duckdb",
    "vllm",
)


@cache
def provenance() -> dict[str, Any]:
    """Versions of Python and of the libraries that can change a row, and the git commit when run from a checkout."""
    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": python_version(), "libraries": libraries, "git_commit": _git_commit()}


def _git_commit() -> str | None:
    """The commit, with "+" where tracked files differ from it; None outside a checkout of this project."""
    top = PACKAGE.parent
    if not (top / ".git").exists():
        return None
    git = ["git", "-C", str(top)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.returncode else "")
