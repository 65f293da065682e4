"""`import drama_train` and the help of every command load nothing heavy (tests/benchmarks/bench_start.py times them)."""

import subprocess
import sys

import pytest

from drama_train.__main__ import COMMANDS

HEAVY = ("torch", "transformers", "sentence_transformers", "datasets", "matplotlib", "mteb", "duckdb", "pyarrow")
_SHOW = f"""
import sys
{{what}}
print("loaded:", *(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
"""
_HELP = """
from drama_train.__main__ import main
try:
    main({arguments})
except SystemExit as ended:
    assert not ended.code
"""


def _loaded(what: str) -> tuple[str, str]:
    """What was printed, and which heavy modules were there at the end."""
    ended = subprocess.run([sys.executable, "-c", _SHOW.format(what=what)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told, _, loaded = ended.stderr.rpartition("loaded:")
    assert told == ""
    return ended.stdout, loaded.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded("import drama_train, drama_train.__main__") == ("", "")
    assert _loaded("import duckdb")[1] == "duckdb"  # so this would see one


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    told, loaded = _loaded(_HELP.format(arguments=[command, "--help"]))
    assert f"usage: python -m drama_train {command}" in told
    assert loaded == ""


def test_the_help_of_the_package_names_every_command() -> None:
    told, loaded = _loaded(_HELP.format(arguments=["--help"]))
    assert all(f"\n  {name} " in told for name in COMMANDS)
    assert loaded == ""
