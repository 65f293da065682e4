"""What the vllm engine says before vLLM is loaded. Its contract is tested with the others', where vLLM is installed."""

import sys

import pytest

from builders.cli.errors import UserError
from builders.llm.requests import Model
from builders.llm.vllm_engine import VLLMEngine


@pytest.mark.parametrize("name", ["model", "revision", "tokenizer_revision"])
def test_what_the_model_pins_is_no_argument(name: str) -> None:
    with pytest.raises(UserError, match=f"name {name}: use --model and --revision"):
        VLLMEngine(Model("tiny", "1"), {name: "x"})


def test_without_vllm_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match="pip install"):
        VLLMEngine(Model("tiny", "1"))
