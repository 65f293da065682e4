"""A short run of l0 over blocks that can be learned; as a program, one that can be killed.

python -m tests.pruning.learning FOLDER: learns into the folder, and writes the end into FOLDER/end.safetensors.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drama_train.pruning import l0
from drama_train.pruning.gates import Gates
from drama_train.pruning.l0 import GatedModel, L0Plan
from drama_train.pruning.learning import L0Work, learn
from drama_train.pruning.shape import Shape
from drama_train.training.mixture import Mixture
from tests.pruning.making import SHAPE, make_model, make_tokens

PLAN = L0Plan(45, 4, 0, lr=1e-3, mask_lr=2.5, sparsity_warmup=0.9)  # as short as is not refused
TARGET = Shape(2, 15, 2, 2, 21)
FACTS = {"source": {"id": "tiny"}, "shape": str(TARGET), "weights": (1, 2)}


@contextmanager
def any_steps() -> Iterator[None]:
    """Plans too short to reach a target are not refused: resuming is the same in twelve steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(l0, "_LEAST_WAY", 0)
        patch.setattr(l0, "_LEAST_WARMUP", 1)
        yield


def make_work(folder: Path, plan: L0Plan = PLAN, *, checkpoint_every: int = 10, **facts: Any) -> L0Work:
    tokens = make_tokens()
    gated = GatedModel(make_model(dtype=torch.float32), Gates(SHAPE, TARGET, SHAPE.kv_heads, plan.seed))
    mixture = Mixture(tokens.streams(None, 1.0), plan.batch, plan.seed, homogeneous=False)
    return L0Work(folder, plan, gated, tokens, mixture, FACTS | facts, checkpoint_every)


def weights(work: L0Work) -> dict[str, Tensor]:
    """Of the model, the gates and the multipliers."""
    return {name: one.detach().clone() for name, one in work.gated.named_parameters()}


if __name__ == "__main__":
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    made = make_work(Path(sys.argv[1]), checkpoint_every=5)
    learn(made)
    save_file(weights(made), Path(sys.argv[1]) / "end.safetensors")
