"""Exported = trained: other programs make of the folder what the retriever made, cut texts included."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.exporting.contents import dangers_in, faults_in
from drama_train.exporting.golden import Golden, encoded, golden_of, write_golden
from drama_train.exporting.layout import round_weights, write_layout
from drama_train.exporting.runtimes import by_retriever, by_sentence_transformers, by_transformers
from drama_train.exporting.tokenizer import check_tokens, ending_tokenizer
from drama_train.retriever import Retriever, Settings, load_retriever
from drama_train.training.encoder import token_ids
from tests.exporting.making import BOS, tiny_retriever

WAYS = [(by_retriever, 1e-6), (by_sentence_transformers, 1e-5), (by_transformers, 1e-5)]


def exported(retriever: Retriever, folder: Path) -> tuple[Path, Golden]:
    golden = golden_of(retriever)
    write_layout(retriever, folder)
    write_golden(golden, folder)
    assert dangers_in(folder) == faults_in(folder) == []
    return folder, golden


def assert_equal(folder: Path, golden: Golden) -> None:
    """And not for want of anything to tell apart: texts differ, and so does the other attention."""
    assert golden.vectors.std(axis=0).max() > 0.01
    assert np.abs(golden.vectors - golden.turned).max() > 0.01
    for way, apart in WAYS:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            np.testing.assert_allclose(way(folder, golden), golden.vectors, atol=apart, err_msg=way.__name__)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "eos"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_a_llama(attention: Any, pooling: Any, bos: bool, tmp_path: Path) -> None:
    settings = Settings(attention, pooling, "find: ", "read: ", max_length=60)
    assert_equal(*exported(tiny_retriever(tmp_path / "tiny", settings, bos=bos), tmp_path / "out"))


@pytest.mark.parametrize("family", ["mistral", "qwen3"])
def test_another_family(family: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, MistralConfig, Qwen3Config

    from tests.llm.tiny_llama import write_tiny_llama

    write_tiny_llama(tmp_path)
    torch.manual_seed(0)
    shape = {"vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}
    config = {"mistral": MistralConfig, "qwen3": Qwen3Config}[family](**shape, **heads, initializer_range=0.2)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    made = load_retriever(str(tmp_path), settings=Settings(max_length=50))
    folder, golden = exported(made, tmp_path / "out")
    assert_equal(folder, golden)
    with pytest.raises(UserError, match="is for a Llama, and this is a"):
        write_layout(made, tmp_path / "other", "LlamaBidirectionalModel")


def test_rounded_weights_are_the_same_everywhere(tmp_path: Path) -> None:
    made = tiny_retriever(tmp_path / "tiny")
    before = encoded(made, ("query",), ("rivers",))
    round_weights(made, "bfloat16")
    golden = golden_of(made)
    write_layout(made, tmp_path / "out", dtype="bfloat16")
    assert_equal(tmp_path / "out", golden)
    assert (tmp_path / "out/model.safetensors").stat().st_size < 0.6 * 4 * made.model.num_parameters()
    assert np.abs(encoded(made, ("query",), ("rivers",)) - before).max() > 1e-5
    write_layout(made, tmp_path / "again")
    np.testing.assert_array_equal(by_retriever(tmp_path / "again", golden), by_retriever(tmp_path / "out", golden))


def test_vectors_can_be_cut(retriever: Retriever, written: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["rivers of the north", "cold mountains"]
    model = SentenceTransformer(str(written), truncate_dim=32)
    found = model.encode_query(texts, normalize_embeddings=True)
    cut = retriever.encode(texts, "query")[:, :32]
    np.testing.assert_allclose(found, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-5)
    assert model.similarity_fn_name == "cosine"
    assert model.prompts == {"query": "Query: ", "document": ""}
    assert model.max_seq_length == retriever.settings.max_length


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("longest", [4, 7, 96])
def test_the_tokenizer_gives_the_tokens_of_training(bos: bool, longest: int, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = tiny_retriever(tmp_path / "tiny", bos=bos).tokenizer
    texts = ["", "x", " rivers \n", "rivers of the north " * 30, "<|end|> in <|user|> a text", "北の川は冷たい。"]
    ending_tokenizer(tokenizer, longest).save_pretrained(tmp_path / "saved")
    found = AutoTokenizer.from_pretrained(tmp_path / "saved")(texts, truncation=True)
    assert found["input_ids"] == token_ids(tokenizer, texts, longest)
    assert max(map(len, found["input_ids"])) == longest
    assert {ids[-1] for ids in found["input_ids"]} == {tokenizer.eos_token_id}
    assert not bos or found["input_ids"][0][0] == tokenizer.convert_tokens_to_ids(BOS)
    assert set(found) == {"input_ids", "attention_mask"}
    check_tokens(tmp_path / "saved", tokenizer, texts, longest)
    with pytest.raises(UserError, match="reads 'x' as"):
        check_tokens(tmp_path / "tiny", tokenizer, ["x"], longest)


def test_a_tokenizer_that_is_no_fast_one_is_named() -> None:
    class Slow:
        backend_tokenizer = None

    with pytest.raises(UserError, match=r"tokenizer \(Slow\) is no fast one"):
        ending_tokenizer(Slow(), 10)


def test_an_architecture_that_contradicts_the_attention(retriever: Retriever, tmp_path: Path) -> None:
    causal = replace(retriever, settings=replace(retriever.settings, attention="causal"))
    with pytest.raises(UserError, match="was trained causal"):
        write_layout(causal, tmp_path / "out", "LlamaBidirectionalModel")
