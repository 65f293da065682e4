"""model.onnx in ONNX Runtime: any batch, any length, both attentions, both poolings. A trace takes ten seconds each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drama_train.exporting.checking import check_folder
from drama_train.exporting.golden import golden_of, write_golden
from drama_train.exporting.layout import write_layout
from drama_train.exporting.onnx_model import INPUTS, write_onnx
from drama_train.retriever import Settings
from drama_train.training.encoder import padded
from tests.exporting.making import tiny_retriever

pytestmark = pytest.mark.slow
BATCHES = [["a"], [""], ["rivers", "x y z " * 40, "北の川"], ["rivers of the north"] * 9]


@pytest.mark.parametrize("pooling", ["mean", "eos"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_any_batch_of_any_length(attention: Any, pooling: Any, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    made = tiny_retriever(tmp_path / "tiny", Settings(attention, pooling, max_length=200), bos=True)
    write_layout(made, tmp_path / "out")
    write_golden(golden_of(made), tmp_path / "out")
    write_onnx(made, tmp_path / "out")
    found = {finding.what: finding for finding in check_folder(tmp_path / "out", 1e-5, ("onnxruntime",))}
    assert {finding.status for finding in found.values()} == {"ok"}
    assert found["onnxruntime"].difference is not None
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx", providers=["CPUExecutionProvider"])
    for texts in BATCHES:
        inputs = padded(made.token_ids(texts, "document"), made.pad)
        (vectors,) = session.run(None, dict(zip(INPUTS, (one.numpy() for one in inputs), strict=True)))
        np.testing.assert_allclose(vectors, made.encode(texts, "document"), atol=1e-5)
    made.model.config.is_causal = not made.model.config.is_causal
    write_golden(golden_of(made), tmp_path / "out")
    (finding,) = [one for one in check_folder(tmp_path / "out", 1e-5, ("onnxruntime",)) if one.what != "files"]
    assert finding.status == "FAILED" and finding.words.startswith("it ignores is_causal")
