"""A tiny model, and packed tokens of two languages, made once."""

from pathlib import Path

import pytest

from drama_train.pretraining.tokens import Tokens
from tests.llm.tiny_llama import write_tiny_llama
from tests.pretraining.making import documents, write_chunked
from tests.pretraining.runs import open_tokens


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def packed(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `small_tokens`."""
    folder = tmp_path_factory.mktemp("packed") / "tokens"
    open_tokens(folder, tiny_folder)
    return folder


@pytest.fixture(scope="session")
def small_tokens(packed: Path, tiny_folder: Path) -> Tokens:
    """Several blocks of 32 tokens of each language for training, and some held out."""
    return open_tokens(packed, tiny_folder)


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, of documents in German and English."""
    return write_chunked(tmp_path_factory.mktemp("texts") / "notes", documents(40))
