"""The gradient of a step: accumulated, checkpointed, distilled; alone and by several processes."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch import Tensor
from torch.nn import functional

from drama_train.pretraining.next_token import NextToken, accumulated, checkpoint_layers, shared_learner
from drama_train.pretraining.teacher import Teacher
from drama_train.training import processes
from drama_train.training.optimizer import make_optimizer
from tests.llm.tiny_llama import one_thread
from tests.pretraining.runs import random_blocks, tiny_causal, weights_of

BLOCKS = 6


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    with one_thread():
        yield


def _gradients(model: Any) -> dict[str, Tensor]:
    found = {name: one.grad.clone() for name, one in model.named_parameters()}
    assert len(found) >= 20 and all(float(one.abs().max()) > 0 for one in found.values())
    return found


def _teacher(weight: float = 0.5) -> Teacher:
    model = tiny_causal(tied=False, seed=5).eval().requires_grad_(False)
    return Teacher(model, None, model.get_output_embeddings().weight, weight, 1.5)


def _plain(model: Any, ids: Tensor, teacher: Teacher | None) -> Tensor:
    """By the model's own logits."""
    logits = model(ids).logits[:, :-1].reshape(-1, 60)
    entropy = functional.cross_entropy(logits, ids[:, 1:].reshape(-1))
    if teacher is None:
        return entropy
    with torch.no_grad():
        wanted = torch.softmax(teacher.model(ids).logits[:, :-1].reshape(-1, 60) / teacher.temperature, dim=1)
    given = torch.log_softmax(logits / teacher.temperature, dim=1)
    divergence = (wanted * (wanted.log() - given)).sum(1).mean()
    return (1 - teacher.weight) * entropy + teacher.weight * teacher.temperature**2 * divergence


@pytest.mark.parametrize("micro_batch", [1, 4, BLOCKS, 100])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("teacher", [None, _teacher()], ids=["alone", "distilled"])
def test_accumulated_is_whole(micro_batch: int, tied: bool, teacher: Teacher | None) -> None:
    one, other = tiny_causal(tied=tied), tiny_causal(tied=tied)
    ids = random_blocks(BLOCKS, seed=1)
    loss = _plain(one, ids, teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    result = accumulated(NextToken(other, teacher), ids, micro_batch, teacher)
    assert result.loss == pytest.approx(float(loss.detach()), abs=1e-6)  # it is added up in float32
    assert result.tokens == ids.numel()
    expected, found = _gradients(one), _gradients(other)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-12, rtol=0)


def test_checkpointed_is_plain() -> None:
    """The layers are computed once more, to the same gradients."""
    found, forwards = [], []
    for checkpointing in (False, True):
        model = tiny_causal()
        if checkpointing:
            checkpoint_layers(model)
        count: list[int] = []
        model.model.layers[0].self_attn.q_proj.register_forward_hook(lambda *_, count=count: count.append(1))
        accumulated(NextToken(model), random_blocks(BLOCKS, seed=1), 2)
        found.append(_gradients(model))
        forwards.append(len(count))
    assert forwards == [3, 6]
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-13, rtol=0)


def test_a_teacher_of_more_tokens_is_read_by_its_own_numbers() -> None:
    """A student of the first 60 tokens of a teacher of 80, in another order."""
    numbers = torch.randperm(80, generator=torch.Generator().manual_seed(2))[:60]
    large = tiny_causal(tied=False, seed=5)
    large.resize_token_embeddings(80, mean_resizing=False)
    small = tiny_causal(tied=False, seed=5)
    with torch.no_grad():
        for one, other in (
            (small.get_input_embeddings(), large.get_input_embeddings()),
            (small.get_output_embeddings(), large.get_output_embeddings()),
        ):
            one.weight.copy_(other.weight[numbers])
    head = large.get_output_embeddings().weight.detach()[numbers]
    teacher = Teacher(large, numbers, head, 1.0, 1.0)
    ids = random_blocks(2, seed=1)
    result = accumulated(NextToken(small, teacher), ids, 2, teacher)
    assert result.loss == pytest.approx(0, abs=1e-7)  # it says what the student says
    assert not any(name.startswith("_") for name, _ in NextToken(small, teacher).named_parameters())


@pytest.mark.slow
def test_two_processes_equal_one_with_all_blocks(tmp_path: Path) -> None:
    """In DDP and FSDP2: losses and norms of three steps, weights after them, held-out losses; in float64."""
    context = torch.multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(rank, tmp_path)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    for tied in (True, False):
        model = tiny_causal(tied=tied)
        expected = _steps(NextToken(model), model, rank=0, world=1)
        start, weights = weights_of(tiny_causal(tied=tied)), weights_of(model)
        for rank in range(2):
            for kind in ("ddp", "fsdp"):
                found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)[f"{kind} {tied}"]
                assert found["told"] == pytest.approx(expected, rel=1e-6)
                assert found["weights"].keys() == weights.keys()
                for name, weight in weights.items():
                    torch.testing.assert_close(found["weights"][name], weight, atol=1e-9, rtol=0)
                    assert not torch.equal(weight, start[name])


def _worker(rank: int, folder: Path) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    found = {}
    for tied in (True, False):
        for kind in ("ddp", "fsdp"):
            model = tiny_causal(tied=tied)
            learner = shared_learner(NextToken(model), torch.device("cpu"), fsdp=kind == "fsdp")
            told = _steps(learner, model, rank=rank, world=2)
            weights = {name: processes.whole(one) for name, one in model.named_parameters()}
            found[f"{kind} {tied}"] = {"told": told, "weights": weights}
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


def _steps(learner: Any, model: Any, *, rank: int, world: int) -> list[float]:
    """The loss and the norm of each of three steps; each process has its share of the blocks."""
    optimizer = make_optimizer(model, 0.01)
    told = []
    size = BLOCKS // world
    for step in range(3):
        ids = random_blocks(BLOCKS, seed=10 + step)[rank * size : (rank + 1) * size]
        loss = accumulated(learner, ids, 2).loss
        norm = float(processes.whole(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)))
        assert norm > 0.5
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        told += [loss, norm]
    return told
