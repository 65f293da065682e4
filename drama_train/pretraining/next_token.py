"""A causal model as a module whose forward is its loss, so that DDP and FSDP2 exchange what the loss needs."""

from typing import Any

import torch  # at the top, because a module is a class of it: this module is imported where it is needed
from torch import Tensor, nn

from drama_train.pretraining.lm_loss import distilled_loss, next_token_loss
from drama_train.pretraining.teacher import Teacher
from drama_train.training import processes
from drama_train.training.loop import StepResult


class NextToken(nn.Module):
    """model: of transformers, with its head; teacher: whose states `forward` is given where there are any."""

    def __init__(self, model: Any, teacher: Teacher | None = None) -> None:
        super().__init__()
        self.model = model
        self._teacher = teacher  # no module, so that its weights are none of this one's

    def forward(self, ids: Tensor, teacher_states: Tensor | None = None) -> Tensor:
        """ids (B, T) -> mean nats a token; distilled where the teacher's states (B, T, E) are given."""
        states = self.model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        head = self.model.get_output_embeddings().weight
        if teacher_states is None or self._teacher is None:
            return next_token_loss(states, head, ids)
        return distilled_loss(
            states,
            head,
            teacher_states,
            self._teacher.head,
            ids,
            weight=self._teacher.weight,
            temperature=self._teacher.temperature,
        )


def checkpoint_layers(model: Any) -> None:
    """Keep of each layer its input alone for backward, which computes the layer again."""
    named = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # the second is transformers' old name
    next(getattr(model, name) for name in named if hasattr(model, name))({"use_reentrant": False})


def shared_learner(learner: NextToken, device: torch.device, *, fsdp: bool) -> Any:
    """In DDP or FSDP2 where there are several processes. fsdp: each layer is a unit of its own, the rest another."""
    if not fsdp:
        return processes.replicated(learner, device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.type, (processes.world_size(),))
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = half if device.type == "cuda" else MixedPrecisionPolicy()
    for layer in learner.model.get_decoder().layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    return fully_shard(learner, mesh=mesh, mp_policy=policy)


def accumulated(learner: Any, ids: Tensor, micro_batch: int, teacher: Teacher | None = None) -> StepResult:
    """Add the gradient of the mean loss over all processes' blocks, computed `micro_batch` blocks at a time.

    ids (B, T): this process's blocks, as many as every other's. learner: plain, in DDP or in FSDP2.
    """
    device = next(learner.parameters()).device
    total = torch.zeros((), device=device)
    for start in range(0, len(ids), micro_batch):
        part = ids[start : start + micro_batch].to(device)
        with processes.exchanging(learner, is_last=start + micro_batch >= len(ids)):
            with autocast(device):
                states = teacher.states(part) if teacher else None
                loss = learner(part, states) * (len(part) / len(ids))
            loss.backward()
        total += loss.detach()
    return StepResult(float(processes.summed(total)) / processes.world_size(), ids.numel())


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU; on a CPU, where it was no quicker, nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
