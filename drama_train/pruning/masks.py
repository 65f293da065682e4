"""What of a model stays: masks over its units, the units that are kept, and the choice of them by scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drama_train.pruning.shape import Shape, shape_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Masks:
    """Gates by which units are multiplied, 0 is gone; None where a family is whole. L layers, H heads, float32."""

    layer: "Tensor | None" = None
    """(L,): of attention and MLP of a block alike."""
    hidden: "Tensor | None" = None
    """(D,): dimensions of the residual stream."""
    head: "Tensor | None" = None
    """(L, H)."""
    intermediate: "Tensor | None" = None
    """(L, M)."""


@dataclass(frozen=True)
class Scores:
    """What is kept first: the higher, the longer. group: of the kv heads with all their heads."""

    layer: "Tensor"
    """(L,)."""
    hidden: "Tensor"
    """(D,)."""
    group: "Tensor"
    """(L, K), K being the kv heads after expansion."""
    head: "Tensor"
    """(L, H)."""
    intermediate: "Tensor"
    """(L, M)."""


@dataclass(frozen=True)
class Keep:
    """The units that stay, by their numbers in the source, ascending."""

    layers: tuple[int, ...]
    hidden: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]
    """Of each kept layer."""
    intermediate: tuple[tuple[int, ...], ...]
    """Of each kept layer."""

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "layers": list(self.layers),
            "hidden": list(self.hidden),
            "heads": [list(one) for one in self.heads],
            "intermediate": [list(one) for one in self.intermediate],
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Keep":
        """From its facts."""
        heads, intermediate = (tuple(map(tuple, facts[name])) for name in ("heads", "intermediate"))
        return cls(tuple(facts["layers"]), tuple(facts["hidden"]), heads, intermediate)


def choose(scores: Scores, source: Shape, target: Shape, kv_heads: int) -> Keep:
    """The best by their scores, exactly as many as the target has. kv_heads: of the source, after expansion.

    Every layer keeps as many kv heads as the others, and every kept kv head as many of its heads.
    """
    layers = best(scores.layer, target.layers)
    group = source.heads // kv_heads
    heads = []
    for layer in layers:
        kept = best(scores.group[layer], target.kv_heads)
        of_group = scores.head[layer].view(kv_heads, group)
        heads.append([number * group + head for number in kept for head in best(of_group[number], target.group)])
    return Keep(
        tuple(layers),
        tuple(best(scores.hidden, target.hidden)),
        tuple(tuple(one) for one in heads),
        tuple(tuple(best(scores.intermediate[layer], target.intermediate)) for layer in layers),
    )


def best(scores: "Tensor", k: int) -> list[int]:
    """The places of the k highest of (N,), ascending; of equal ones the first. ValueError where one is no number."""
    if scores.isnan().any():
        raise ValueError("a score is no number")
    order: list[int] = scores.double().argsort(descending=True, stable=True)[:k].tolist()
    return sorted(order)


def masks_of(keep: Keep, config: Any, gates: Masks | None = None) -> Masks:
    """Masks of the source that leave `keep`: 1, or the gate where `gates` are given, and 0 elsewhere.

    In the gates' type and on their device.
    """
    import torch

    source, given = shape_of(config), gates or Masks()
    gate = next((one for one in (given.layer, given.hidden, given.head, given.intermediate) if one is not None), None)
    zeros = torch.zeros if gate is None else gate.new_zeros
    hidden, layer = zeros(source.hidden), zeros(source.layers)
    head, intermediate = zeros(source.layers, source.heads), zeros(source.layers, source.intermediate)
    hidden[list(keep.hidden)] = 1
    layer[list(keep.layers)] = 1
    for number, heads, dims in zip(keep.layers, keep.heads, keep.intermediate, strict=True):
        head[number, list(heads)] = 1
        intermediate[number, list(dims)] = 1
    return Masks(
        layer if given.layer is None else layer * given.layer,
        hidden if given.hidden is None else hidden * given.hidden,
        head if given.head is None else head * given.head,
        intermediate if given.intermediate is None else intermediate * given.intermediate,
    )


def everything(config: Any) -> Keep:
    """All that the model has."""
    shape = shape_of(config)
    return Keep(
        _numbers(shape.layers),
        _numbers(shape.hidden),
        (_numbers(shape.heads),) * shape.layers,
        (_numbers(shape.intermediate),) * shape.layers,
    )


def _numbers(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def kept_groups(heads: Sequence[int], group: int) -> list[int]:
    """The kv heads of these heads. ValueError where one has more of its heads than another."""
    counts: dict[int, int] = {}
    for head in heads:
        counts[head // group] = counts.get(head // group, 0) + 1
    if len(set(counts.values())) > 1:
        raise ValueError(f"kv heads keep unequal numbers of heads: {counts}")
    return sorted(counts)
