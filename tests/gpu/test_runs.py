"""The commands on a GPU: pruned, recovered, trained, evaluated and exported, each from files to files."""

import json
import re
from pathlib import Path

import pytest
import torch

from drama_train.__main__ import main
from drama_train.training.run_log import read_log
from tests.pretraining.making import documents, write_chunked
from tests.training.small_release import write_small_release


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chunked(tmp_path_factory.mktemp("texts") / "notes", documents(40))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_release(tmp_path_factory.mktemp("small") / "release")


def _run(*flags: object) -> None:
    before = _allocations()
    assert main([str(one) for one in flags]) == 0
    assert _allocations() > before + 1000  # it did not run on the CPU


def _allocations() -> int:
    """So far; torch tells nothing before the GPU is used."""
    return int(torch.cuda.memory_stats().get("allocation.all.allocated", 0))


@pytest.mark.parametrize("pick", ["l0", "importance"])
def test_pruned_recovered_and_trained(
    pick: str, tiny_folder: Path, texts: Path, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pruned, recovered, run = (tmp_path / name for name in ("pruned", "recovered", "run"))
    reading = ("--texts", texts, "--length", 32, "--heldout", 0.2)
    l0 = ("--steps", 50, "--batch", 2, "--mask-lr", 2.5, "--sparsity-warmup", 0.9) if pick == "l0" else ()
    shape = ("--shape", "1x96x2x1x100", "--samples", 24)
    _run("prune", "--model", tiny_folder, *shape, "--out", pruned, *reading, "--pick", pick, *l0)
    steps = ("--batch", 4, "--steps", 20, "--evaluate-every", 10)
    distil = ("--distil-from", tiny_folder)
    _run("pretrain", "--model", pruned, "--out", recovered, *reading, *steps, *distil)
    losses = [line["heldout"] for line in read_log(recovered) if "heldout" in line]
    means = [sum(one.values()) / len(one) for one in losses]
    assert means[-1] < means[0]
    flags = "--steps 6 --batch 8 --negatives 3 --max-length 24 --evaluate-every 3 --temperature 0.05".split()
    _run("--release", release, "--model", recovered, "--out", run, *flags)
    told = json.loads((run / "run.json").read_text())
    assert told["hardware"].startswith("1 x ")
    _run("evaluate", "--model", f"trained={run}", "--on", f"release:{release}", "--out", tmp_path / "scores")
    capsys.readouterr()
    assert main(["export", "--check", str(run / "model")]) == 0
    assert re.search(r"^transformers .* ok$", capsys.readouterr().out, re.MULTILINE)
