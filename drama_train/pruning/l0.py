"""Weights, gates and multipliers learned together on next tokens: which units stay (DRAMA 3.2; Xia et al. 2024)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from builders.cli.errors import UserError
from builders.text.hashes import id_number
from drama_train.pretraining.lm_loss import next_token_loss
from drama_train.pretraining.next_token import autocast
from drama_train.pruning.gates import Gates
from drama_train.pruning.hooks import masked
from drama_train.pruning.lagrangian import Multipliers, target_at
from drama_train.training import processes

if TYPE_CHECKING:
    from torch import Tensor

# Adam moves a gate by about its rate at each step, and it has 9.2 of log-odds to go, often more than once.
_LEAST_WAY, _LEAST_WARMUP = 100.0, 40


@dataclass(frozen=True)
class L0Plan:
    """What a step does. batch: blocks of text of a step, over all processes; budget: tokens of a micro-batch."""

    steps: int
    batch: int
    seed: int
    lr: float = 1e-4
    mask_lr: float = 0.4
    multiplier_lr: float = 3.0
    warmup: float = 0.1
    sparsity_warmup: float = 0.2
    clip: float = 1.0
    budget: int = 4096

    def __post_init__(self) -> None:
        if self.mask_lr * self.steps < _LEAST_WAY or self.sparsity_steps < _LEAST_WARMUP:
            least = math.ceil(max(_LEAST_WAY / self.mask_lr, _LEAST_WARMUP / self.sparsity_warmup))
            raise UserError(
                f"In {self.steps} steps, {self.sparsity_steps} of them to warm up, gates do not reach their targets: "
                f"give --steps {least} or more, or --pick importance.",
                exit_code=2,
            )

    @property
    def sparsity_steps(self) -> int:
        """Steps in which the targets rise from 0."""
        return round(self.steps * self.sparsity_warmup)

    def factor(self, step: int) -> float:
        """Of the rates of weights and gates in a step, 1 being the first: up from 0, then a cosine down to a tenth."""
        rise = max(1, round(self.steps * self.warmup))
        if step <= rise:
            return step / rise
        done = (step - rise) / max(1, self.steps - rise)
        return 0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2


class GatedModel(nn.Module):
    """A language model under gates: what is differentiated as one, by DDP too."""

    def __init__(self, model: Any, gates: Gates) -> None:
        super().__init__()
        self.model, self.gates, self.multipliers = model, gates, Multipliers(gates.families)

    def forward(self, ids: "Tensor", noise: int, targets: dict[str, float]) -> "tuple[Tensor, Tensor]":
        """(B, T) tokens -> (next-token loss under a sample of the gates, the penalty). noise: the sample's seed."""
        generator = torch.Generator(ids.device).manual_seed(noise)
        with masked(self.model, self.gates.sample(generator)):
            states = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
        loss = next_token_loss(states, self.model.get_output_embeddings().weight, ids)
        return loss, self.multipliers.penalty(self.gates.sparsity(), targets)


@dataclass(frozen=True)
class L0Step:
    """What came of a step. loss: nats a token under sampled gates; norm: of weights' and gates' gradient, unclipped."""

    step: int
    loss: float
    penalty: float
    norm: float
    sparsity: dict[str, float]
    targets: dict[str, float]
    tokens: int


def make_optimizer(gated: GatedModel, plan: L0Plan) -> "torch.optim.AdamW":
    """Weights and gates, which go down; multipliers go up by `rise`. The rates are set before each step.

    The gradient of a gate is a part of its family's, of 10,000 units at times, and small beside the usual eps.
    """
    return torch.optim.AdamW(
        [
            {"params": list(gated.model.parameters()), "peak": plan.lr},
            {"params": list(gated.gates.parameters()), "peak": plan.mask_lr, "eps": 1e-15},
        ],
        lr=0.0,
        betas=(0.9, 0.95),
        eps=1e-8,
        weight_decay=0.0,
        fused=True,
    )


def l0_step(
    module: Any, gated: GatedModel, optimizer: "torch.optim.AdamW", plan: L0Plan, step: int, ids: "Tensor"
) -> L0Step:
    """One step on this process's (B, T) tokens. module: `gated`, or DDP around it.

    Every process draws gates of its own. FloatingPointError where the loss or the gradient is no number; nothing has
    changed then.
    """
    targets = target_at(step, plan.sparsity_steps, gated.gates.targets())
    noise = id_number(plan.seed, f"{step}/{processes.rank()}", "gates")
    loss = penalty = 0.0
    for micro, is_last in _micro_batches(ids, plan.budget):
        share = len(micro) / len(ids)
        with processes.exchanging(module, is_last=is_last), autocast(ids.device):
            found, held = module(micro, noise, targets)
            ((found + held) * share).backward()
        loss += float(found.detach()) * share
        penalty = float(held.detach())
    norm = math.hypot(
        # of weights alone: a step that shut a gate which is needed has the largest gradients, and tells the most of it
        float(torch.nn.utils.clip_grad_norm_(gated.model.parameters(), plan.clip)),
        float(torch.nn.utils.get_total_norm([one.grad for one in gated.gates.parameters() if one.grad is not None])),
    )
    total = processes.summed(torch.tensor(loss, dtype=torch.float64, device=ids.device))
    mean = float(total) / processes.world_size()
    if not (math.isfinite(mean) and math.isfinite(norm)):
        gated.zero_grad(set_to_none=True)
        raise FloatingPointError(f"the loss is {mean} and the gradient's norm {norm}")
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * plan.factor(step)
    optimizer.step()
    gated.multipliers.rise(plan.multiplier_lr)
    gated.zero_grad(set_to_none=True)
    gated.gates.clamp()
    sparsity = {name: float(one.detach().mean()) for name, one in gated.gates.sparsity().items()}
    return L0Step(step, mean, penalty, norm, sparsity, targets, ids.numel() * processes.world_size())


def _micro_batches(ids: "Tensor", budget: int) -> "Iterator[tuple[Tensor, bool]]":
    """Rows of at most `budget` tokens together, and whether they are the last."""
    rows = max(1, budget // ids.shape[1])
    for start in range(0, len(ids), rows):
        yield ids[start : start + rows], start + rows >= len(ids)
