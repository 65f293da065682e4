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
from drama_train import __main__ as trainer
from drama_train.evaluate import Evaluate
from drama_train.export import Export as ExportModel
from drama_train.pretrain import Pretrain
from drama_train.prune import Prune
from drama_train.publish import PublishModel
from drama_train.train import Train

TOP = Path(__file__).parent.parent
PLACES = ("README.md", "builders/README.md", "drama_train/README.md")
READMES = {place: (TOP / place).read_text() for place in PLACES}
README = "\n".join(READMES.values())
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
TRAINER: dict[str, Any] = {
    "train": Train,
    "prune": Prune,
    "pretrain": Pretrain,
    "evaluate": Evaluate,
    "export": ExportModel,
    "publish": PublishModel,
}
COMMANDS = re.findall(r"^    python -m (\S+)(.*)$", README, re.MULTILINE)


@pytest.mark.parametrize("place", PLACES)
def test_a_readme_has_at_most_120_lines(place: str) -> None:
    assert len(READMES[place].splitlines()) <= 120


def test_the_readmes_show_every_command() -> None:
    assert {module for module, _ in COMMANDS} == {*CONFIGS, "drama_train"}
    assert set(TRAINER) == set(trainer.COMMANDS)
    first = {arguments.split()[0] for module, arguments in COMMANDS if module == "drama_train"}
    assert {word for word in first if not word.startswith("-")} == set(TRAINER) - {"train"}


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_command_of_the_readmes_parses(module: str, arguments: str) -> None:
    importlib.import_module(module)
    given = shlex.split(arguments, comments=True)
    config = CONFIGS.get(module)
    if module == "drama_train":
        config = TRAINER[given.pop(0)] if given[0] in TRAINER else Train
    tyro.cli(config, args=given, config=(tyro.conf.OmitArgPrefixes,))


@pytest.mark.parametrize("place", PLACES)
def test_every_link_of_a_readme_leads_somewhere(place: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", READMES[place])
    assert links
    assert [link for link in links if not ((TOP / place).parent / link).exists()] == []


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
