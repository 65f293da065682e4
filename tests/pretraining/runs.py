"""Pre-training runs small enough to be made twice."""

import os
from pathlib import Path
from typing import Any

import torch

from drama_train.__main__ import main
from drama_train.language_model import LanguageModel, load_language_model
from drama_train.pretraining.plan import Plan
from drama_train.pretraining.tokens import Tokens, tokenized
from drama_train.pretraining.trainer import Work
from drama_train.training.checkpoints import MODEL, find
from drama_train.training.mixture import Mixture
from drama_train.training.run_log import read_log
from tests.pretraining.making import as_texts, documents
from tests.training.making import with_wide_norms

BLOCK = 32
PLAN = Plan(
    length=BLOCK,
    batch=4,
    steps=8,
    lr=1e-3,
    warmup_steps=1,
    weight_decay=0.0,
    clip=1.0,
    evaluate_every=2,
    heldout_blocks=2,
    patience=None,
    seed=0,
    budget=2 * BLOCK,
)


FLAGS = "--length 32 --batch 4 --steps 4 --evaluate-every 2 --heldout 0.2 --heldout-blocks 2 --device cpu".split()


def open_tokens(folder: Path, model: Path) -> Tokens:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return tokenized(folder, [as_texts(documents(40))], tokenizer, block=BLOCK, heldout=0.2)


def work_of(folder: Path, tokens: Tokens, model: Path, plan: Plan = PLAN, **more: Any) -> Work:
    """From the last checkpoint, where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    last = find(folder / "checkpoints", "last")
    read = load_language_model(str(last / MODEL if last else model))
    mixture = Mixture(tokens.streams(None, 1.0), plan.batch, plan.seed, homogeneous=False)
    return Work(folder, plan, read, tokens, mixture, **more)


def tiny_causal(*, tied: bool = True, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
    """Two layers with grouped queries and a head; in float64 its norms are too."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
    )
    return with_wide_norms(LlamaForCausalLM(config).to(dtype).train())


def weights_of(model: LanguageModel | Any) -> dict[str, torch.Tensor]:
    module = model.model if isinstance(model, LanguageModel) else model
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def losses_of(folder: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_log(folder) if "loss" in line]


def heldout_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [(line["step"], line["heldout"]) for line in read_log(folder) if "heldout" in line]


def random_blocks(count: int, seed: int) -> torch.Tensor:
    """(count, 9) ids of tiny_causal's vocabulary."""
    return torch.randint(60, (count, 9), generator=torch.Generator().manual_seed(seed))


def alone_on_one_thread() -> dict[str, str]:
    """The environment of a program of its own."""
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def flags_of(texts: Path, model: Path, out: Path) -> list[str]:
    """Of the command, for four steps."""
    return ["--texts", str(texts), "--model", str(model), "--out", str(out), *FLAGS]


def run_pretrain(*given: str) -> int:
    return main(["pretrain", *given])
