"""The loop of l0: steps from a checkpoint or from the start, told and kept, until the gates are learned."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import say
from drama_train.pruning.l0 import GatedModel, L0Plan, L0Step, l0_step, make_optimizer
from drama_train.training import processes
from drama_train.training.checkpoints import OPTIMIZER, STATE, find, save_checkpoint
from drama_train.training.mixture import Mixture
from drama_train.training.optimizer import load_optimizer, optimizer_tensors
from drama_train.training.run_log import LOG, clock, drop_after

if TYPE_CHECKING:
    import torch

    from drama_train.pretraining.tokens import Tokens

WEIGHTS = "weights.safetensors"
_MISSED = 0.05
_SHORT = {"layer": "lay", "hidden": "hid", "group": "kv", "head": "head", "intermediate": "int"}


@dataclass(frozen=True)
class L0Work:
    """folder: of checkpoints and log; facts: what the weights depend on, another value is another run."""

    folder: Path
    plan: L0Plan
    gated: GatedModel
    tokens: "Tokens"
    mixture: Mixture
    facts: Mapping[str, Any]
    checkpoint_every: int = 100


def learn(work: L0Work) -> None:
    """Learn to the end, in place: the model's weights, the gates, the multipliers.

    A run that was stopped goes on from its last checkpoint, bit for bit on a CPU. UserError where the checkpoint is of
    other flags, or a loss is no number: it names the step and its blocks.
    """
    optimizer = make_optimizer(work.gated, work.plan)
    done = _resumed(work, optimizer)
    module = processes.replicated(work.gated, next(work.gated.parameters()).device)
    work.gated.train()
    is_first = processes.rank() == 0
    if is_first:
        work.folder.mkdir(parents=True, exist_ok=True)
        drop_after(work.folder / LOG, done)
    start = time.perf_counter()
    for step in range(done + 1, work.plan.steps + 1):
        ids, told = _batch(work)
        try:
            found = l0_step(module, work.gated, optimizer, work.plan, step, ids)
        except FloatingPointError as fault:
            raise UserError(
                f"In step {step} of l0, on {told}, {fault}: look at these texts, or lower --lr; the last checkpoint is "
                "of before."
            ) from None
        if is_first:
            seconds, start = time.perf_counter() - start, time.perf_counter()
            _tell(work, found, seconds)
            if step % work.checkpoint_every == 0 or step == work.plan.steps:
                _save(work, optimizer, step)
                start = time.perf_counter()
    work.gated.eval()
    if is_first:
        _tell_missed(work.gated)


def _batch(work: L0Work) -> "tuple[torch.Tensor, str]":
    """(B, T) tokens of this process's share of the step, and which blocks they are, in words."""
    import torch

    draws = work.mixture.next()
    size = len(draws) // processes.world_size()
    own = draws[processes.rank() * size : (processes.rank() + 1) * size]
    names = [(work.mixture.streams[draw.stream].name, draw.row) for draw in own]
    blocks = [work.tokens.blocks(name, [row])[0] for name, row in names]
    device = next(work.gated.parameters()).device
    told = ", ".join(f"block {row} of {name}" for name, row in names[:3])
    return torch.stack([torch.as_tensor(block) for block in blocks]).to(device), told


def _tell(work: L0Work, found: L0Step, seconds: float) -> None:
    """The step's line: of each family, how much of it is gone and how much is to be."""
    sparse = "  ".join(
        f"{_SHORT[name]} {found.sparsity[name]:.3f}/{found.targets[name]:.3f}" for name in found.sparsity
    )
    eta = clock(seconds * (work.plan.steps - found.step))
    rate = found.tokens / seconds
    say(
        f"l0 {found.step:>5}/{work.plan.steps}  loss {found.loss:>7.4f}  penalty {found.penalty:>8.4f}  {sparse}  "
        f"tok/s {rate:>7,.0f}  eta {eta}"
    )
    with (work.folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(found) | {"seconds": round(seconds, 3)}) + "\n")


def _tell_missed(gated: GatedModel) -> None:
    """Which families ended away from their target: how their units rank is not settled then."""
    targets = gated.gates.targets()
    found = {name: float(one.detach().mean()) for name, one in gated.gates.sparsity().items()}
    if missed := [name for name in found if abs(found[name] - targets[name]) > _MISSED]:
        told = ", ".join(f"{name} {found[name]:.3f} of {targets[name]:.3f}" for name in missed)
        say(f"gates that ended away from their target: {told}; the cut is exact all the same, more --steps pick better")


def _save(work: L0Work, optimizer: "torch.optim.AdamW", step: int) -> None:
    from safetensors.torch import save_file

    def write(new: Path) -> None:
        save_file({name: one.detach().contiguous() for name, one in work.gated.named_parameters()}, new / WEIGHTS)
        save_file(optimizer_tensors(work.gated, optimizer), new / OPTIMIZER)

    state = {"step": step, "mixture": work.mixture.state(), "facts": work.facts}
    save_checkpoint(work.folder, "last", state, write)


def _resumed(work: L0Work, optimizer: "torch.optim.AdamW") -> int:
    """The step after which it goes on."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    checkpoint = find(work.folder, "last")
    if checkpoint is None:
        return 0
    try:
        state = json.loads((checkpoint / STATE).read_text())
        if state["facts"] != json.loads(json.dumps(work.facts)):
            raise ValueError("it was made with other flags, or of another model or text")
        work.mixture.load(state["mixture"])
        weights = load_file(checkpoint / WEIGHTS)
        load_optimizer(work.gated, optimizer, load_file(checkpoint / OPTIMIZER))
        with torch.no_grad():
            for name, parameter in work.gated.named_parameters():
                parameter.copy_(weights[name])
        return int(state["step"])
    except (ValueError, KeyError, TypeError, OSError, SafetensorError) as fault:
        raise UserError(
            f"The checkpoint {checkpoint} of l0 cannot be gone on from ({fault}): name another --out, or remove it."
        ) from None
