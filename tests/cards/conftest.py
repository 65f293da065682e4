"""Candidates and triplets of the small corpus, released once for the session."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from builders.cards.card import write_card
from tests.cards.making import facts_of
from tests.triplet_making import make


@pytest.fixture(scope="session")
def tables(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`searched` with triplets. To be read."""
    data = Path(shutil.copytree(searched, tmp_path_factory.mktemp("tables") / "data"))
    make(data)
    return data


@pytest.fixture(scope="session")
def measured(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A release's folder with its Parquet files, and its facts."""
    folder = tmp_path_factory.mktemp("release")
    return folder, facts_of(tables, folder)


@pytest.fixture(scope="session")
def card(measured: tuple[Path, dict[str, Any]]) -> Path:
    """The folder of a release with its card."""
    write_card(*measured)
    return measured[0]


@pytest.fixture
def facts(measured: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    """A copy of the facts, to be changed at will."""
    return copy.deepcopy(measured[1])
