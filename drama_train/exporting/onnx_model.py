"""The model as one ONNX graph: token ids and mask in, vectors of length 1 out, for any batch and any length."""

import logging
import warnings
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from drama_train.retriever import Retriever
from drama_train.training.encoder import encode, padded

ONNX_FILE = "model.onnx"
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "sentence_embedding"
# Any two texts do: what is traced is a batch of more than one, of unequal lengths, so that no size is taken for fixed.
_TRACED = ("a river", "a mill by the river and the hills")


def write_onnx(retriever: Retriever, folder: Path) -> None:
    """model.onnx, with model.onnx.data beside it above 2 GB. UserError where the packages for it are not installed."""
    import torch

    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise UserError("--onnx needs onnx and onnxscript: run `pip install 'drama[onnx]'`.") from None
    ids, mask = padded(retriever.token_ids(_TRACED, "document"), retriever.pad, retriever.device)
    positions = int(retriever.model.config.max_position_embeddings)
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("tokens", min=1, max=positions)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of axes that share a name, and of torchvision that nobody asked for
        before = logging.getLogger("torch.onnx").level
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                _embedding(retriever),
                (ids, mask),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_shapes=dict.fromkeys(INPUTS, axes),
                dynamo=True,
                verbose=False,
            )
        finally:
            logging.getLogger("torch.onnx").setLevel(before)
    assert program is not None
    program.save(folder / ONNX_FILE)


def _embedding(retriever: Retriever) -> Any:
    """The encoder and its normalisation as one module."""
    import torch

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = retriever.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            pooled = encode(self.model, input_ids, attention_mask, retriever.settings.pooling)
            return torch.nn.functional.normalize(pooled, dim=1)

    return Embedding().eval()
