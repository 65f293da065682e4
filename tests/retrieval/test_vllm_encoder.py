"""vLLM's pooling beside transformers' own mean, on a small bidirectional Llama. Where vLLM is installed."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.retrieval.encoders import Encoder, EncoderOptions, UnusableVectors, make_encoder
from tests.llm.tiny_llama import one_thread, write_tiny_llama

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed here"),
]
ARGUMENTS = {"enforce_eager": True, "max_num_seqs": 8, "gpu_memory_utilization": 0.2}
TEXTS = ["rivers of the north", "北の川は冷たい。", "x", "Die Flüsse im Norden sind kalt. " * 3, " "]
LONG = "Los ríos del norte. " * 30
PROMPT, MOST = "find: ", 48
# A sign of its own token, whose vector is not a number.
POISON = "<|system|>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama, told to read in both directions and to be pooled; one token is poisoned."""
    import torch
    from transformers import AutoModel

    made = tmp_path_factory.mktemp("bidirectional")
    with one_thread():
        model = AutoModel.from_pretrained(write_tiny_llama(made))
        (made / "model.safetensors").unlink()
        with torch.no_grad():
            model.embed_tokens.weight[1] = torch.nan
        model.save_pretrained(made)
    config = json.loads((made / "config.json").read_text())
    config |= {"architectures": ["LlamaBidirectionalModel"], "pooling": "avg", "is_causal": False}
    (made / "config.json").write_text(json.dumps(config))
    return made


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Iterator[Encoder]:
    options = EncoderOptions(
        "vllm", str(folder), query_prompt=PROMPT, max_length=MOST, engine_args=json.dumps(ARGUMENTS)
    )
    made = make_encoder(options)
    yield made
    made.close()
    made.close()


def mean_of(folder: Path, text: str) -> NDArray[np.float32]:
    """By transformers: the mean over the states of the text's first 48 tokens, at length 1."""
    import torch
    from transformers import AutoTokenizer, LlamaModel

    with one_thread(), torch.no_grad():
        model = LlamaModel.from_pretrained(folder).eval()
        tokens = AutoTokenizer.from_pretrained(folder)(text)["input_ids"][:MOST]
        mean: Any = model(torch.tensor([tokens])).last_hidden_state[0].mean(0)
        found: NDArray[np.float32] = (mean / mean.norm()).numpy()
        return found


def test_vectors_are_those_of_transformers(folder: Path, encoder: Encoder) -> None:
    found = encoder.encode(TEXTS, "document")
    wanted = np.stack([mean_of(folder, text) for text in TEXTS])
    assert ((found * wanted).sum(axis=1) > 0.9999).all() and found.dtype == np.float32
    assert np.abs(found[0] - found[1]).max() > 0.01
    assert encoder.dim == 128 and encoder.encode([], "query").shape == (0, 128)
    assert found[2:3] == pytest.approx(encoder.encode(["x"], "document"), abs=1e-5)


def test_a_query_has_its_prompt(folder: Path, encoder: Encoder) -> None:
    found = encoder.encode(TEXTS[:2], "query")
    assert ((found * np.stack([mean_of(folder, PROMPT + text) for text in TEXTS[:2]])).sum(axis=1) > 0.9999).all()
    assert np.abs(found - encoder.encode(TEXTS[:2], "document")).max() > 0.01


def test_a_long_text_is_cut_and_counted(folder: Path, encoder: Encoder) -> None:
    before = encoder.truncated
    found = encoder.encode(["short", LONG, LONG + "and more"], "document")
    assert encoder.truncated - before == 2
    assert found[1] == pytest.approx(mean_of(folder, LONG), abs=1e-4)
    assert found[2] == pytest.approx(found[1], abs=1e-5)


def test_a_text_without_tokens_and_one_of_nan_are_named(encoder: Encoder) -> None:
    with pytest.raises(UnusableVectors) as fault:
        encoder.encode(["a", "", "b", ""], "document")
    assert fault.value.rows == [1, 3]
    with pytest.raises(UnusableVectors) as fault:
        encoder.encode(["a", "b", f"c {POISON}", "d"], "document")
    assert fault.value.rows == [2]
    assert np.isfinite(encoder.encode(["a"], "document")).all()
