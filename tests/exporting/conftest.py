"""One tiny retriever and one finished run for all tests here; copies are changed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drama_train.exporting.golden import golden_of, write_golden
from drama_train.exporting.layout import write_layout
from drama_train.retriever import Retriever
from tests.exporting.making import tiny_retriever, write_run
from tests.llm.tiny_llama import one_thread


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    return tiny_retriever(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def written(retriever: Retriever, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, tokenizer, settings, golden vectors: what --check reads."""
    folder = tmp_path_factory.mktemp("written") / "model"
    write_layout(retriever, folder)
    write_golden(golden_of(retriever), folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "model"))


@pytest.fixture(scope="session")
def run_made(retriever: Retriever, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run") / "notes", retriever)


@pytest.fixture
def run(run_made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_made, tmp_path / "notes"))
