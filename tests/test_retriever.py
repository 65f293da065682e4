"""A retriever from a folder: vectors alone equal those in a batch, and a saved one reads as it was."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

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


def _config(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def _weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _larger_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"zz{number}" for number in range(100)])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer that can be read"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "has no tokenizer that can be read"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "has no tokenizer that can be read"),
        (_larger_tokenizer, r"has the token 'zz\d+' as number \d+, and the model has 512 embeddings"),
        (lambda f: _config(f, hidden_size=96), r"is \d.* in its weights and .*96.* by its config.json"),
        (lambda f: _config(f, num_hidden_layers=3), "lack 9 tensors that its config.json asks for"),
        (lambda f: _config(f, quantization_config={"quant_method": "gptq", "bits": 4}), r"are quantised \(gptq\)"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 50), "weights of .* cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), "weights of .* cannot be read"),
        (_pickled, "weights of .* cannot be read .* to safetensors"),
        (lambda f: _weights(f, lambda t: t["model.norm.weight"].fill_(math.nan)), "norm.weight of .* holds NaN"),
        (lambda f: (f / "config.json").write_text("[]"), "cannot be read"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_told_in_a_sentence(
    tmp_path: Path, damage: Callable[[Path], object], fault: str
) -> None:
    folder = write_tiny_llama(tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError, match=fault) as raised:
        load_retriever(str(folder))
    assert "\n" not in str(raised.value)


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
