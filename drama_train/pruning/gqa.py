"""Grouped queries: kv heads repeated, which changes no output, so that heads can be cut with their own."""

from copy import deepcopy
from typing import Any


def expanded(model: Any, factor: int) -> Any:
    """The model with each kv head `factor` times; the model itself where that is 1. It computes the same, but rounding.

    All other weights are the model's own and no copies: who trains the one trains the other. ValueError where the heads
    of a kv head cannot be shared by so many.
    """
    config = model.config
    group = config.num_attention_heads // config.num_key_value_heads
    if group % factor:
        raise ValueError(f"{group} heads of a kv head cannot be shared by {factor}")
    if factor == 1:
        return model
    new = deepcopy(config)
    new.num_key_value_heads = config.num_key_value_heads * factor
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith((".k_proj.weight", ".v_proj.weight")):
            # heads share kv heads in order: number 0 .. group - 1 have the first
            by_head = tensor.view(config.num_key_value_heads, -1, tensor.shape[1])
            state[name] = by_head.repeat_interleave(factor, dim=0).reshape(-1, tensor.shape[1])
    return with_weights(model, new, state)


def with_weights(model: Any, config: Any, state: dict[str, Any]) -> Any:
    """A model of the same class, config and weights given, in the same type and place, as `model` trains or not."""
    import torch

    with torch.device("meta"):  # no weights are drawn, nor held, that are replaced at once
        new = type(model)(config)
    new.load_state_dict(state, strict=True, assign=True)
    new.tie_weights()
    for name, buffer in list(new.named_buffers()):
        if buffer.is_meta:  # angles of rotary embeddings: no weights, and the same for heads as wide
            module, _, own = name.rpartition(".")
            new.get_submodule(module).register_buffer(own, model.get_buffer(name).clone(), persistent=False)
    new.generation_config = deepcopy(model.generation_config)
    return new.to(model.device).train(model.training)
