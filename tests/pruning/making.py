"""Models small enough to be computed twice, what of them is kept, gates, and blocks of tokens without a tokenizer."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from drama_train.pretraining.tokens import LanguageTokens, Tokens
from drama_train.pruning.masks import Keep, Masks, choose
from drama_train.pruning.plain_scores import random
from drama_train.pruning.shape import Shape, shape_of

Family = Literal["llama", "mistral", "qwen3"]
FAMILIES: Sequence[Family] = ("llama", "mistral", "qwen3")
SHAPE = Shape(3, 24, 8, 4, 40)
HEAD_DIM, VOCABULARY = 4, 50


def make_model(
    family: Family = "llama",
    *,
    shape: Shape = SHAPE,
    tied: bool = True,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    **settings: Any,
) -> Any:
    """Of random weights, norms too, large enough that what a unit does is seen; attention as wide as heads x HEAD_DIM."""
    import transformers

    torch.manual_seed(seed)
    prefix = {"llama": "Llama", "mistral": "Mistral", "qwen3": "Qwen3"}[family]
    if family == "qwen3":
        types = ["full_attention", "sliding_attention", "full_attention", "full_attention"]
        settings = {"use_sliding_window": True, "sliding_window": 4, "layer_types": types[: shape.layers]} | settings
    if family == "mistral":
        settings = {"sliding_window": 5} | settings
    config = getattr(transformers, f"{prefix}Config")(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=HEAD_DIM,
        max_position_embeddings=64,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
        **settings,
    )
    model = getattr(transformers, f"{prefix}ForCausalLM")(config).to(dtype).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def random_keep(config: Any, target: Shape, kv_heads: int, seed: int = 0) -> Keep:
    """kv_heads: of the config."""
    return choose(random(config, kv_heads, seed), shape_of(config), target, kv_heads)


def soft_gates(config: Any, seed: int = 0, dtype: torch.dtype = torch.float64) -> Masks:
    """Between 0.3 and 1.2, which is far from 1 and never 0."""
    draw, shape = torch.Generator().manual_seed(seed), shape_of(config)

    def gate(*size: int) -> Tensor:
        return (0.3 + 0.9 * torch.rand(*size, generator=draw, dtype=torch.float64)).to(dtype)

    return Masks(
        gate(shape.layers),
        gate(shape.hidden),
        gate(shape.layers, shape.heads),
        gate(shape.layers, shape.intermediate),
    )


def ids_of(rows: int = 2, length: int = 9, *, seed: int = 0, vocabulary: int = VOCABULARY) -> Tensor:
    return torch.randint(vocabulary, (rows, length), generator=torch.Generator().manual_seed(seed))


def make_tokens(
    blocks: int = 24, *, block: int = 12, languages: Sequence[str] = ("de", "en"), vocabulary: int = VOCABULARY
) -> Tokens:
    """Blocks in which each token follows from the one before, one time in ten at random: something to learn."""
    draw = np.random.default_rng(0)

    def rows(count: int, step: int) -> Any:
        made = np.zeros((count, block), np.uint32)
        made[:, 0] = draw.integers(vocabulary, size=count)
        for at in range(1, block):
            follows = (made[:, at - 1] * 3 + step) % vocabulary
            made[:, at] = np.where(draw.random(count) < 0.1, draw.integers(vocabulary, size=count), follows)
        return made

    made = {
        name: LanguageTokens(name, rows(blocks, step), rows(4, step), blocks)
        for step, name in enumerate(languages, start=1)
    }
    return Tokens(made, block, "key")
