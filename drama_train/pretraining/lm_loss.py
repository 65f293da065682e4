"""Next-token loss of a large vocabulary in little memory: logits are made, and let go of, some tokens at a time."""

from collections.abc import Callable
from typing import Any

import torch  # at the top, because autograd.Function is a class of it: this module is imported where it is needed
from torch import Tensor
from torch.nn import functional

# The sum of a chunk's losses, of its logits (N, V), in float32 or wider, and of where it stands among the rows.
LossOfLogits = Callable[[Tensor, slice], Tensor]
# In memory at once, and as many again for each copy that a loss makes: 64 MB in float32 on a CPU, whose caches more
# would leave (508 tokens at once took a tenth longer than 341), 256 MB on a GPU; but no fewer tokens than are quick.
CPU_LOGITS, LOGITS, FEWEST = 2**24, 2**26, 128


def next_token_loss(states: Tensor, head: Tensor, ids: Tensor, *, chunk: int | None = None) -> Tensor:
    """Mean nats a token, over the B * (T - 1) tokens that follow another.

    states (B, T, D): of the last layer, normed; head (V, D); ids (B, T). Equal to cross entropy of `states @ head.T`
    in float32 or wider, in value and in both gradients, with the logits of `chunk` tokens in memory and no more: None
    for as many as are quick. With 49,152 tokens and D 576 it takes a sixth less time than the plain loss on a CPU.
    ValueError where T is below 2.
    """
    targets = _targets(states, ids)

    def loss_of(logits: Tensor, at: slice) -> Tensor:
        return functional.cross_entropy(logits, targets[at], reduction="sum")

    return _mean(states, head, loss_of, chunk)


def distilled_loss(  # noqa: PLR0913 - two models of two tensors each, and four settings
    states: Tensor,
    head: Tensor,
    teacher_states: Tensor,
    teacher_head: Tensor,
    ids: Tensor,
    *,
    weight: float,
    temperature: float = 1.0,
    teacher_tokens: Tensor | None = None,
    chunk: int | None = None,
) -> Tensor:
    """(1 - weight) * cross entropy + weight * temperature^2 * KL(teacher || student), a mean over the same tokens.

    teacher_states (B, T, E), teacher_head (U, E): no gradient reaches them. teacher_tokens (V,): of each of the
    student's tokens the teacher's number, where the vocabulary was cut; the teacher's probabilities are then of those
    tokens alone. temperature^2 keeps the size of the gradient (Hinton et al., arXiv 1503.02531, section 2).
    ValueError where the vocabularies differ in size, or T is below 2.
    """
    targets = _targets(states, ids)
    teacher = _rows(teacher_states.detach())
    of_teacher = teacher_head.detach() if teacher_tokens is None else teacher_head.detach()[teacher_tokens]
    if len(of_teacher) != len(head):
        raise ValueError(f"a teacher of {len(of_teacher)} tokens, and a student of {len(head)}")

    def loss_of(logits: Tensor, at: slice) -> Tensor:
        entropy = functional.cross_entropy(logits, targets[at], reduction="sum")
        with torch.no_grad():
            wanted = functional.log_softmax(_product(teacher[at], of_teacher.T) / temperature, dim=1)
        given = functional.log_softmax(logits / temperature, dim=1)
        divergence = functional.kl_div(given, wanted, reduction="sum", log_target=True)
        return (1 - weight) * entropy + weight * temperature**2 * divergence

    return _mean(states, head, loss_of, chunk)


def _targets(states: Tensor, ids: Tensor) -> Tensor:
    if ids.shape != states.shape[:2] or ids.shape[1] < 2:
        raise ValueError(f"ids {tuple(ids.shape)} of states {tuple(states.shape)}: no token follows another")
    return ids[:, 1:].reshape(-1)


def _rows(states: Tensor) -> Tensor:
    """(B * (T - 1), D): of every token that another follows."""
    return states[:, :-1].reshape(-1, states.shape[-1])


def _mean(states: Tensor, head: Tensor, loss_of: LossOfLogits, chunk: int | None) -> Tensor:
    rows = _rows(states)
    chunk = chunk or max(FEWEST, (LOGITS if states.is_cuda else CPU_LOGITS) // len(head))
    if states.is_cuda and torch.is_autocast_enabled("cuda"):
        rows, head = (one.to(torch.get_autocast_dtype("cuda")) for one in (rows, head))
    with torch.autocast(states.device.type, enabled=False):
        found: Tensor = _Chunked.apply(rows, head, loss_of, chunk, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
    return found


def _product(left: Tensor, right: Tensor) -> Tensor:
    """In float32 or wider: rounded to bfloat16, a logit of 20 would be off by 0.06.

    A GPU multiplies half precision as it is, and adds in float32.
    """
    if left.is_cuda and left.dtype == right.dtype and left.dtype in (torch.bfloat16, torch.float16):
        product: Tensor = torch.mm(left, right, out_dtype=torch.float32)
        return product
    kind = torch.promote_types(left.dtype, torch.float32)
    return left.to(kind) @ right.to(kind)


class _Chunked(torch.autograd.Function):
    """The mean of `loss_of` over rows. Gradients are made beside the loss: no logits are kept, nor made twice."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, head: Tensor, loss_of: LossOfLogits, chunk: int, learns: bool) -> Tensor:
        rows, head = rows.detach(), head.detach()
        kind = torch.promote_types(rows.dtype, torch.float32)
        total = rows.new_zeros((), dtype=kind)
        of_rows = torch.empty_like(rows, dtype=kind) if learns and ctx.needs_input_grad[0] else None
        of_head = torch.zeros_like(head, dtype=kind) if learns and ctx.needs_input_grad[1] else None
        for start in range(0, len(rows), chunk):
            at = slice(start, start + chunk)
            logits = _product(rows[at], head.T)
            if not learns:
                total += loss_of(logits, at)
                continue
            with torch.enable_grad():
                loss = loss_of(logits.requires_grad_(), at)
            total += loss.detach()
            gradient = torch.autograd.grad(loss, logits)[0].div_(len(rows)).to(rows.dtype)
            if of_rows is not None:
                of_rows[at] = _product(gradient, head)
            if of_head is not None and of_head.dtype == gradient.dtype:
                of_head.addmm_(gradient.T, rows[at])
            elif of_head is not None:
                of_head += _product(gradient.T, rows[at])
        ctx.gradients, ctx.kinds = (of_rows, of_head), (rows.dtype, head.dtype)
        return total / len(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        found = [
            None if one is None else one.mul_(gradient).to(kind)
            for one, kind in zip(ctx.gradients, ctx.kinds, strict=True)
        ]
        del ctx.gradients  # they were scaled in place: a second time would be wrong
        return *found, None, None, None
