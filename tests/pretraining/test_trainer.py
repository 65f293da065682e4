"""A pre-training run: it learns, resumed equals uninterrupted bit for bit, and it stops where a loss is no number."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing

from builders.cli.errors import UserError
from drama_train.language_model import load_language_model
from drama_train.pretraining import trainer
from drama_train.pretraining.perplexity import Known, LanguageLoss, heldout_losses
from drama_train.pretraining.tokens import Tokens
from drama_train.pretraining.trainer import pretrain
from drama_train.training.checkpoints import MODEL, find
from drama_train.training.run_log import read_log
from tests.llm.tiny_llama import one_thread
from tests.pretraining.runs import PLAN, heldout_of, losses_of, open_tokens, weights_of, work_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


class _Stopped(Exception):
    """As if the run was killed in an evaluation."""


def _evaluating(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Held-out losses by turns, the same for both languages; when they run out, the run is stopped."""
    left = iter(values)

    def losses(*_: Any, **__: Any) -> dict[str, LanguageLoss]:
        try:
            value = next(left)
        except StopIteration:
            raise _Stopped from None
        return {"de": LanguageLoss(value, 1), "en": LanguageLoss(value, 1)}

    monkeypatch.setattr(trainer, "heldout_losses", losses)


def test_it_learns(tmp_path: Path, small_tokens: Tokens, tiny_folder: Path) -> None:
    plan = replace(PLAN, steps=30, lr=3e-3, warmup_steps=3, evaluate_every=6)
    work = work_of(tmp_path, small_tokens, tiny_folder, plan)
    progress = pretrain(work)
    losses = [loss for _, loss, _ in losses_of(tmp_path)]
    assert progress.step == len(losses) == 30
    assert progress.tokens == plan.tokens == sum(line.get("tokens", 0) for line in read_log(tmp_path))
    told = heldout_of(tmp_path)
    assert [step for step, _ in told] == [0, 6, 12, 18, 24, 30]
    for name in ("loss", "de", "en"):
        falling = [one[name] for _, one in told]
        assert falling == sorted(falling, reverse=True) and falling[-1] < 0.7 * falling[0]
    assert progress.best_score == told[-1][1]["loss"] == (told[-1][1]["de"] + told[-1][1]["en"]) / 2
    streams = [line["streams"] for line in read_log(tmp_path) if "streams" in line]
    assert all(sum(one.values()) == plan.batch for one in streams) and any(len(one) == 2 for one in streams)


@pytest.mark.parametrize(("dropout", "checkpointing"), [(0.0, False), (0.2, True)])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, dropout: float, checkpointing: bool
) -> None:
    """Stopped after step 6, when the last checkpoint is of step 4: blocks, losses and weights are the same."""
    folders = tmp_path / "whole", tmp_path / "stopped"

    def work(folder: Path) -> trainer.Work:
        made = work_of(folder, small_tokens, tiny_folder, checkpointing=checkpointing)
        for layer in made.model.model.model.layers:
            layer.self_attn.attention_dropout = dropout
        return made

    whole = work(folders[0])
    expected_progress = pretrain(whole)
    evaluated = []

    def stopping(*given: Any, **more: Any) -> dict[str, LanguageLoss]:
        evaluated.append(1)
        if len(evaluated) == 4:
            raise _Stopped
        return heldout_losses(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "heldout_losses", stopping)
        with pytest.raises(_Stopped):
            pretrain(work(folders[1]))
    assert [step for step, *_ in losses_of(folders[1])] == [1, 2, 3, 4, 5, 6]
    resumed = work(folders[1])
    progress = pretrain(resumed)
    assert (progress.step, progress.tokens) == (8, expected_progress.tokens)
    assert (progress.best_step, progress.best_score) == (expected_progress.best_step, expected_progress.best_score)
    assert losses_of(folders[1]) == losses_of(folders[0])
    assert heldout_of(folders[1]) == heldout_of(folders[0]) and len(heldout_of(folders[0])) == 5
    streams = [[line.get("streams") for line in read_log(folder)] for folder in folders]
    assert streams[0] == streams[1]
    found, start = weights_of(resumed.model), weights_of(load_language_model(str(tiny_folder)))
    for name, weight in weights_of(whole.model).items():
        assert torch.equal(found[name], weight)
        assert not torch.equal(found[name], start[name])


def test_the_budget_changes_nothing_beyond_rounding(tmp_path: Path, small_tokens: Tokens, tiny_folder: Path) -> None:
    told = []
    for budget in (32, 64, 1024):
        folder = tmp_path / str(budget)
        pretrain(work_of(folder, small_tokens, tiny_folder, replace(PLAN, budget=budget, steps=3)))
        told.append([loss for _, loss, _ in losses_of(folder)])
    assert told[1] == pytest.approx(told[0], rel=1e-5) and told[2] == pytest.approx(told[0], rel=1e-5)


def test_best_is_the_model_of_the_lowest_loss(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    values = iter([5.0, 3.0, 4.0, 3.5, 3.2])

    def losses(learner: Any, *_: Any, **__: Any) -> dict[str, LanguageLoss]:
        seen.append(weights_of(learner.model))
        return {"de": LanguageLoss(next(values), 1)}

    monkeypatch.setattr(trainer, "heldout_losses", losses)
    progress = pretrain(work_of(tmp_path, small_tokens, tiny_folder))
    assert (progress.best_step, progress.best_score) == (2, 3.0)
    best = find(tmp_path / "checkpoints", "best")
    assert best is not None
    for name, weight in weights_of(load_language_model(str(best / MODEL))).items():
        assert torch.equal(weight, seen[1][name])
    assert any(not torch.equal(seen[2][name], weight) for name, weight in seen[1].items())


def test_patience_ends_a_run(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluating(monkeypatch, 5.0, 3.0, 4.0, 3.5)
    assert pretrain(work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, patience=2))).step == 6


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_no_number_names_its_blocks(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, where: str
) -> None:
    work = work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, evaluate_every=4))
    norm = work.model.model.model.norm.weight
    calls: list[int] = []

    def third(gradient: torch.Tensor) -> torch.Tensor:
        """Of the second step's first micro-batch."""
        calls.append(1)
        if len(calls) != 3:
            return gradient
        if where == "loss":
            with torch.no_grad():
                norm[0] = float("nan")
        return gradient * (float("inf") if where == "gradient" else 1)

    norm.register_hook(third)
    with pytest.raises(UserError, match=r"The loss of step 2 is .* on blocks such as .*\d.* or lower --lr"):
        pretrain(work)
    told = json.loads((tmp_path / "no_number.json").read_text())
    drawn = next(line["streams"] for line in read_log(tmp_path) if line["step"] == 1 and "streams" in line)
    assert told["step"] == 2 and set(told["blocks"]) <= {"de", "en"} and set(drawn) <= {"de", "en"}
    assert sum(map(len, told["blocks"].values())) == PLAN.batch
    assert all(row < len(small_tokens.languages[name].train) for name in told["blocks"] for row in told["blocks"][name])
    assert find(tmp_path / "checkpoints", "last") is None


def test_a_held_out_loss_that_is_no_number_stops_the_run(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluating(monkeypatch, 5.0, 4.0, float("nan"))
    with pytest.raises(UserError, match="held-out loss of de, en is no number"):
        pretrain(work_of(tmp_path, small_tokens, tiny_folder))
    assert json.loads((tmp_path / "checkpoints/last/state.json").read_text())["step"] == 2


def test_lost_languages_are_told_as_it_recovers(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = heldout_losses(load_language_model(str(tiny_folder)).model, small_tokens, blocks=2, batch=2)
    # of English it knows what the source knows, and of German nothing
    source = {"de": LanguageLoss(1.0, 1), "en": start["en"]}
    known = Known(source, {"de": 4.0, "en": start["en"].loss + 1})
    pretrain(work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, steps=2), known=known))
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lost: ")]
    assert len(told) == 2 and all(line.endswith("of the others: de 0%") for line in told)


def test_without_held_out_blocks_nothing_is_best(
    tmp_path: Path, small_tokens: Tokens, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    languages = {name: replace(one, heldout=one.heldout[:0]) for name, one in small_tokens.languages.items()}
    progress = pretrain(work_of(tmp_path, replace(small_tokens, languages=languages), tiny_folder))
    assert (progress.step, progress.best_score) == (8, None)
    assert find(tmp_path / "checkpoints", "best") is None and find(tmp_path / "checkpoints", "last") is not None
    assert "the last is the result" in capsys.readouterr().err


def test_pruning_json_goes_with_every_checkpoint(tmp_path: Path, small_tokens: Tokens, tiny_folder: Path) -> None:
    """With the steps that the weights of each have learned in."""
    begun = {"source": {"id": "x", "revision": "1"}, "tokens": None}
    texts = [{"name": "notes", "content_hash": "1", "licence": None}]
    ended = pretrain(work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, steps=2), begun=begun, texts=texts))
    for name, step in (("last", 2), ("best", ended.best_step)):
        recovery = {"steps": step, "tokens": step * 4 * 32, "texts": texts}
        told = json.loads((tmp_path / "checkpoints" / name / MODEL / "pruning.json").read_text())
        assert told == begun | ({"recovery": recovery} if step else {})


def test_a_checkpoint_of_another_mixture_is_refused(tmp_path: Path, small_tokens: Tokens, tiny_folder: Path) -> None:
    pretrain(work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, steps=2)))
    with pytest.raises(UserError, match=r"is of another mixture \(size was 4 and is 2\)"):
        pretrain(work_of(tmp_path, small_tokens, tiny_folder, replace(PLAN, batch=2)))


@pytest.mark.slow
def test_a_model_that_two_processes_share_is_resumed(tmp_path: Path, packed: Path, tiny_folder: Path) -> None:
    """FSDP2: stopped and resumed, the losses are those of an uninterrupted run, bit for bit."""
    context = torch.multiprocessing.get_context("spawn")
    workers = [context.Process(target=_sharing, args=(rank, tmp_path, packed, tiny_folder)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert losses_of(stopped) == losses_of(whole) and len(losses_of(whole)) == 8
    assert heldout_of(stopped) == heldout_of(whole)
    found = [weights_of(load_language_model(str(folder / "checkpoints/last" / MODEL))) for folder in (whole, stopped)]
    assert all(torch.equal(found[1][name], weight) for name, weight in found[0].items())


def _sharing(rank: int, folder: Path, packed: Path, model: Path) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    tokens = open_tokens(packed, model)
    pretrain(work_of(folder / "whole", tokens, model, fsdp=True))
    evaluated: list[int] = []

    def stopping(*given: Any, **more: Any) -> dict[str, LanguageLoss]:
        evaluated.append(1)
        if len(evaluated) == 4:
            raise _Stopped
        return heldout_losses(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "heldout_losses", stopping)
        with pytest.raises(_Stopped):
            pretrain(work_of(folder / "stopped", tokens, model, fsdp=True))
    dist.barrier()
    pretrain(work_of(folder / "stopped", tokens, model, fsdp=True))
    dist.destroy_process_group()
