"""Scores of a model's units from forward passes alone: minutes on a CPU (Minitron, Muralidharan et al. 2024).

A unit's score is the L2 norm over texts of its mean absolute activation; a layer's is how far it turns the residual
stream (block influence, Men et al. 2024).
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from drama_train.pruning.masks import Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def importance(model: Any, batches: "Iterable[Tensor]", kv_heads: int) -> Scores:
    """Scores from (B, T) batches of tokens, without padding. kv_heads: of the model, after expansion.

    Activations are taken where a mask would act: hidden dimensions at the outputs of both norms of a layer, summed over
    all; heads at o_proj's input, over their dimensions; intermediate dimensions at down_proj's input. ValueError
    without a batch.
    """
    import torch

    backbone = model.model
    statistics = _Statistics(backbone, model.device)
    handles = list(statistics.attach())
    try:
        with torch.inference_mode():
            for ids in batches:
                backbone(input_ids=ids.to(model.device), use_cache=False)
                statistics.texts += len(ids)
    finally:
        for handle in handles:
            handle.remove()
    if not statistics.texts:
        raise ValueError("no text to score units by")
    return statistics.scores(kv_heads)


class _Statistics:
    """Sums of squares over texts, on the model's device, float64 where they are read."""

    def __init__(self, backbone: Any, device: "torch.device") -> None:
        import torch

        config = backbone.config
        count, width = config.num_hidden_layers, config.intermediate_size
        self.backbone = backbone
        self.texts = 0
        self.norms = torch.zeros(2 * count, config.hidden_size, device=device)
        self.heads = torch.zeros(count, backbone.layers[0].self_attn.o_proj.in_features, device=device)
        self.intermediate = torch.zeros(count, width, device=device)
        self.turned = torch.zeros(count, device=device)

    def attach(self) -> Iterable[Any]:
        for number, layer in enumerate(self.backbone.layers):
            yield layer.input_layernorm.register_forward_hook(_output(self.norms[2 * number]))
            yield layer.post_attention_layernorm.register_forward_hook(_output(self.norms[2 * number + 1]))
            yield layer.self_attn.o_proj.register_forward_pre_hook(_input(self.heads[number]))
            yield layer.mlp.down_proj.register_forward_pre_hook(_input(self.intermediate[number]))
            yield layer.register_forward_hook(_turn(self.turned, number))

    def scores(self, kv_heads: int) -> Scores:
        count = len(self.turned)
        by_head = self.heads.double().view(count, self.backbone.config.num_attention_heads, -1).sum(2)
        by_group = by_head.view(count, kv_heads, -1).sum(2)
        return Scores(
            layer=(self.turned / self.texts).cpu(),
            hidden=self.norms.double().sqrt().sum(0).cpu(),
            group=by_group.sqrt().cpu(),
            head=by_head.sqrt().cpu(),
            intermediate=self.intermediate.double().sqrt().cpu(),
        )


def _add(total: "Tensor", activations: "Tensor") -> None:
    """(B, T, N): the mean over tokens, squared, summed over texts."""
    total += activations.float().abs().mean(1).square().sum(0)


def _input(total: "Tensor") -> Callable[..., None]:
    return lambda _module, args: _add(total, args[0])


def _output(total: "Tensor") -> Callable[..., None]:
    return lambda _module, _args, output: _add(total, output)


def _turn(total: "Tensor", number: int) -> Callable[..., None]:
    from torch.nn.functional import cosine_similarity

    def after(_module: Any, args: tuple[Any, ...], output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        total[number] += (1 - cosine_similarity(args[0].float(), states.float(), dim=-1)).mean(1).sum()

    return after
