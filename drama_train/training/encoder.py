"""A stock decoder as a text encoder: attention both ways or causal, mean or EOS pooling (DRAMA 4.4, table 5)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from builders.cli.errors import UserError
from drama_train.loading import read_config, read_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

Attention = Literal["bidirectional", "causal"]
Pooling = Literal["mean", "eos"]


def load_backbone(
    source: str, attention: Attention, dtype: "torch.dtype | None" = None, layers: int | None = None
) -> "PreTrainedModel":
    """The model of a folder or Hub id without its language-model head, in float32 where `dtype` is not given.

    Bidirectional is `config.is_causal = False` on the plain class: no remote code. layers: only the first so many.
    UserError where the model has fewer layers, or cannot be read or used, as drama_train/loading.py tells.
    """
    from transformers import AutoModel

    config = read_config(source)
    if layers is not None and layers > config.num_hidden_layers:
        raise UserError(
            f"The model {source} has {config.num_hidden_layers} layers, and --layers asks for {layers}: give no more.",
            exit_code=2,
        )
    config.is_causal = attention == "causal"
    if layers is not None:
        config.num_hidden_layers = layers
        # Qwen3's names the attention of each layer, and is saved if they match
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layers]
    return read_weights(source, config, AutoModel, dtype)


def token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """BOS + text + EOS of each text, at most `max_length` tokens; a long text is cut before its EOS.

    A tokenizer without BOS begins with the text. Llama 3's adds no EOS by itself, and leaving it out changes every
    vector without a word. ValueError where there is no EOS.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no EOS token, which ends every text")
    first = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    room = max_length - len(first) - 1
    if room < 1:
        raise ValueError(f"max_length {max_length} leaves no room for a text")
    encoded = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=room)["input_ids"]
    return [[*first, *ids, tokenizer.eos_token_id] for ids in encoded]


def padded(rows: Sequence[Sequence[int]], pad: int, device: "torch.device | str" = "cpu") -> "tuple[Tensor, Tensor]":
    """(token ids, mask), both (B, T), padded on the right; the mask is 1 at tokens."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, pad, dtype=torch.long)
    ids[mask] = torch.tensor([token for row in rows for token in row], dtype=torch.long)
    return ids.to(device), mask.long().to(device)


def pool(states: "Tensor", mask: "Tensor", pooling: Pooling) -> "Tensor":
    """(B, T, D) states, (B, T) mask -> (B, D), float32 or wider: their mean over tokens, or that of the last token.

    Padding may be on either side.
    """
    import torch

    states = states.float() if states.dtype in (torch.bfloat16, torch.float16) else states
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    places = torch.arange(mask.shape[1], device=mask.device)
    last = (mask * (places + 1)).argmax(1)
    return states[torch.arange(states.shape[0], device=states.device), last]


def encode(model: Any, ids: "Tensor", mask: "Tensor", pooling: Pooling) -> "Tensor":
    """(B, T) -> (B, D), float32 or wider, before normalisation: the loss cuts to a dimension first, then normalises."""
    return pool(model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state, mask, pooling)
