"""A release, its tables, and a retriever, made once."""

from pathlib import Path

import pytest

from drama_train.retriever import Retriever, Settings, load_retriever
from drama_train.training.releases import open_release
from drama_train.training.streams import Tables, open_tables
from tests.llm.tiny_llama import write_tiny_llama
from tests.training.small_release import write_small_release


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_release(tmp_path_factory.mktemp("small") / "release")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def small_tables(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        return open_tables(open_release(str(small_release)))


@pytest.fixture
def tiny(tiny_folder: Path) -> Retriever:
    return load_retriever(str(tiny_folder), settings=Settings(max_length=24))
