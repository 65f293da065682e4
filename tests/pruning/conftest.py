"""One thread for models so small, and norms in float64 where a test asks for them."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.llm.tiny_llama import one_thread


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
