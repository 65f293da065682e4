"""What a run would be, need and take: counted, and measured on a few real steps of which nothing stays."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from drama_train.pruning.shape import counted, shape_of
from drama_train.training import processes
from drama_train.training.optimizer import make_optimizer
from drama_train.training.run_log import clock

if TYPE_CHECKING:
    from drama_train.pretraining.plan import Plan
    from drama_train.pretraining.trainer import Work

_STEPS, _FEW = 3, 4  # measured after one that is not; micro-batches of each, at most
_FORWARD = 1 / 3  # of a step's work a token
_GB = 1e9


@dataclass(frozen=True)
class Measured:
    """seconds of a whole step of this process; bytes that a micro-batch keeps for backward, and the most in all."""

    seconds: float
    kept_bytes: int
    peak_bytes: int


def rehearse(work: "Work") -> None:
    """Tell the model, its memory, the tokens and the time. The model is trained some steps, and is not to be used."""
    found = _measured(work)
    if processes.rank() == 0:
        _tell_memory(work, found)
        _tell_time(work, found)


def _tell_memory(work: "Work", found: Measured) -> None:
    model = work.model.model
    count = counted(model)
    total = sum(count.values())
    embeddings = count["embeddings"] + count["head"]
    say(
        f"{shape_of(model.config)}: {count['blocks'] / 1e6:,.2f}M parameters and {embeddings / 1e6:,.2f}M of "
        f"{model.config.vocab_size:,} embeddings{' and a head of its own' if count['head'] else ''}"
    )
    shared = processes.world_size() if work.fsdp else 1
    held = 4 * total / shared / _GB  # of float32
    teacher = sum(one.numel() * one.element_size() for one in work.teacher.model.parameters()) if work.teacher else 0
    say(
        f"memory of a process: weights {held:.2f} GB, gradients {held:.2f}, Adam {2 * held:.2f}, "
        f"states of {min(work.plan.micro_batch, _share(work.plan))} blocks {found.kept_bytes / _GB:.2f}"
        f"{f', teacher {teacher / _GB:.2f}' if teacher else ''}; the most measured: {found.peak_bytes / _GB:.1f} GB"
    )


def _tell_time(work: "Work", found: Measured) -> None:
    plan, tokens = work.plan, work.tokens
    blocks = sum(len(tokens.languages[name].train) for name in work.languages)
    passes = plan.steps * plan.batch / blocks
    say(f"{plan.tokens:,} tokens: {passes:.2f} passes over the {blocks * plan.length:,} that there are")
    evaluated = sum(len(one.heldout[: plan.heldout_blocks]) for one in tokens.languages.values()) / plan.batch
    evaluations = 1 + plan.steps // plan.evaluate_every
    seconds = [plan.steps * found.seconds, evaluations * evaluated * found.seconds * _FORWARD]
    say(
        f"{found.seconds:.2f} s a step here, {plan.batch * plan.length / found.seconds:,.0f} tokens/s: about "
        f"{clock(seconds[0])} for {plan.steps:,} steps, and {clock(seconds[1])} for {evaluations} evaluations"
    )


def _measured(work: "Work") -> Measured:
    """On the run's own first batches; of a step of many micro-batches a few are made, and the rest is reckoned."""
    import torch

    from drama_train.pretraining.trainer import BETAS, gradients_of, learner_of, maker_of_share

    plan = work.plan
    learner = learner_of(work)
    optimizer = make_optimizer(work.model.model, plan.weight_decay, BETAS)
    gradients, make = gradients_of(work, learner), maker_of_share(work)
    size = _share(plan)
    part = min(size, _FEW * plan.micro_batch)
    work.model.model.train()
    drawn = [make(work.mixture.next())[:part] for _ in range(1 + _STEPS)]
    kept = _kept_bytes(lambda: gradients(drawn[0][: plan.micro_batch]), work.model.model)
    spent = []
    for ids in drawn:
        start = time.perf_counter()
        gradients(ids)
        made = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(work.model.model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        spent.append((made - start) * size / part + time.perf_counter() - made)
    del spent[0]
    return Measured(sum(spent) / len(spent), kept, processes.peak_memory(work.device))


def _share(plan: "Plan") -> int:
    """Blocks of a step of this process."""
    return plan.batch // processes.world_size()


def _kept_bytes(make: Callable[[], object], model: Any) -> int:
    """Of all storages that are kept for backward while `make` runs, but those of the weights."""
    import torch

    own = {one.untyped_storage().data_ptr() for one in model.parameters() if not hasattr(one, "full_tensor")}
    seen: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        make()
    return sum(seen.values())
