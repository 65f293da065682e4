"""A retriever from a folder: vectors alone equal those in a batch, and a saved one reads as it was."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.retriever import Retriever, Settings, load_retriever, read_settings, save_retriever
from tests.llm.tiny_llama import one_thread, write_tiny_llama

TEXTS = ["rivers", "the mountains of the north are cold and the rivers too " * 4, "", "rivers", "Flüsse im Norden"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    return load_retriever(str(write_tiny_llama(tmp_path_factory.mktemp("tiny"))))


def test_each_text_alone_equals_the_batch(made: Retriever) -> None:
    with one_thread():
        together = made.encode(TEXTS, "document", budget=64)
        alone = np.concatenate([made.encode([text], "document") for text in TEXTS])
    assert together.dtype == np.float32 and together.shape == (5, 128)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together[[0, 1, 3, 4]], axis=1), 1, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_a_query_has_its_prefix_and_a_document_has_none(made: Retriever) -> None:
    as_query = made.encode(["rivers"], "query")
    np.testing.assert_allclose(as_query, made.encode(["Query: rivers"], "document"), atol=1e-6)
    assert np.abs(as_query - made.encode(["rivers"], "document")).max() > 1e-3


def test_no_texts_make_no_vectors(made: Retriever) -> None:
    assert made.encode([], "query").shape == (0, 128)


def test_a_saved_one_reads_as_it_was(made: Retriever, tmp_path: Path) -> None:
    settings = replace(made.settings, attention="causal", pooling="eos", dims=(128, 64), max_length=32)
    causal = load_retriever(str(_saved(made, tmp_path / "first")), settings=settings)
    save_retriever(causal, tmp_path / "second")
    again = load_retriever(str(tmp_path / "second"))
    assert again.settings == settings
    np.testing.assert_array_equal(again.encode(TEXTS, "query"), causal.encode(TEXTS, "query"))
    assert np.abs(again.encode(TEXTS, "query") - made.encode(TEXTS, "query")).max() > 1e-3


def test_only_the_first_layers(made: Retriever, tmp_path: Path) -> None:
    assert load_retriever(str(_saved(made, tmp_path / "m")), layers=1).model.config.num_hidden_layers == 1


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == Settings()
    (tmp_path / "drama.json").write_text(json.dumps({"poolin": "mean"}))
    with pytest.raises(UserError, match="poolin is unknown"):
        read_settings(tmp_path)
    (tmp_path / "drama.json").write_text("[")
    with pytest.raises(UserError, match="is damaged"):
        read_settings(tmp_path)


def _saved(retriever: Retriever, folder: Path) -> Path:
    save_retriever(retriever, folder)
    return folder


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('{"attention": "both"}', "attention is 'both', not bidirectional or causal"),
        ('{"pooling": "max"}', "pooling is 'max', not mean or eos"),
        ('{"max_length": "96"}', "max_length is '96', no number of tokens"),
        ('{"max_length": 2}', "max_length is 2, no number of tokens"),
        ('{"query_prefix": null}', "query_prefix is None, no text"),
        ('{"dims": "64"}', "dims is '64', no list of dimensions"),
        ('{"dims": [64, 0]}', "dims is [64, 0], no list of dimensions"),
        ("[]", "it is no JSON object"),
    ],
)
def test_settings_that_are_none_are_named(told: str, words: str, tmp_path: Path) -> None:
    """An attention that is neither was read as the one, and a pooling as the other."""
    (tmp_path / "drama.json").write_text(told)
    with pytest.raises(UserError, match=re.escape(f"drama.json is damaged ({words}): export the model again.")):
        read_settings(tmp_path)
