"""An exported folder in real vLLM pooling, compared with its golden vectors. Where vLLM is installed (make test-vllm)."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drama_train.exporting.checking import compared
from drama_train.exporting.golden import golden_of, write_golden
from drama_train.exporting.layout import write_layout
from drama_train.exporting.runtimes import by_vllm
from drama_train.retriever import Settings
from tests.exporting.making import tiny_retriever

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed here"),
]


@pytest.mark.parametrize(
    ("attention", "pooling", "bos", "arch"),
    [
        ("bidirectional", "mean", True, None),
        ("bidirectional", "eos", False, None),
        ("bidirectional", "mean", False, "LlamaModel"),
        ("causal", "mean", False, None),
        ("causal", "eos", True, None),
    ],
)
def test_the_golden_vectors(attention: Any, pooling: Any, bos: bool, arch: Any, tmp_path: Path) -> None:
    """A text longer than max_length is among them, so vLLM too cuts before the EOS."""
    made = tiny_retriever(tmp_path / "tiny", Settings(attention, pooling, max_length=60), bos=bos)
    golden = golden_of(made)
    assert np.abs(golden.vectors - golden.turned).max() > 0.01
    write_layout(made, tmp_path / "out", arch)
    write_golden(golden, tmp_path / "out")
    finding = compared("vllm", by_vllm(tmp_path / "out", golden), golden, 1e-4)
    print(finding)
    assert finding.status == "ok", finding


def test_a_config_that_lost_is_causal_is_found(tmp_path: Path) -> None:
    made = tiny_retriever(tmp_path / "tiny", Settings(max_length=60))
    golden = golden_of(made)
    write_layout(made, tmp_path / "out", "LlamaModel")
    path = tmp_path / "out/config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "is_causal"}))
    finding = compared("vllm", by_vllm(tmp_path / "out", golden), golden, 1e-4)
    print(finding)
    assert finding.status == "FAILED" and finding.words.startswith("it ignores is_causal")
