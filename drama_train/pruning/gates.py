"""Hard-concrete gates over the units of a model: what l0 learns (DRAMA 3.2; Louizos et al. 2018; Xia et al. 2024).

Each gate has a log-odds a. A sample is z = clip(s * (zeta - gamma) + gamma, 0, 1), s = sigmoid((logit(u) + a) / beta),
u uniform; it is above 0 with probability p(a) = 1 - sigmoid(beta * ln(-gamma / zeta) - a), and 1 - p is the sparsity
that is held to a target.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from builders.cli.errors import UserError
from drama_train.pruning.masks import Keep, Masks, Scores, choose
from drama_train.pruning.shape import Shape

if TYPE_CHECKING:
    from torch import Tensor

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
LIMIT = math.log(100)  # log-odds beyond it saturate
_EDGE = 1e-6  # of the uniform noise and of probabilities
_START, _SPREAD = 5.0, 0.01
_SOFT = 0.8  # of the deterministic gate's slope


def alive(log_odds: "Tensor") -> "Tensor":
    """P(z > 0)."""
    return (1 - torch.sigmoid(BETA * math.log(-GAMMA / ZETA) - log_odds)).clamp(_EDGE, 1 - _EDGE)


def sampled(log_odds: "Tensor", generator: "torch.Generator") -> "Tensor":
    """A sample of each gate."""
    noise = torch.rand(log_odds.shape, generator=generator, device=log_odds.device) * (1 - 2 * _EDGE) + _EDGE
    s = torch.sigmoid((noise.log() - (1 - noise).log() + log_odds) / BETA)
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def soft(log_odds: "Tensor") -> "Tensor":
    """The deterministic gate of a unit that is kept: 0.996 at most."""
    return torch.sigmoid(log_odds * _SOFT / BETA)


def bounds() -> tuple[float, float]:
    """The least and the most sparsity that gates reach: 0.2 % and 95.3 %."""
    least, most = (float(1 - alive(torch.tensor(edge))) for edge in (LIMIT, -LIMIT))
    return least, most


class Gates(nn.Module):
    """Log-odds of every family that the target makes smaller; the others are whole. Float32.

    layer (L,), hidden (D,), group (L, K): kv heads after expansion, with their heads; head (L, H): inside of a group
    that stays; intermediate (L, M).
    """

    def __init__(self, source: Shape, target: Shape, kv_heads: int, seed: int) -> None:
        super().__init__()
        self.source, self.target, self.kv_heads = source, target, kv_heads
        self.kept = {  # the part of each family that stays
            "layer": target.layers / source.layers,
            "hidden": target.hidden / source.hidden,
            "group": target.kv_heads / kv_heads,
            "head": target.group * kv_heads / source.heads,
            "intermediate": target.intermediate / source.intermediate,
        }
        sizes = {
            "layer": (source.layers,),
            "hidden": (source.hidden,),
            "group": (source.layers, kv_heads),
            "head": (source.layers, source.heads),
            "intermediate": (source.layers, source.intermediate),
        }
        generator = torch.Generator().manual_seed(seed)
        self.log_odds = nn.ParameterDict(
            {
                name: nn.Parameter(_START + _SPREAD * torch.randn(size, generator=generator))
                for name, size in sizes.items()
                if self.kept[name] < 1
            }
        )
        self.clamp()

    @property
    def families(self) -> list[str]:
        return list(self.log_odds)

    def clamp(self) -> None:
        """Keep log-odds where their gradient lives; after each step of the optimizer."""
        with torch.no_grad():
            for one in self.log_odds.values():
                one.clamp_(-LIMIT, LIMIT)

    def sample(self, generator: "torch.Generator") -> Masks:
        """A sample of all gates, as `masked` takes them."""
        return self._masks({name: sampled(one, generator) for name, one in self.log_odds.items()})

    def sparsity(self) -> "dict[str, Tensor]":
        """Of each family, the expected part that is 0: a scalar, or (L,) of families that every layer has."""
        return {name: 1 - alive(one).mean(-1) for name, one in self.log_odds.items()}

    def targets(self) -> dict[str, float]:
        """What the sparsity of each family is to be: that of gates all open or shut, as many as stay and go.

        The published code asks for the part that goes. Gates that are open or shut never have that, since none is
        so for sure; the multipliers then grow on, until they shut a unit too many.
        """
        least, most = bounds()
        return {name: self.kept[name] * least + (1 - self.kept[name]) * most for name in self.families}

    def scores(self) -> Scores:
        """Log-odds, and equal ones where a family is whole."""
        source = self.source
        sizes = {
            "layer": (source.layers,),
            "hidden": (source.hidden,),
            "group": (source.layers, self.kv_heads),
            "head": (source.layers, source.heads),
            "intermediate": (source.layers, source.intermediate),
        }
        found = {
            name: self.log_odds[name].detach().cpu() if name in self.log_odds else torch.zeros(size)
            for name, size in sizes.items()
        }
        return Scores(**found)

    def keep(self) -> Keep:
        """The final cut: exactly the target."""
        return choose(self.scores(), self.source, self.target, self.kv_heads)

    def soft(self) -> Masks:
        """Deterministic gates of all units, none of them 0."""
        with torch.no_grad():
            return self._masks({name: soft(one) for name, one in self.log_odds.items()})

    def _masks(self, gates: "dict[str, Tensor]") -> Masks:
        """Gates of kv heads and of heads inside them make one of heads."""
        group, head = gates.get("group"), gates.get("head")
        if group is not None:
            by_head = group.repeat_interleave(self.source.heads // self.kv_heads, dim=1)
            head = by_head if head is None else head * by_head
        return Masks(gates.get("layer"), gates.get("hidden"), head, gates.get("intermediate"))


def check_reachable(source: Shape, target: Shape, kv_heads: int) -> None:
    """UserError where the gates of a family cannot become so sparse, or so little, or there is nothing to cut."""
    least, most = bounds()
    gates = Gates(source, target, kv_heads, 0)
    if not gates.families:
        raise UserError(
            f"The shape {target} takes nothing away, so that l0 has nothing to learn: give a smaller one, or --pick "
            "importance.",
            exit_code=2,
        )
    for name in gates.families:
        sparsity = 1 - gates.kept[name]
        if not least <= sparsity <= most:
            raise UserError(
                f"The shape {target} takes away {sparsity:.1%} of {name}, and gates reach {least:.1%} to {most:.1%}: "
                "cut in --hops, take another shape, or --pick importance.",
                exit_code=2,
            )
