"""The chunked loss is the plain one, in value and gradients, and never holds the logits of all tokens."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from drama_train.pretraining import lm_loss
from drama_train.pretraining.lm_loss import distilled_loss, next_token_loss

B, T, D, V = 3, 9, 8, 40
TOKENS = B * (T - 1)
CHUNKS = [1, 5, TOKENS, 1000, None]


def _made(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    states = torch.randn(B, T, D, generator=draw, dtype=torch.float64).to(dtype).requires_grad_()
    head = torch.randn(V, D, generator=draw, dtype=torch.float64).to(dtype).requires_grad_()
    return states, head, torch.randint(V, (B, T), generator=draw)


def _plain(states: Tensor, head: Tensor, ids: Tensor) -> Tensor:
    logits = states @ head.T
    return functional.cross_entropy(logits[:, :-1].reshape(-1, len(head)), ids[:, 1:].reshape(-1))


def _gradients(loss: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    found = torch.autograd.grad(3 * loss, of)  # any factor goes through
    assert all(float(one.abs().max()) > 1e-3 for one in found)
    return found


@pytest.mark.parametrize("chunk", CHUNKS)
def test_the_chunked_loss_is_cross_entropy(chunk: int | None) -> None:
    states, head, ids = _made()
    plain, found = _plain(states, head, ids), next_token_loss(states, head, ids, chunk=chunk)
    assert float(found.detach()) == pytest.approx(float(plain.detach()), abs=1e-12)
    for one, other in zip(_gradients(found, states, head), _gradients(plain, states, head), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_a_head_that_is_the_embeddings_gathers_both_gradients() -> None:
    _, head, ids = _made()
    found = _gradients(next_token_loss(functional.embedding(ids, head) ** 3, head, ids, chunk=5), head)
    expected = _gradients(_plain(functional.embedding(ids, head) ** 3, head, ids), head)
    torch.testing.assert_close(found[0], expected[0], atol=1e-12, rtol=0)


def test_what_needs_no_gradient_gets_none() -> None:
    states, head, ids = _made()
    plain = _plain(states, head, ids)
    frozen = next_token_loss(states, head.detach(), ids, chunk=5)
    torch.testing.assert_close(_gradients(frozen, states)[0], _gradients(plain, states)[0], atol=1e-12, rtol=0)
    with torch.no_grad():
        evaluated = next_token_loss(states, head, ids, chunk=5)
    assert not evaluated.requires_grad
    assert float(evaluated) == pytest.approx(float(frozen.detach()), abs=1e-12)


def test_a_second_backward_is_refused() -> None:
    states, head, ids = _made()
    loss = next_token_loss(states, head, ids)
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(AttributeError):
        loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_states_have_logits_in_float32(autocast: bool) -> None:
    states, head, ids = _made(dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = next_token_loss(states, head, ids, chunk=5)
    wide, wide_head = (one.detach().float().requires_grad_() for one in (states, head))
    plain = _plain(wide, wide_head, ids)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), abs=1e-6)
    assert abs(float((_plain(states, head, ids) - plain).detach())) > 1e-4  # what rounded logits give
    for one, other in zip(_gradients(loss, states, head), _gradients(plain, wide, wide_head), strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.float(), other, atol=0.02 * float(other.abs().max()), rtol=0)


class _Largest(TorchDispatchMode):
    """The most elements that any operation made in one tensor."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor):
                self.elements = max(self.elements, one.numel())
        return made


def test_logits_of_all_tokens_are_never_there() -> None:
    states, head, ids = _made()
    chunk = 6
    largest = {}
    for name, loss_of in (("plain", _plain), ("chunked", lambda *given: next_token_loss(*given, chunk=chunk))):
        with _Largest() as seen:
            loss_of(states, head, ids).backward()
        largest[name] = seen.elements
    assert largest["plain"] >= TOKENS * V
    assert largest["chunked"] == max(chunk * V, V * D) < TOKENS * V / 2


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("is_cut", [False, True])
def test_distillation_is_the_plain_sum(chunk: int | None, weight: float, is_cut: bool) -> None:
    states, head, ids = _made()
    draw = torch.Generator().manual_seed(9)
    tokens = torch.randperm(3 * V, generator=draw)[:V] if is_cut else None
    teacher = torch.randn(B, T, 5, generator=draw, dtype=torch.float64).requires_grad_()
    teacher_head = torch.randn(3 * V if is_cut else V, 5, generator=draw, dtype=torch.float64).requires_grad_()
    found = distilled_loss(
        states, head, teacher, teacher_head, ids, weight=weight, temperature=2.0, teacher_tokens=tokens, chunk=chunk
    )
    wanted = (teacher @ teacher_head.T)[:, :-1]
    wanted = torch.softmax((wanted[..., tokens] if tokens is not None else wanted) / 2, dim=-1)
    given = torch.log_softmax((states @ head.T)[:, :-1] / 2, dim=-1)
    divergence = (wanted * (wanted.log() - given)).sum() / TOKENS
    plain = (1 - weight) * _plain(states, head, ids) + weight * 4 * divergence
    assert float(divergence.detach()) > 0.1
    assert float(found.detach()) == pytest.approx(float(plain.detach()), abs=1e-12)
    for one, other in zip(_gradients(found, states, head), _gradients(plain, states, head), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_a_teacher_that_says_the_same_pulls_nowhere() -> None:
    states, head, ids = _made()
    found = distilled_loss(states, head, states, head, ids, weight=1.0, temperature=2.0)
    assert float(found.detach()) == pytest.approx(0, abs=1e-12)
    assert all(one.abs().max() < 1e-12 for one in torch.autograd.grad(found, (states, head)))


def test_no_gradient_reaches_the_teacher() -> None:
    states, head, ids = _made()
    teacher, teacher_head, _ = _made(seed=1)
    distilled_loss(states, head, teacher, teacher_head, ids, weight=0.5).backward()  # type: ignore[no-untyped-call]
    assert (teacher.grad, teacher_head.grad) == (None, None)
    assert states.grad is not None and head.grad is not None


def test_vocabularies_of_two_sizes_and_single_tokens_are_refused() -> None:
    states, head, ids = _made()
    with pytest.raises(ValueError, match="a teacher of 39 tokens, and a student of 40"):
        distilled_loss(states, head, states, head[1:], ids, weight=0.5)
    with pytest.raises(ValueError, match="no token follows another"):
        next_token_loss(states[:, :1], head, ids[:, :1])


def test_a_large_vocabulary_has_fewer_tokens_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_loss, "CPU_LOGITS", 7 * V)
    monkeypatch.setattr(lm_loss, "FEWEST", 1)
    states, head, ids = _made()
    seen = []
    product = lm_loss._product

    def remembered(left: Tensor, right: Tensor) -> Tensor:
        seen.append(len(left))
        return product(left, right)

    monkeypatch.setattr(lm_loss, "_product", remembered)
    with torch.no_grad():
        next_token_loss(states, head, ids)
    assert seen == [7, 7, 7, 3]
