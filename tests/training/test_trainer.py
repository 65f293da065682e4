"""A run: it learns, resumed equals uninterrupted bit for bit, and it stops where a loss is no number."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.retriever import Retriever, load_retriever, save_retriever
from drama_train.training.checkpoints import MODEL, Progress, find, save_best
from drama_train.training.run_log import read_log
from drama_train.training.streams import Tables
from drama_train.training.trainer import Evaluate, Work, train
from tests.llm.tiny_llama import one_thread
from tests.training.runs import PLAN, Stopped, losses_of, scores_of, weights_of, work_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def stopped(small_tables: Tables, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after step 6, its last checkpoint being of step 3. To be copied."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with one_thread(), pytest.raises(Stopped):
        train(work_of(folder, small_tables, tiny_folder, evaluate=scores_of(0.1, 0.3)))
    return folder


@pytest.mark.slow
def test_it_learns(tmp_path: Path, small_tables: Tables, tiny_folder: Path) -> None:
    work = work_of(tmp_path, small_tables, tiny_folder, replace(PLAN, steps=36, lr=2e-3))
    progress = train(work)
    losses = [loss for _, loss, _ in losses_of(tmp_path)]
    assert progress.step == len(losses) == 36
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])
    assert progress.tokens == sum(line["tokens"] for line in read_log(tmp_path)) > 0


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_resumed_equals_uninterrupted(tmp_path: Path, small_tables: Tables, tiny_folder: Path, dropout: float) -> None:
    """Stopped after step 9, when the last checkpoint is of step 6: batches, losses and weights are the same."""
    folders = tmp_path / "whole", tmp_path / "stopped"

    def work(folder: Path, scores: Evaluate) -> Work:
        made = work_of(folder, small_tables, tiny_folder, evaluate=scores)
        for layer in made.retriever.model.layers:
            layer.self_attn.attention_dropout = dropout
        return made

    whole = work(folders[0], scores_of(0.1, 0.3, 0.2, 0.5, 0.4))
    train(whole)
    with pytest.raises(Stopped):
        train(work(folders[1], scores_of(0.1, 0.3, 0.2)))
    assert [step for step, *_ in losses_of(folders[1])] == list(range(1, 10))
    resumed = work(folders[1], scores_of(0.5, 0.4))
    progress = train(resumed)
    assert (progress.best_step, progress.best_score, progress.step) == (9, 0.5, 12)
    assert losses_of(folders[1]) == losses_of(folders[0])
    streams = [[line["streams"] for line in read_log(folder) if "loss" in line] for folder in folders]
    assert streams[0] == streams[1]
    expected, found = weights_of(whole.retriever), weights_of(resumed.retriever)
    start = weights_of(load_retriever(str(tiny_folder)))
    for name in expected:
        assert torch.equal(found[name], expected[name])
        assert not torch.equal(found[name], start[name])


def test_a_run_stopped_before_its_first_checkpoint_is_told_once(
    tmp_path: Path, small_tables: Tables, tiny_folder: Path
) -> None:
    with pytest.raises(Stopped):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1)))
    assert [line["step"] for line in read_log(tmp_path)] == [0, 1, 2, 3]
    train(work_of(tmp_path, small_tables, tiny_folder, replace(PLAN, steps=3), scores_of(0.1, 0.2)))
    assert [line["step"] for line in read_log(tmp_path)] == [0, 1, 2, 3, 3]
    assert _events(tmp_path, "heldout/ndcg_at_10") == [(0, pytest.approx(0.1)), (3, pytest.approx(0.2))]
    assert [step for step, _ in _events(tmp_path, "loss")] == [1, 2, 3]


def _events(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(one.step, one.value) for one in events.Scalars(name)]


def test_waiting_for_a_batch_is_part_of_a_step(tmp_path: Path, small_tables: Tables, tiny_folder: Path) -> None:
    """Or the rate that is told is not that of the run, and the end comes later than was said."""
    work = work_of(tmp_path, small_tables, tiny_folder, replace(PLAN, steps=4))
    make = work.maker.make

    def slow(draws: Any) -> Any:
        time.sleep(0.5)
        return make(draws)

    work.maker.make = slow  # type: ignore[method-assign]
    start = time.perf_counter()
    progress = train(work)
    assert 2 <= progress.seconds <= time.perf_counter() - start
    assert sum(line["seconds"] for line in read_log(tmp_path)) == pytest.approx(progress.seconds)


@pytest.mark.parametrize("which", ["step 6", "none", "step 0"])
def test_a_kill_between_last_and_best_is_made_good(
    tmp_path: Path, small_tables: Tables, tiny_folder: Path, which: str
) -> None:
    """`last` says that step 6 is the best, and `best` is an older one or none: its weights are those of `last`."""
    with pytest.raises(Stopped):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1, 0.2, 0.3)))
    best = tmp_path / "checkpoints" / "best"
    if which != "step 6":
        shutil.rmtree(best)
    if which == "step 0":
        older = load_retriever(str(tiny_folder))
        save_best(tmp_path / "checkpoints", lambda folder: save_retriever(older, folder), Progress(best_score=0.1))
    work = work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.2, 0.1))
    expected = weights_of(work.retriever)
    assert train(work).best_step == 6
    found = weights_of(load_retriever(str(best / MODEL)))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_best_checkpoint_that_is_gone_is_not_passed_over(
    tmp_path: Path, small_tables: Tables, tiny_folder: Path
) -> None:
    with pytest.raises(Stopped):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1, 0.3, 0.2)))
    shutil.rmtree(tmp_path / "checkpoints" / "best")
    with pytest.raises(UserError, match=r"best checkpoint of .*, of step 3, is gone or another one"):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1)))


@pytest.mark.parametrize("line", [b"{", b"{}", b"[]", b'{"step": "1"}', b"\xff"])
def test_a_damaged_log_is_named(
    stopped: Path, tmp_path: Path, small_tables: Tables, tiny_folder: Path, line: bytes
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"Line 9 of .*log.jsonl is damaged \(.*\): take it out"):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1)))


def test_best_is_the_model_of_the_best_score(tmp_path: Path, small_tables: Tables, tiny_folder: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    scores = iter([0.1, 0.6, 0.2, 0.3, 0.4])

    def evaluate(retriever: Retriever) -> dict[str, float]:
        seen.append(weights_of(retriever))
        return {"ndcg_at_10": next(scores)}

    train(work_of(tmp_path, small_tables, tiny_folder, evaluate=evaluate))
    best = find(tmp_path / "checkpoints", "best")
    assert best is not None
    for name, tensor in weights_of(load_retriever(str(best / MODEL))).items():
        assert torch.equal(tensor, seen[1][name])
    assert any(not torch.equal(tensor, seen[2][name]) for name, tensor in seen[1].items())


def test_patience_ends_a_run(tmp_path: Path, small_tables: Tables, tiny_folder: Path) -> None:
    work = work_of(tmp_path, small_tables, tiny_folder, replace(PLAN, patience=2), scores_of(0.1, 0.5, 0.4, 0.5))
    assert train(work).step == 9


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_no_number_names_its_rows(
    tmp_path: Path, small_tables: Tables, tiny_folder: Path, where: str
) -> None:
    work = work_of(tmp_path, small_tables, tiny_folder)
    if where == "loss":
        with torch.no_grad():
            work.retriever.model.norm.weight[0] = float("nan")
    else:
        work.retriever.model.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(UserError, match=r"The loss of step 1 is .* on 8 rows such as train\d+#0~0\+\w+, .* lower --lr"):
        train(work)
    told = json.loads((tmp_path / "no_number.json").read_text())
    assert len(told["triplet_ids"]) == 8 and told["step"] == 1
    assert find(tmp_path / "checkpoints", "last") is None


def test_what_the_thread_raises_stops_the_run(tmp_path: Path, small_tables: Tables, tiny_folder: Path) -> None:
    work = work_of(tmp_path, small_tables, tiny_folder)

    def make(draws: Any) -> Any:
        raise UserError("The text of x#0 is empty.")

    work.maker.make = make  # type: ignore[method-assign]
    with pytest.raises(UserError, match="x#0 is empty"):
        train(work)


@pytest.mark.parametrize(
    ("file", "damage", "fault"),
    [
        ("state.json", lambda path: path.write_text("{"), "is damaged"),
        ("state.json", lambda path: path.write_text('{"stpe": 1}'), "is damaged"),
        ("optimizer.safetensors", lambda path: path.write_bytes(b"x"), "optimizer .* cannot be read"),
        ("optimizer.safetensors", lambda path: path.unlink(), "optimizer .* cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named(
    stopped: Path,
    tmp_path: Path,
    small_tables: Tables,
    tiny_folder: Path,
    file: str,
    damage: Callable[[Path], object],
    fault: str,
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / "checkpoints" / "last" / file)
    with pytest.raises(UserError, match=fault):
        train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.1)))


def test_a_kill_between_two_renames_loses_nothing(
    stopped: Path, tmp_path: Path, small_tables: Tables, tiny_folder: Path
) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    (folder / "last").rename(folder / "last.new")
    assert find(folder, "last") == folder / "last.new"
    assert train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.3, 0.2, 0.1))).step == 12
    assert sorted(path.name for path in folder.iterdir()) == ["best", "last"]


@pytest.mark.slow
def test_two_kills_between_renames_lose_nothing(
    stopped: Path, tmp_path: Path, small_tables: Tables, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the checkpoint that the first left under another name would be emptied."""
    folder = tmp_path / "checkpoints"
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    (folder / "last").rename(folder / "last.new")

    def half(path: Path, **_: Any) -> None:
        if (path / MODEL).exists():
            rmtree(path / MODEL)
            raise Stopped

    rmtree = shutil.rmtree
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", half)
        with pytest.raises(Stopped):
            train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.3, 0.2, 0.1)))
    assert train(work_of(tmp_path, small_tables, tiny_folder, evaluate=scores_of(0.3, 0.2, 0.1))).step == 12
