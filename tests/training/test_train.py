"""`python -m drama_train`: a run from flags to files, again, with other flags, with two releases, by two processes."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from builders.cli.errors import UserError
from drama_train.__main__ import main
from drama_train.retriever import load_retriever
from drama_train.training.run_folder import read_facts, settle_config
from drama_train.training.run_log import read_log
from tests.llm.tiny_llama import one_thread
from tests.training.small_release import write_small_release

FLAGS = "--steps 6 --batch 8 --negatives 3 --max-length 24 --evaluate-every 3 --temperature 0.05 --device cpu".split()


@pytest.fixture(autouse=True)
def _quick(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    with one_thread():
        yield


def _flags(release: Path, model: Path, out: Path) -> list[str]:
    return ["--release", str(release), "--model", str(model), "--out", str(out), *FLAGS]


def test_a_run_is_told_in_files(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(_flags(small_release, tiny_folder, out)) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out)
    lines = [line for line in told.err.splitlines() if line.startswith("step") and "loss" in line]
    assert len(lines) == 6 and len({tuple(at for at, c in enumerate(line) if c == ".")[:1] for line in lines}) == 1
    assert "web                      sent" in told.err and "6 steps of 8 queries x (1 + 3) documents" in told.err
    log = read_log(out)
    assert [line["step"] for line in log] == [0, 1, 2, 3, 3, 4, 5, 6, 6]
    assert all(0 < line["heldout"]["ndcg_at_10"] <= 1 for line in log if "heldout" in line)
    run = json.loads((out / "run.json").read_text())
    assert run["steps"] == 6 and run["plan"]["objective"]["dims"] == [128, 64]
    assert run["releases"][0]["content_hash"] and sum(s["rows"] for s in run["mixture"]["streams"]) == 40
    assert run["tokens"] == sum(line.get("tokens", 0) for line in log)
    assert list((out / "tensorboard").iterdir())
    exported, best = (load_retriever(str(out / place)) for place in ("model", "checkpoints/best/model"))
    texts = ["rivers of the north", "snow"]
    np.testing.assert_allclose(exported.encode(texts, "query"), best.encode(texts, "query"), atol=1e-6)
    assert exported.settings == best.settings and (out / "model" / "golden.json").is_file()
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt")) + list(out.rglob("*.pkl"))


def test_a_run_that_is_done_is_left_as_it_is_and_another_is_refused(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    flags = _flags(small_release, tiny_folder, out)
    assert main(flags) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
    assert main(["train", *flags]) == 0
    assert "already trained" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert main([*flags, "--seed", "1"]) == 2
    assert f"{out} is another run: its plan is seed 0, and would be seed 1" in capsys.readouterr().err
    other = write_small_release(tmp_path / "other", seed=1)
    assert main(_flags(other, tiny_folder, out)) == 2
    assert "is another run: its releases is content_hash" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["config.json", "run.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_file_of_a_run_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name} is damaged \(.*\): name another --out"):
        settle_config(tmp_path, {"model": "m"}) if name == "config.json" else read_facts(tmp_path, name)


def test_what_a_kill_left_beside_no_config_is_no_run_of_another(tmp_path: Path) -> None:
    (tmp_path / ".config.json.4711").write_text("{")
    settle_config(tmp_path, {"model": "m"})
    assert read_facts(tmp_path, "config.json") == {"model": "m"}


def test_a_full_disk_is_told_in_a_sentence(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files may not grow beyond 100 kB, and the weights are larger."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    main([*_flags(small_release, tiny_folder, tmp_path / "run"), "--dry-run"])  # fills the cache of the release
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert main(_flags(small_release, tiny_folder, tmp_path / "run")) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "best.new cannot be written (" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_not_written_into(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(_flags(small_release, tiny_folder, tmp_path)) == 2
    assert "is not empty and no run: name another --out" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*_flags(small_release, tiny_folder, tmp_path / "run"), "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert "query     'Query: " in told and "positive  " in told and "negative  " in told
    assert not (tmp_path / "run").exists()


def test_what_a_release_says_does_not_drive_the_terminal(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Colours, titles, a carriage return, a C1 control and a right-to-left override, in texts and in a source's name."""
    hostile = "\x1b[31m\x1b]0;title\x07\r\x9b31m\u202e"
    release = write_small_release(tmp_path / "release", before=hostile)
    flags = _flags(release, tiny_folder, tmp_path / "run")
    flags[flags.index("--max-length") + 1] = "64"
    assert main([*flags, "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert not set(hostile[0] + hostile[-1] + "\x07\r\x9b") & set(told)
    assert r"\x1b[31m\x1b]0;title\x07\r\x9b31m\u202ewiki" in told
    assert r"query     'Query: \x1b[31m\x1b]0;title\x07\r\x9b31m\u202e" in told


def test_two_releases_one_of_them_without_heldout_rows(
    small_release: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_small_release(tmp_path / "other", name="other", heldout=0, seed=3)
    out = tmp_path / "run"
    flags = _flags(small_release, tiny_folder, out)
    assert main([*flags[:2], str(other), *flags[2:]]) == 0
    assert "other v1.0.0 holds nothing out" in capsys.readouterr().err
    names = {name for line in read_log(out) for name in line.get("streams", {})}
    assert {name.split("/")[0] for name in names} == {"small", "other"}
    assert main([*flags[:2], str(small_release), *flags[2:]]) == 2
    assert "The release small is given twice" in capsys.readouterr().err


def test_without_heldout_rows_the_last_model_is_the_result(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_small_release(tmp_path / "release", heldout=0)
    out = tmp_path / "run"
    assert main(_flags(release, tiny_folder, out)) == 0
    assert "Nothing is held out" in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["best_score"] is None


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--max-length", "2"], "The --max-length 2 leaves no room"),
        (["--dims", "256"], "dimension 256 of a vector of 128"),
        (["--dims", "64", "32", "--weights", "1"], "1 --weights for 2 --dims"),
        (["--temperature", "0"], "temperature of 0"),
        (["--mixture", "papr"], "There is no mixture papr"),
        (["--device", "cuda"], "There are 0 GPUs here"),
        (["--batch", "8", "--batch", "9"], "--batch is given twice"),
        (["--layers", "3"], "has 2 layers, and --layers asks for 3"),
        (["--max-length", "512"], "has 256 positions, and 512 tokens of a text are to be read"),
        (["--max-length", "24", "--query-prefix", "rivers of the north " * 9], "prefix, with what begins and ends"),
        (["--limit", "0"], "The --limit 0 leaves nothing"),
        (["--limit", "-3"], "The --limit -3 leaves nothing"),
        (["--heldout", "0"], "The --heldout 0 leaves nothing"),
    ],
)
def test_flags_that_cannot_be_used(
    small_release: Path,
    tiny_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    fault: str,
) -> None:
    if "cuda" in flags and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    given = ["--release", str(small_release), "--model", str(tiny_folder), "--out", str(tmp_path / "run")]
    assert main([*given, *flags, "--steps", "1"]) in (1, 2)
    told = capsys.readouterr().err
    assert fault in told and "Traceback" not in told
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_two_processes_are_one(small_release: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """torchrun with two: the same losses and weights as one process with the whole batch, beyond rounding."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), environment.get("PYTHONPATH", "")])
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for name, first in (("one", [sys.executable, "-m"]), ("two", start)):
        flags = _flags(small_release, tiny_folder, tmp_path / name)
        command = [*first, "drama_train", *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("step      6/6  loss") == 1
    losses = [[line["loss"] for line in read_log(tmp_path / name) if "loss" in line] for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4) and len(losses[0]) == 6
    one, two = (load_file(tmp_path / name / "checkpoints/last/model/model.safetensors") for name in ("one", "two"))
    start_weights = load_file(tiny_folder / "model.safetensors")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-4, rtol=0)
        assert (tensor - start_weights[f"model.{name}"]).abs().max() > 5e-4
