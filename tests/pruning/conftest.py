"""One thread for models so small, and norms in float64 where a test asks for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.llm.tiny_llama import one_thread, write_tiny_llama
from tests.pretraining.making import documents, write_beir
from tests.pruning.learning import any_steps


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def wide_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock norms compute in float32, whatever the model is in."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm
    from transformers.models.mistral.modeling_mistral import MistralRMSNorm
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

    def forward(self: Any, states: Tensor) -> Tensor:
        assert states.dtype == torch.float64
        normed: Tensor = (
            self.weight * states * torch.rsqrt(states.square().mean(-1, keepdim=True) + self.variance_epsilon)
        )
        return normed

    for norm in (LlamaRMSNorm, MistralRMSNorm, Qwen3RMSNorm):
        monkeypatch.setattr(norm, "forward", forward)


@pytest.fixture
def short() -> Iterator[None]:
    with any_steps():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"_id": one.document_id, "title": "", "text": one.text, "lang": one.language} for one in documents(60)]
    return write_beir(tmp_path_factory.mktemp("texts") / "notes", rows)
