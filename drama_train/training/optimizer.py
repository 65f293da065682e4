"""AdamW over the model's parameters, and its state as tensors by name."""

from typing import TYPE_CHECKING, Any

from drama_train.training.processes import whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def make_optimizer(model: Any, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)) -> "torch.optim.AdamW":
    """Decay for matrices, none for norms. The learning rate is set before each step."""
    import torch

    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=True)


def optimizer_tensors(model: Any, optimizer: "torch.optim.AdamW") -> "dict[str, Tensor]":
    """{parameter.part: tensor} of all that the optimizer keeps. Of a model in FSDP2, all processes must ask."""
    return {
        f"{name}.{part}": whole(tensor)
        for name, parameter in _moved(model, optimizer)
        for part, tensor in optimizer.state[parameter].items()
    }


def load_optimizer(model: Any, optimizer: "torch.optim.AdamW", tensors: "dict[str, Tensor]") -> None:
    """Put the tensors back. KeyError where one of a parameter that it moves is missing, or is none of the model's."""
    for name, parameter in _moved(model, optimizer):
        state = {part: tensors[f"{name}.{part}"] for part in ("step", "exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = {
            part: tensor.to(parameter.device) if part == "step" else _as_parameter(tensor, parameter)
            for part, tensor in state.items()
        }


def _moved(model: Any, optimizer: "torch.optim.AdamW") -> "list[tuple[str, Tensor]]":
    """The optimizer's parameters by their names in the model. KeyError where one has none."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [(names[one], one) for group in optimizer.param_groups for one in group["params"]]


def _as_parameter(tensor: "Tensor", parameter: Any) -> "Tensor":
    placed = tensor.to(parameter.device, parameter.dtype)
    if not hasattr(parameter, "device_mesh"):
        return placed
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(placed, parameter.device_mesh, parameter.placements)
