"""A step with cached gradients equals the plain one, in one process and in several."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing

from drama_train.training import batch_loss, cached, processes
from drama_train.training.cached import Compute, cached_step
from drama_train.training.loss import Objective
from tests.llm.tiny_llama import one_thread
from tests.training.making import gradients, joined, make_batch, plain_step, tiny_model

FULL = Objective(
    0.1, dims=(16, 8, 4), weights=(1.0, 0.5, 0.25), score_margin=0.1, hardness=1.0, distillation=0.3, spread_out=0.2
)
PLAIN = Objective(0.1)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.mark.parametrize("budget", [1, 12, 40, 10_000])
@pytest.mark.parametrize("objective", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("score_block", [1, 3, 100])
def test_cached_equals_plain(budget: int, objective: Objective, score_block: int) -> None:
    batch, compute = make_batch(5, seed=1), Compute(budget=budget, score_block=score_block)
    one, other = tiny_model(), tiny_model()
    loss = plain_step(one, batch, objective, compute)
    result = cached_step(other, batch, objective, compute)
    assert result.loss == pytest.approx(loss, abs=1e-12)
    expected, found = gradients(one), gradients(other)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-10, rtol=0)


def test_scores_are_made_in_blocks_that_many_documents_make_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, compute = make_batch(5, seed=1), Compute()
    one, other = tiny_model(), tiny_model()
    loss = plain_step(one, batch, FULL, compute)
    blocks: list[int] = []
    original = batch_loss.loss_of_units

    def remembered(queries: list[torch.Tensor], *rest: Any) -> torch.Tensor:
        blocks.append(len(queries[0]))
        return original(queries, *rest)

    monkeypatch.setattr(batch_loss, "loss_of_units", remembered)
    monkeypatch.setattr(batch_loss, "SCORES", 2 * len(batch.document_tokens))
    monkeypatch.setattr(batch_loss, "LEAST", 1)
    monkeypatch.setattr(batch_loss, "ROWS", 4)
    assert cached_step(other, batch, FULL, compute).loss == pytest.approx(loss, abs=1e-12)
    assert blocks == [2, 2, 1]
    expected, found = gradients(one), gradients(other)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-10, rtol=0)


@pytest.mark.parametrize("budget", [12, 10_000])
def test_a_step_taken_twice_is_the_same_bit_for_bit(budget: int) -> None:
    batch, found = make_batch(5, seed=1), []
    for _ in range(2):
        model = tiny_model(dtype=torch.float32)
        loss = cached_step(model, batch, FULL, Compute(budget=budget)).loss
        found.append((loss, gradients(model)))
    assert found[0][0] == found[1][0]
    for name, gradient in found[0][1].items():
        assert torch.equal(gradient, found[1][1][name])


@pytest.mark.parametrize(("pooling", "repeats"), [("eos", True), ("mean", False)])
def test_cached_equals_plain_for_eos_and_with_repeats(pooling: Any, repeats: bool) -> None:
    batch, compute = make_batch(5, seed=2), Compute(pooling, budget=30, repeats=repeats)
    one, other = tiny_model(), tiny_model()
    loss = plain_step(one, batch, FULL, compute)
    assert cached_step(other, batch, FULL, compute).loss == pytest.approx(loss, abs=1e-12)
    expected, found = gradients(one), gradients(other)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-10, rtol=0)


def test_dropout_is_replayed() -> None:
    """The second forward draws what the first drew: else its vectors, and so its gradients, are others."""
    batch, compute = make_batch(5, seed=3), Compute(budget=40)
    passes: list[torch.Tensor] = []
    original = cached._Pass.encode

    def remembered(self: cached._Pass) -> torch.Tensor:
        vectors = original(self)
        passes.append(vectors.detach().clone())
        return vectors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached._Pass, "encode", remembered)
        torch.manual_seed(5)
        cached_step(tiny_model(dropout=0.3), batch, PLAIN, compute)
    half = len(passes) // 2  # of the last one, in the middle, the first graph was kept
    assert half > 2
    assert len(passes) == 2 * half + 1
    for first, second in zip(passes[:half], reversed(passes[half + 1 :]), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(
        torch.cat(passes[: half + 1]), torch.cat(_encoded_without_dropout(batch, compute)[: half + 1])
    )


def _encoded_without_dropout(batch: Any, compute: Compute) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    original = cached._Pass.encode

    def remembered(self: cached._Pass) -> torch.Tensor:
        found.append(original(self))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached._Pass, "encode", remembered)
        cached_step(tiny_model(), batch, PLAIN, compute)
    return [one.detach() for one in found]


def test_tokens_are_those_of_distinct_texts() -> None:
    batch = make_batch(5, seed=1)
    texts = {tuple(row) for row in batch.query_tokens + batch.document_tokens}
    assert len(texts) < len(batch.query_tokens + batch.document_tokens)
    assert cached_step(tiny_model(), batch, PLAIN, Compute()).tokens == sum(map(len, texts))


# Budgets that cut the processes' texts into different numbers of micro-batches.
BUDGETS = (12, 200, 30, 55)
QUERIES = 4


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_several_processes_equal_one_with_all_their_texts(world: int, tmp_path: Path) -> None:
    context = torch.multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_worker, args=(rank, world, tmp_path / "meet", tmp_path / f"{rank}.pt"))
        for rank in range(world)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * world
    everything = joined([make_batch(QUERIES, seed=10 + rank) for rank in range(world)])
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(world)]
    for case, (objective, dtype, tolerance) in _cases().items():
        model = tiny_model(dtype=dtype)
        loss = plain_step(model, everything, objective, Compute())
        expected = gradients(model)
        biggest = max(float(one.abs().max()) for one in expected.values())
        for of_rank in found:
            result = of_rank[case]
            assert result["loss"] == pytest.approx(loss, rel=tolerance)
            for name, gradient in expected.items():
                torch.testing.assert_close(result["gradients"][name], gradient, atol=tolerance * biggest, rtol=0)
        if case == "ddp":  # a step of SGD, which shows a wrong factor where Adam hides it
            torch.optim.SGD(model.parameters(), 0.5).step()
            for name, weight in model.named_parameters():
                torch.testing.assert_close(found[0]["sgd"][name], weight.detach(), atol=1e-9, rtol=0)
        if case == "ddp":  # what the test would see if the gradients were not multiplied by the number of processes
            wrong = found[0]["without the factor"]
            name = "norm.weight"
            assert not torch.allclose(wrong[name], expected[name], atol=tolerance * biggest, rtol=0)
            torch.testing.assert_close(wrong[name] * world, expected[name], atol=tolerance * biggest, rtol=0)


def _cases() -> dict[str, tuple[Objective, torch.dtype, float]]:
    return {
        "ddp": (FULL, torch.float64, 1e-9),
        "ddp fp32": (PLAIN, torch.float32, 1e-5),
        "fsdp": (FULL, torch.float64, 1e-9),
    }


def _worker(rank: int, world: int, meet: Path, out: Path) -> None:
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    batch, compute = make_batch(QUERIES, seed=10 + rank), Compute(budget=BUDGETS[rank], score_block=3)
    found: dict[str, Any] = {}
    for case, (objective, dtype, _) in _cases().items():
        model = tiny_model(dtype=dtype)
        if case == "fsdp":
            for layer in model.layers:
                fully_shard(layer)
            wrapped = fully_shard(model)
        else:
            wrapped = DistributedDataParallel(model)
        result = cached_step(wrapped, batch, objective, compute)
        full = {name: _whole(p.grad) for name, p in model.named_parameters()}
        found[case] = {"loss": result.loss, "gradients": full}
        if case == "ddp":
            torch.optim.SGD(model.parameters(), 0.5).step()
            found["sgd"] = {name: p.detach() for name, p in model.named_parameters()}
            found["without the factor"] = _without_factor(batch, compute)
    torch.save(found, out)
    dist.destroy_process_group()


def _without_factor(batch: Any, compute: Compute) -> dict[str, torch.Tensor]:
    from torch.nn.parallel import DistributedDataParallel

    model = tiny_model()
    original = cached._backward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            cached,
            "_backward",
            lambda model, passes, more, gradient: original(model, passes, more, gradient / processes.world_size()),
        )
        cached_step(DistributedDataParallel(model), batch, FULL, compute)
    return {name: p.grad for name, p in model.named_parameters()}


def _whole(gradient: Any) -> torch.Tensor:
    whole: torch.Tensor = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
    return whole


def test_batches_of_unequal_size_are_refused_by_one_process_too() -> None:
    batch = make_batch(5, seed=1)
    with pytest.raises(ValueError, match="14 documents"):
        cached_step(tiny_model(), replace(batch, document_tokens=batch.document_tokens[:-1]), PLAIN, Compute())
