"""What processes exchange: gathered rows, summed gradients. One process exchanges nothing."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def world_size() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    import torch.distributed as dist

    return dist.get_rank() if dist.is_initialized() else 0


def tell(line: str) -> None:
    """A line of the story, by the first process alone: the others do the same."""
    if rank() == 0:
        say(line)


def gathered(rows: "Tensor") -> "Tensor":
    """(R, ...) of each process -> (W * R, ...), by rank. Every process must hold as many rows. No gradient flows."""
    import torch
    import torch.distributed as dist

    if world_size() == 1:
        return rows
    out = rows.new_empty((world_size() * len(rows), *rows.shape[1:]))
    dist.all_gather_into_tensor(out, rows.contiguous())
    return torch.as_tensor(out)


def reduced_share(rows: "Tensor") -> "Tensor":
    """(W * R, ...) of each process -> its own (R, ...), summed over processes."""
    import torch.distributed as dist

    if world_size() == 1:
        return rows
    if dist.get_backend() == "gloo":  # which sums to all and not to shares
        summed = rows.clone()
        dist.all_reduce(summed)
        return summed.view(world_size(), -1, *rows.shape[1:])[rank()]
    out = rows.new_empty((len(rows) // world_size(), *rows.shape[1:]))
    dist.reduce_scatter_tensor(out, rows.contiguous())
    return out


def summed(value: "Tensor") -> "Tensor":
    """The sum over processes."""
    import torch.distributed as dist

    if world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def whole(tensor: "Tensor") -> "Tensor":
    """As one tensor, where FSDP2 has it in shards: then in the host's memory, and all processes must ask."""
    found: Tensor = tensor.full_tensor().cpu() if hasattr(tensor, "full_tensor") else tensor
    return found.detach().contiguous()


def most(number: int) -> int:
    """The largest of the processes' numbers."""
    import torch
    import torch.distributed as dist

    if world_size() == 1:
        return number
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    value = torch.tensor(number, device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return int(value)


def exchanging(model: Any, *, is_last: bool) -> "AbstractContextManager[Any]":
    """For a forward and backward of a model that is plain, in DDP or FSDP2: gradients are exchanged at the last."""
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(is_last)
        return nullcontext()
    if hasattr(model, "no_sync") and not is_last:  # DDP
        no_sync: AbstractContextManager[Any] = model.no_sync()
        return no_sync
    return nullcontext()


def replicated(model: Any, device: "torch.device") -> Any:
    """In DDP where there are several processes."""
    if world_size() == 1:
        return model
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


@contextmanager
def joined_processes(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did; yields this process's device.

    device: auto is a GPU where there is one. UserError where there are fewer GPUs than processes.
    """
    import torch
    import torch.distributed as dist

    is_cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if is_cuda and local >= torch.cuda.device_count():
        sentence = f"There are {torch.cuda.device_count()} GPUs here: start fewer processes, or give --device cpu."
        raise UserError(sentence, exit_code=2)
    if is_cuda:
        torch.cuda.set_device(local)
    name = f"cuda:{local}" if is_cuda else "cpu"
    if "WORLD_SIZE" not in os.environ:
        yield name
        return
    dist.init_process_group("nccl" if is_cuda else "gloo")
    yield name
    # Not after a fault: the others wait in an exchange, NCCL would wait for them; torchrun ends them with this one.
    dist.destroy_process_group()


def wait_for_all() -> None:
    """Go on when every process is here."""
    import torch.distributed as dist

    if world_size() > 1:
        dist.barrier()


def wait_for_first() -> None:
    """As wait_for_all, where the first process works long: NCCL itself would give up after ten minutes."""
    from datetime import timedelta

    import torch.distributed as dist

    if world_size() > 1:
        group = dist.new_group(backend="gloo", timeout=timedelta(days=1))
        dist.barrier(group)
        dist.destroy_process_group(group)


def hardware(device: str) -> str:
    """What all processes run on, in words."""
    import torch

    if device.startswith("cuda"):
        return f"{world_size()} x {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads() * world_size()} CPU threads"


def peak_memory(device: "torch.device") -> int:
    """Bytes: of the GPU, or of the process."""
    import resource
    import sys

    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
