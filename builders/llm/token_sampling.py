"""One token for each row, drawn so that a row's draws depend on nothing but the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from builders.llm.requests import Request

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Draw:
    """How one row is sampled, and its own stream of random numbers."""

    temperature: float
    top_p: float
    stream: "torch.Generator"


def draw_for(request: Request) -> Draw:
    """The stream is seeded by the request's seed and key, so rows that share a seed still differ."""
    import torch

    digest = blake2b(f"{request.seed}:{request.key}".encode(), digest_size=8).digest()
    stream = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    return Draw(request.sampling.temperature, request.sampling.top_p, stream)


def choose(logits: "torch.Tensor", draws: Sequence[Draw]) -> "torch.Tensor":
    """logits: B V, float32, on any device. Returns B token ids on the CPU.

    Temperature 0 takes the likeliest token. Otherwise one uniform number a row and step picks from the nucleus: the
    likeliest tokens that together reach top_p, and at least one.
    """
    import torch

    chosen = logits.argmax(dim=-1).cpu()  # B
    warm = [row for row, draw in enumerate(draws) if draw.temperature > 0]
    if not warm:
        return chosen
    temperatures = torch.tensor([[draws[row].temperature] for row in warm], device=logits.device)
    probabilities, order = (logits[warm] / temperatures).softmax(dim=-1).sort(dim=-1, descending=True)  # W V
    mass = probabilities.cumsum(dim=-1)
    top_p = torch.tensor([[draws[row].top_p] for row in warm], device=logits.device)
    kept = ((mass - probabilities) < top_p).sum(dim=-1, keepdim=True).clamp(min=1)  # W 1
    # The numbers are drawn on the CPU, so that they are the same on every device.
    uniform = torch.stack([torch.rand(1, generator=draws[row].stream) for row in warm]).to(logits.device)  # W 1
    target = uniform * mass.gather(1, kept - 1)
    rank = torch.searchsorted(mass, target).clamp(max=kept - 1)
    chosen[warm] = order.gather(1, rank).squeeze(1).cpu()
    return chosen
