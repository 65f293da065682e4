"""What holds the gates to the target: a penalty whose multipliers are maximised (DRAMA 3.2; Xia et al. 2024).

On fractions and not on counts, which differ by orders of magnitude between families: the published code does so too,
where the paper writes counts. It begins both multipliers at 0 and raises them by Adam, one size of step however far the
target is: gates then overshoot, and swing for some 200 steps. Here they rise by what is missed, and the quadratic one
holds from the start: the augmented Lagrangian (Nocedal & Wright 2006, 17.3).
"""

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


_HOLD = 200.0  # of the quadratic multiplier: nats for a whole family; 0.05 beside the target costs half a nat


class Multipliers(nn.Module):
    """A linear and a quadratic multiplier of each family, float32."""

    def __init__(self, families: list[str]) -> None:
        super().__init__()
        self.linear = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in families})
        self.quadratic = nn.ParameterDict({name: nn.Parameter(torch.tensor(_HOLD)) for name in families})

    def penalty(self, sparsity: "Mapping[str, Tensor]", targets: "Mapping[str, float]") -> "Tensor":
        """Over families, the mean over layers of linear * (s - t) + quadratic * (s - t) ** 2."""
        parts = []
        for name, found in sparsity.items():
            beside = found - targets[name]
            parts.append((self.linear[name] * beside + self.quadratic[name] * beside**2).mean())
        return torch.stack(parts).sum()

    def rise(self, rate: float) -> None:
        """Up their gradients, which are what is missed, and its square."""
        with torch.no_grad():
            for one in self.parameters():
                if one.grad is not None:
                    one.add_(one.grad, alpha=rate)


def target_at(step: int, warmup: int, targets: "Mapping[str, float]") -> dict[str, float]:
    """The targets of a step, 1 being the first: from 0, on a line, to all of them after `warmup` steps."""
    return {name: target * min(1.0, step / warmup) for name, target in targets.items()}
