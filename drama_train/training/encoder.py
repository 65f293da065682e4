"""A stock decoder as a text encoder: attention both ways or causal, mean or EOS pooling (DRAMA 4.4, table 5)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from builders.cli.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

Attention = Literal["bidirectional", "causal"]
Pooling = Literal["mean", "eos"]

# Families whose stock model obeys `config.is_causal`; tests/training/test_encoder.py asserts the behaviour of each.
FAMILIES = ("llama", "mistral", "qwen3")


def load_backbone(
    source: str, attention: Attention, dtype: "torch.dtype | None" = None, layers: int | None = None
) -> "PreTrainedModel":
    """The model of a folder or Hub id without its language-model head, in float32 where `dtype` is not given.

    Bidirectional is `config.is_causal = False` on the plain class: no remote code. layers: only the first so many.
    UserError where the model is of another family, is quantised, has fewer layers, cannot be read, or does not hold
    what its config.json says.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as fault:
        raise UserError(
            f"The model {source} cannot be read ({_first_line(fault)}): give a folder or a Hub id."
        ) from None
    _check_config(source, config, layers)
    config.is_causal = attention == "causal"
    if layers is not None:
        config.num_hidden_layers = layers
        if getattr(
            config, "layer_types", None
        ):  # Qwen3's names the attention of each layer, and is saved if they match
            config.layer_types = config.layer_types[:layers]
    model: PreTrainedModel
    try:
        with _quiet():
            model, loaded = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=dtype or torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as fault:
        raise UserError(
            f"The weights of {source} cannot be read ({_first_line(fault)}): fetch or convert the model again, to "
            "safetensors."
        ) from None
    _check_weights(source, model, loaded)
    return model


def _check_config(source: str, config: Any, layers: int | None) -> None:
    if config.model_type not in FAMILIES:
        raise UserError(
            f"The model {source} is a {config.model_type}: give a {', '.join(FAMILIES[:-1])} or {FAMILIES[-1]} model."
        )
    if (quantised := getattr(config, "quantization_config", None)) is not None:
        method = quantised.get("quant_method", "in some way") if isinstance(quantised, dict) else "in some way"
        raise UserError(f"The weights of {source} are quantised ({method}): give the model that they were made from.")
    if layers is not None and layers > config.num_hidden_layers:
        raise UserError(
            f"The model {source} has {config.num_hidden_layers} layers, and --layers asks for {layers}: give no more.",
            exit_code=2,
        )


def _check_weights(source: str, model: "PreTrainedModel", loaded: dict[str, Any]) -> None:
    """Everything that the config asks for is there, in its shape, and a number."""
    if missing := sorted(loaded["missing_keys"]):
        raise UserError(
            f"The weights of {source} lack {len(missing)} tensors that its config.json asks for, such as {missing[0]}: "
            "fetch or convert the model again."
        )
    if wrong := sorted(loaded["mismatched_keys"]):
        name, found, asked = wrong[0]
        raise UserError(
            f"{name} of {source} is {' x '.join(map(str, found))} in its weights and {' x '.join(map(str, asked))} by "
            "its config.json: fetch or convert the model again."
        )
    if bad := next((name for name, one in model.named_parameters() if not one.isfinite().all()), None):
        raise UserError(f"{bad} of {source} holds NaN or infinity: take an earlier checkpoint, or fetch it again.")


def _first_line(fault: BaseException) -> str:
    return str(fault).strip().split("\n")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers lists the weights that it does not need here: the head, and the layers after the first so many."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


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

    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[at, : len(row)] = 1
    return ids.to(device), mask.to(device)


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
