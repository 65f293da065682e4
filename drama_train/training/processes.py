"""What processes exchange: gathered rows, summed gradients. One process exchanges nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def world_size() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    import torch.distributed as dist

    return dist.get_rank() if dist.is_initialized() else 0


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
    if "WORLD_SIZE" not in os.environ:
        yield f"cuda:{local}" if is_cuda else "cpu"
        return
    dist.init_process_group("nccl" if is_cuda else "gloo")
    try:
        yield f"cuda:{local}" if is_cuda else "cpu"
    finally:
        dist.destroy_process_group()


def wait_for_all() -> None:
    """Go on when every process is here."""
    import torch.distributed as dist

    if world_size() > 1:
        dist.barrier()


def hardware(device: str) -> str:
    """What all processes run on, in words."""
    import torch

    if device.startswith("cuda"):
        return f"{world_size()} x {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads() * world_size()} CPU threads"
