"""Scores without a look at any text: what a pick is compared with."""

from typing import TYPE_CHECKING, Any

from drama_train.pruning.masks import Scores
from drama_train.pruning.shape import shape_of

if TYPE_CHECKING:
    from torch import Tensor


def magnitude(model: Any, kv_heads: int) -> Scores:
    """The L2 norm of all weights that a unit has, but those of norms. kv_heads: of the model, after expansion."""
    import torch

    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    outer = [embeddings] if head is embeddings else [embeddings, head]
    hidden = torch.stack([one.detach().double().square().sum(0) for one in outer]).sum(0)
    layers, heads, groups, intermediate = [], [], [], []
    for layer in model.model.layers:
        weight = {
            name.split(".")[-2]: parameter.detach().double().square() for name, parameter in layer.named_parameters()
        }
        reads = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
        hidden = hidden + sum(weight[name].sum(0) for name in reads)
        hidden = hidden + weight["o_proj"].sum(1) + weight["down_proj"].sum(1)
        of_head = (weight["q_proj"].sum(1) + weight["o_proj"].sum(0)).view(model.config.num_attention_heads, -1).sum(1)
        of_kv = (weight["k_proj"].sum(1) + weight["v_proj"].sum(1)).view(model.config.num_key_value_heads, -1).sum(1)
        of_kv = of_kv.repeat_interleave(kv_heads // len(of_kv))
        heads.append(of_head)
        groups.append(of_head.view(kv_heads, -1).sum(1) + of_kv)
        intermediate.append(weight["gate_proj"].sum(1) + weight["up_proj"].sum(1) + weight["down_proj"].sum(0))
        layers.append(torch.stack([one.sum() for one in weight.values()]).sum())
    sums = (torch.stack(layers), hidden, torch.stack(groups), torch.stack(heads), torch.stack(intermediate))
    return Scores(*(one.sqrt().cpu() for one in sums))


def random(config: Any, kv_heads: int, seed: int) -> Scores:
    """Uniform in [0, 1)."""
    import torch

    source = shape_of(config)
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> "Tensor":
        return torch.rand(*size, generator=generator)

    return Scores(
        draw(source.layers),
        draw(source.hidden),
        draw(source.layers, kv_heads),
        draw(source.layers, source.heads),
        draw(source.layers, source.intermediate),
    )
