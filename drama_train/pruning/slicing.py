"""The units that are kept -> a plain smaller model. Its law: it computes what the masked source does (DRAMA 3.2)."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from drama_train.pruning.gqa import with_weights
from drama_train.pruning.masks import Keep, Masks, kept_groups
from drama_train.pruning.shape import head_dim_of

if TYPE_CHECKING:
    from torch import Tensor

_LAYER = "model.layers."


def sliced(model: Any, keep: Keep, gates: Masks | None = None) -> Any:
    """A model of the same class that has only what is kept; the source is left as it is.

    gates: soft ones, as `masked` takes them, are folded into the weights. The hidden gate belongs into the embeddings
    and not into the head, so that tied ones are untied then; without gates they stay tied.
    """
    check_sliceable(model)
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(_LAYER)}
    tied = bool(model.config.tie_word_embeddings) and (gates is None or gates.hidden is None)
    new = {name: _outer(name, tensor, keep, gates) for name, tensor in state.items()}
    for place, number in enumerate(keep.layers):
        for name, tensor in model.model.layers[number].state_dict().items():
            new[f"{_LAYER}{place}.{name}"] = _inner(name, tensor, place, model.config, keep, gates)
    return with_weights(model, _config_of(model.config, keep, new, tied), new)


def check_sliceable(model: Any) -> None:
    """UserError where a projection has a bias, which nothing here cuts."""
    biased = next((name for name, _ in model.named_parameters() if name.endswith(".bias")), None)
    if biased is not None:
        raise UserError(f"The model has {biased}, and pruning knows no biases: give a Llama without them.")


def _outer(name: str, tensor: "Tensor", keep: Keep, gates: Masks | None) -> "Tensor":
    """Embeddings, the last norm, the head: their hidden dimensions."""
    hidden = list(keep.hidden)
    cut = tensor[..., hidden]
    if name.startswith("lm_head") or gates is None or gates.hidden is None:
        return cut
    return cut * gates.hidden[hidden].to(cut)


def _inner(name: str, tensor: "Tensor", place: int, config: Any, keep: Keep, gates: Masks | None) -> "Tensor":
    """A tensor of the kept layer `place`: its rows and columns, and the gates of what it reads and writes."""
    hidden, dims, heads = list(keep.hidden), list(keep.intermediate[place]), list(keep.heads[place])
    group = config.num_attention_heads // config.num_key_value_heads
    head_dim = head_dim_of(config)
    part = name.split(".")[-2]
    if part in ("input_layernorm", "post_attention_layernorm"):
        return tensor[hidden] * _hidden_gate(gates, hidden, tensor)
    if part == "q_proj":
        return tensor[_rows(heads, head_dim)][:, hidden]
    if part in ("k_proj", "v_proj"):
        return tensor[_rows(kept_groups(heads, group), head_dim)][:, hidden]
    if part in ("gate_proj", "up_proj"):
        return tensor[dims][:, hidden]
    if part not in ("o_proj", "down_proj"):
        return tensor.clone()  # Qwen3's norms of queries and keys, over the dimensions of a head
    number = keep.layers[place]
    columns, gate = dims, gates.intermediate if gates else None
    if part == "o_proj":
        columns, gate = _rows(heads, head_dim), gates.head if gates else None
        gate = None if gate is None else gate.repeat_interleave(head_dim, dim=1)
    cut = tensor[hidden][:, columns]
    if gate is not None:
        cut = cut * gate[number][columns].to(cut)
    if gates is not None and gates.layer is not None:
        cut = cut * gates.layer[number].to(cut)
    return cut * _hidden_gate(gates, hidden, tensor)[:, None]


def _hidden_gate(gates: Masks | None, hidden: list[int], like: "Tensor") -> "Tensor":
    if gates is None or gates.hidden is None:
        return like.new_ones(len(hidden))
    return gates.hidden[hidden].to(like)


def _rows(heads: list[int], head_dim: int) -> list[int]:
    return [head * head_dim + dim for head in heads for dim in range(head_dim)]


def _config_of(config: Any, keep: Keep, state: "dict[str, Tensor]", tied: bool) -> Any:
    """The source's, with the sizes of the tensors."""
    new = deepcopy(config)
    first = f"{_LAYER}0."
    new.head_dim = head_dim_of(config)
    new.num_hidden_layers = sum(name.endswith(".self_attn.q_proj.weight") for name in state)
    new.num_attention_heads = state[first + "self_attn.q_proj.weight"].shape[0] // new.head_dim
    new.num_key_value_heads = state[first + "self_attn.k_proj.weight"].shape[0] // new.head_dim
    new.intermediate_size, new.hidden_size = state[first + "mlp.gate_proj.weight"].shape
    new.vocab_size = state["model.embed_tokens.weight"].shape[0]
    new.tie_word_embeddings = tied
    if getattr(config, "layer_types", None):
        new.layer_types = [config.layer_types[number] for number in keep.layers]
    return new
