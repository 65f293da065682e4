"""A stock decoder with some of its units masked: hooks while the context lasts, and the model as it was afterwards.

A dead dimension of the residual stream is exactly 0 everywhere, and RMSNorm takes its mean over the live ones alone, so
that a masked model computes what the sliced one does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drama_train.pruning.masks import Masks

if TYPE_CHECKING:
    from torch import Tensor

Hook = Callable[..., Any]


@contextmanager
def masked(model: Any, masks: Masks) -> Iterator[Any]:
    """The model, with or without language-model head, under the masks. Gradients flow into them."""
    backbone = getattr(model, "model", model)
    handles = []
    try:
        for module, before, after in _places(backbone, masks):
            if before is not None:
                handles.append(module.register_forward_pre_hook(before))
            if after is not None:
                handles.append(module.register_forward_hook(after))
        yield model
    finally:
        for handle in handles:
            handle.remove()


def _places(backbone: Any, masks: Masks) -> Iterator[tuple[Any, Hook | None, Hook | None]]:
    """(module, what its input is multiplied by, what its output is)."""
    hidden = masks.hidden
    if hidden is not None:
        yield backbone.embed_tokens, None, _output_times(hidden)
        yield backbone.norm, *_live_norm(hidden)
    for number, layer in enumerate(backbone.layers):
        if hidden is not None:
            yield layer.input_layernorm, *_live_norm(hidden)
            yield layer.post_attention_layernorm, *_live_norm(hidden)
        factors = [one for one in (masks.layer[number] if masks.layer is not None else None, hidden) if one is not None]
        out = _output_times(*factors) if factors else None
        attention, mlp = layer.self_attn, layer.mlp
        heads = None
        if masks.head is not None:
            heads = _input_times(masks.head[number].repeat_interleave(attention.head_dim))
        dims = _input_times(masks.intermediate[number]) if masks.intermediate is not None else None
        yield attention.o_proj, heads, out
        yield mlp.down_proj, dims, out


def _live_norm(hidden: "Tensor") -> tuple[Hook, Hook]:
    """The mean of squares over live dimensions: x is scaled so that the mean over all is theirs, and scaled back.

    In float64, or a model of that would be off by the rounding of the scale.
    """
    scale = (hidden.numel() / (hidden != 0).sum().clamp(min=1).double()).sqrt()
    return _input_times(scale), _output_times(hidden.double() / scale)


def _input_times(factor: "Tensor") -> Hook:
    def before(_module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return args[0] * factor.to(args[0]), *args[1:]

    return before


def _output_times(*factors: "Tensor") -> Hook:
    factor = factors[0] if len(factors) == 1 else factors[0] * factors[1]

    def after(_module: Any, _args: tuple[Any, ...], output: Any) -> Any:
        return output * factor.to(output)

    return after
