"""What the README says is so: its commands parse, its targets exist, its list of reasons is the code's."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tyro

from builders.__main__ import Recipe, read_recipe
from builders.audit import Audit
from builders.candidates import Candidates
from builders.checks import Checks
from builders.contamination import Contamination
from builders.corpus import Corpus
from builders.cropped_sentences import CroppedSentences
from builders.export import Export
from builders.publish import Publish
from builders.release import Release
from builders.rerank_preferences import RerankPreferences
from builders.store.schemas import reasons
from builders.supervised import Supervised
from builders.synthetic_queries import SyntheticQueries
from builders.synthetic_triplets import SyntheticTriplets
from builders.tables import Command
from builders.triplets import Triplets

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()
CONFIGS: dict[str, Any] = {
    "builders": Recipe,
    "builders.corpus": Corpus,
    "builders.cropped_sentences": CroppedSentences,
    "builders.synthetic_queries": SyntheticQueries,
    "builders.candidates": Candidates,
    "builders.rerank_preferences": RerankPreferences,
    "builders.synthetic_triplets": SyntheticTriplets,
    "builders.supervised": Supervised,
    "builders.triplets": Triplets,
    "builders.export": Export,
    "builders.release": Release,
    "builders.publish": Publish,
    "builders.contamination": Contamination,
    "builders.audit": Audit,
    "builders.checks": Checks,
    "builders.tables": Command,
}
COMMANDS = re.findall(r"^    python -m (\S+)(.*)$", README, re.MULTILINE)


def test_the_readme_has_at_most_120_lines() -> None:
    assert len(README.splitlines()) <= 120


def test_the_readme_shows_every_command() -> None:
    assert {module for module, _ in COMMANDS} == set(CONFIGS)


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_command_of_the_readme_parses(module: str, arguments: str) -> None:
    importlib.import_module(module)
    tyro.cli(CONFIGS[module], args=shlex.split(arguments, comments=True), config=(tyro.conf.OmitArgPrefixes,))


@pytest.mark.parametrize("line", re.findall(r"`(--engine \w+ --model[^`]*)`", README))
def test_every_engine_line_of_the_readme_parses(line: str) -> None:
    tyro.cli(SyntheticQueries, args=shlex.split(line), config=(tyro.conf.OmitArgPrefixes,))


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (TOP / "Makefile").read_text()
    targets = set(re.findall(r"make ([\w-]+)", README))
    assert targets >= {"demo", "test"}
    assert targets <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


def test_the_readme_names_every_reason_for_a_rejection() -> None:
    table = README.partition("| rejected as |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_0-9]+)`", table)) == set(reasons())


def test_the_shipped_recipes_are_valid() -> None:
    recipes = sorted((TOP / "builders/recipes").glob("*.toml"))
    assert recipes
    for path in recipes:
        assert read_recipe(Recipe(str(path)))
