"""`torchrun -m drama_train prune`."""

import subprocess
import sys
from pathlib import Path

import pytest

from drama_train.__main__ import main
from drama_train.language_model import load_language_model
from drama_train.pruning.facts import read_pruning
from drama_train.pruning.shape import shape_of
from tests.pretraining.runs import alone_on_one_thread
from tests.pruning.prune_runs import TARGET, flags_of, holds_only


@pytest.mark.slow
def test_two_processes_make_one_model(model: Path, texts: Path, tmp_path: Path) -> None:
    """torchrun with two: l0, its losses, one folder; the first hop's recovery too."""
    start = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "drama_train",
    ]
    learned = "--pick l0 --steps 45 --batch 2 --mask-lr 2.5 --sparsity-warmup 0.9".split()
    for name, more in (("learned", learned), ("hops", ["--hops", "2", "--hop-steps", "2"])):
        command = [*start, *flags_of(model, texts, tmp_path / name, *more)]
        done = subprocess.run(
            command, env=alone_on_one_thread(), capture_output=True, text=True, check=False, timeout=540
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / name)]
        made = load_language_model(str(tmp_path / name)).model
        assert shape_of(made.config) == TARGET
        pruning = read_pruning(tmp_path / name)
        assert pruning is not None and set(pruning["losses"]["cut"]) == set(pruning["losses"]["source"])
        if name == "learned":
            assert done.stderr.count("l0    45/45") == 1
    assert holds_only(tmp_path, "learned", "hops")
    out = tmp_path / "one"
    assert main(flags_of(model, texts, out)) == 0
    losses = [read_pruning(tmp_path / name)["losses"]["source"] for name in ("one", "learned", "hops")]  # type: ignore[index]
    assert losses[1] == losses[2] == {name: pytest.approx(loss, abs=1e-5) for name, loss in losses[0].items()}
