"""Grouped queries: kv heads repeated, which changes no output, so that heads can be cut with their own."""

from copy import deepcopy
from typing import Any


def expanded(model: Any, factor: int) -> Any:
    """The model with each kv head `factor` times; the model itself where that is 1. Its outputs are equal.

    ValueError where the heads of a kv head cannot be shared by so many.
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
    new = type(model)(config)
    new.load_state_dict(state, strict=True, assign=True)
    new.tie_weights()
    new.generation_config = deepcopy(model.generation_config)
    return new.to(model.device).train(model.training)
