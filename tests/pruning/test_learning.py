"""The loop of l0: it meets its targets, resumed equals uninterrupted bit for bit, and it stops where a loss is no number."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from builders.cli.errors import UserError
from drama_train.pretraining.tokens import Tokens
from drama_train.pruning.l0 import L0Plan
from drama_train.pruning.learning import L0Work, learn
from drama_train.training.checkpoints import find
from drama_train.training.run_log import read_log
from tests.pruning.learning import FACTS, any_steps, make_work, weights

with any_steps():
    PLAN = L0Plan(12, 4, 0, lr=1e-3, mask_lr=2.5, sparsity_warmup=0.5)


@pytest.fixture(autouse=True)
def _any_steps() -> Iterator[None]:
    with any_steps():
        yield


def _work(folder: Path, plan: L0Plan = PLAN, **facts: Any) -> L0Work:
    return make_work(folder, plan, checkpoint_every=4, **facts)


class _Stopped(Exception):
    """As if the run was killed."""


class _Stopping(Tokens):
    """Blocks that end, or do something, at a block."""

    def __init__(self, tokens: Tokens, at: int, act: Any) -> None:
        super().__init__(tokens.languages, tokens.block, tokens.key)
        object.__setattr__(self, "left", [at])
        object.__setattr__(self, "act", act)

    def blocks(self, name: str, rows: Sequence[int] | Any) -> Any:
        self.left[0] -= 1  # type: ignore[attr-defined]
        if self.left[0] == 0:  # type: ignore[attr-defined]
            self.act()  # type: ignore[attr-defined]
        return super().blocks(name, rows)


def _stopping(work: L0Work, step: int) -> L0Work:
    """Stopped in that step, while its second block is read."""

    def stop() -> None:
        raise _Stopped

    return replace(work, tokens=_Stopping(work.tokens, (step - 1) * work.plan.batch + 2, stop))


def _told(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_log(folder)]


@pytest.mark.slow
def test_targets_are_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In 200 steps, and the loss falls from where the targets are at their height."""
    work = make_work(tmp_path, L0Plan(200, 2, 0, lr=3e-3, sparsity_warmup=0.3))
    learn(work)
    log = read_log(tmp_path)
    assert log[-1]["targets"] == work.gated.gates.targets()
    for name, target in log[-1]["targets"].items():
        assert log[-1]["sparsity"][name] == pytest.approx(target, abs=0.04), name
    assert log[19]["targets"]["hidden"] == pytest.approx(log[-1]["targets"]["hidden"] / 3)
    assert sum(line["loss"] for line in log[-10:]) < sum(line["loss"] for line in log[60:70])
    assert "gates that ended away" not in capsys.readouterr().err


def test_every_step_is_told_and_the_cut_is_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = _work(tmp_path)
    before = weights(work)
    learn(work)
    log = read_log(tmp_path)
    assert [line["step"] for line in log] == list(range(1, 13)) and all(line["seconds"] > 0 for line in log)
    assert all(log[0]["sparsity"][name] == pytest.approx(0.024, abs=0.004) for name in log[0]["targets"])
    keep = work.gated.gates.keep()
    assert [len(keep.layers), len(keep.hidden), len(keep.heads[0]), len(keep.intermediate[1])] == [2, 15, 2, 21]
    assert not any(torch.equal(one, before[name]) for name, one in weights(work).items())
    assert not work.gated.training
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("l0 ")]
    assert len(lines) == 12 and lines[0].startswith("l0     1/12  loss  ") and "hid 0.024/0.060" in lines[0]
    assert len({line.index("tok/s") for line in lines}) == 1


def test_gates_that_end_away_from_their_target_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So few steps that they are still on their way."""
    work = _work(tmp_path / "short")
    learn(work)
    found = {name: float(one.detach().mean()) for name, one in work.gated.gates.sparsity().items()}
    missed = [name for name, target in work.gated.gates.targets().items() if abs(found[name] - target) > 0.05]
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gates that ended")]
    assert missed and len(told) == 1 and all(f"{name} {found[name]:.3f} of " in told[0] for name in missed)


@pytest.mark.parametrize("step", [2, 5, 12])
def test_resumed_equals_uninterrupted(tmp_path: Path, step: int) -> None:
    """Weights, gates, multipliers, what the optimizer keeps, and what is told; checkpoints are of steps 4, 8, 12"""
    whole, first, second = (_work(tmp_path / name) for name in ("whole", "stopped", "stopped"))
    learn(whole)
    with pytest.raises(_Stopped):
        learn(_stopping(first, step))
    done = (step - 1) // 4 * 4
    assert (find(first.folder, "last") is not None) == (done > 0)
    assert len(read_log(first.folder)) == step - 1
    learn(second)
    expected, found, start = weights(whole), weights(second), weights(_work(tmp_path))
    for name in expected:
        assert torch.equal(found[name], expected[name]) and not torch.equal(found[name], start[name])
    for file in ("weights.safetensors", "optimizer.safetensors"):
        kept = [load_file(work.folder / "last" / file) for work in (whole, second)]
        assert kept[0].keys() == kept[1].keys() and len(kept[0]) >= len(expected)
        assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
    assert _told(first.folder) == _told(whole.folder) and len(_told(whole.folder)) == PLAN.steps


def test_a_run_that_is_at_its_end_learns_nothing_more(tmp_path: Path) -> None:
    """It was stopped between the last step and the cut."""
    work = _work(tmp_path)
    learn(work)
    again = replace(_work(tmp_path), tokens=_Stopping(work.tokens, 1, lambda: pytest.fail("a block was read")))
    learn(again)
    assert all(torch.equal(one, weights(work)[name]) for name, one in weights(again).items())
    assert len(read_log(tmp_path)) == PLAN.steps


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"facts": FACTS | {"shape": "1x2x3x3x4"}}, "it was made with other flags, or of another model or text"),
        ({"plan": {"batch": 2}}, "size was 4 and is 2"),
        ({"plan": {"seed": 1}}, "seed was 0 and is 1"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(_Stopped):
        learn(_stopping(_work(tmp_path), 6))
    other = _work(tmp_path, replace(PLAN, **change.get("plan", {})), **change.get("facts", {}))
    before = weights(other)
    with pytest.raises(
        UserError, match=rf"last of l0 cannot be gone on from \({fault}\): name another --out, or remove"
    ):
        learn(other)
    assert all(torch.equal(one, before[name]) for name, one in weights(other).items())


@pytest.mark.parametrize("file", ["state.json", "weights.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, file: str, how: str) -> None:
    with pytest.raises(_Stopped):
        learn(_stopping(_work(tmp_path), 6))
    path = tmp_path / "last" / file
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2])
    if (file, how) == ("state.json", "gone"):
        assert find(tmp_path, "last") is None  # it is written last: without it there is no checkpoint
        return
    with pytest.raises(
        UserError, match=r"The checkpoint .*last of l0 cannot be gone on from \(.+\): name another --out"
    ):
        learn(_work(tmp_path))


def test_a_loss_that_is_no_number_stops_it_with_the_step_and_its_blocks(tmp_path: Path) -> None:
    """What was kept before is whole, and goes on."""
    work = _work(tmp_path)

    def poison() -> None:
        with torch.no_grad():
            work.gated.model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")

    with pytest.raises(UserError) as found:
        learn(replace(work, tokens=_Stopping(work.tokens, 9 * PLAN.batch + 1, poison)))
    told = str(found.value)
    draws = _work(tmp_path).mixture
    step = [draws.next() for _ in range(10)][-1]
    blocks = [f"block {draw.row} of {draws.streams[draw.stream].name}" for draw in step]
    assert told.startswith(
        f"In step 10 of l0, on {', '.join(blocks[:3])}, the loss is nan and the gradient's norm nan: "
    )
    assert told.endswith("is of before.") and "\n" not in told
    assert len(read_log(tmp_path)) == 9
    kept = load_file(tmp_path / "last" / "weights.safetensors")
    assert all(bool(one.isfinite().all()) for one in kept.values())
    learn(_work(tmp_path))
    assert len(read_log(tmp_path)) == PLAN.steps


@pytest.mark.slow
def test_killed_and_run_again_equals_uninterrupted(tmp_path: Path) -> None:
    """SIGKILL at random, three times, checkpoints every five steps."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def start(folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.pruning.learning", str(folder)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    draw = random.Random(time.time_ns())
    for _ in range(3):
        log = killed / "log.jsonl"
        before = len(read_log(killed)) // 5 * 5  # later steps are taken again
        stop_at = min(44, before + draw.randint(1, 14))
        process = start(killed)
        while process.poll() is None and (not log.is_file() or len(read_log(killed)) != stop_at):
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -9
    assert not (killed / "end.safetensors").exists() and len(read_log(killed)) > 0
    assert start(whole).wait() == start(killed).wait() == 0
    expected, found = (load_file(folder / "end.safetensors") for folder in (whole, killed))
    assert expected.keys() == found.keys() and len(expected) == 44
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert _told(killed) == _told(whole) and json.dumps(_told(whole)[-1])
