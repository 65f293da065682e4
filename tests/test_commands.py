"""Every command: its help has an example, it imports nothing heavy, and its exit status says what happened."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import __main__ as recipes
from builders import (
    audit,
    candidates,
    checks,
    contamination,
    corpus,
    cropped_sentences,
    export,
    publish,
    release,
    rerank_preferences,
    supervised,
    synthetic_queries,
    synthetic_triplets,
    tables,
    triplets,
)
from builders.cli.command import guarded, run
from builders.cli.errors import UserError
from builders.llm.requests import EngineStopped
from builders.store.versions import Version

HEAVY = (
    "torch",
    "transformers",
    "vllm",
    "openai",
    "pyarrow",
    "polars",
    "duckdb",
    "datasets",
    "sentence_transformers",
    "huggingface_hub",
    "mteb",
)
STAGES = sorted(p.stem for p in Path(corpus.__file__).parent.glob("*.py") if p.stem != "__init__")
COMMANDS: list[tuple[Any, Any, list[str]]] = [
    (recipes.Recipe, recipes.main, []),
    (corpus.Corpus, corpus.main, []),
    (cropped_sentences.CroppedSentences, cropped_sentences.main, []),
    (synthetic_queries.SyntheticQueries, synthetic_queries.main, []),
    (candidates.Candidates, candidates.main, []),
    (rerank_preferences.RerankPreferences, rerank_preferences.main, []),
    (triplets.Triplets, triplets.main, []),
    (supervised.Supervised, supervised.main, []),
    (export.Export, export.main, []),
    (release.Release, release.main, []),
    (publish.Publish, publish.main, []),
    (contamination.Contamination, contamination.main, []),
    (audit.Audit, audit.main, []),
    (checks.Checks, checks.main, []),
    (synthetic_triplets.SyntheticTriplets, synthetic_triplets.main, []),
    *((tables.Command, tables.main, [word]) for word in ("list", "show", "why", "diff")),
]


def python(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **settings)


def test_every_stage_has_a_command_here() -> None:
    assert {main.__module__.removeprefix("builders.") for _, main, _ in COMMANDS} == set(STAGES)


@pytest.mark.parametrize(("config", "main", "words"), COMMANDS)
def test_help_has_an_example_and_explains_every_flag(
    config: Any, main: Any, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        run(config, main, [*words, "--help"])
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    name = main.__module__.removesuffix(".__main__")
    assert f"usage: python -m {name}" in told.out
    assert f"Example: python -m {' '.join([name, *words])}" in told.out
    assert "--data" in told.out or main is publish.main  # which reads a release, and no table


@pytest.mark.parametrize("stage", STAGES)
def test_importing_a_stage_imports_nothing_heavy(stage: str) -> None:
    show = f"import builders.{stage}, sys; print(*sorted(m for m in {HEAVY} if m in sys.modules), sep=',')"
    ended = python("-c", show)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("\n", "", 0)


def test_help_of_a_real_command_imports_nothing_heavy(tmp_path: Path) -> None:
    ended = python(
        "-X",
        "importtime",
        "-m",
        "builders.synthetic_queries",
        "--help",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert ended.returncode == 0
    assert "usage: python -m builders.synthetic_queries" in ended.stdout
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "tyro" in imported
    assert not imported & set(HEAVY)
    assert list(tmp_path.iterdir()) == []


def test_statuses_of_a_real_command(chunks: Version, tmp_path: Path) -> None:
    data = f"--data={chunks.folder.parent.parent}"
    for arguments, status, told in (
        (["why", "no such row"], 1, "Error: No version in"),
        (["show", "nothing"], 2, "Error: There is no finished version nothing"),
        (["shw", "nothing"], 2, "shw"),
        (["why", "not utf-8 \udcff"], 1, "holds a row not utf-8 \\udcff"),
    ):
        ended = python("-m", "builders.tables", *arguments, data)
        assert (ended.returncode, ended.stdout) == (status, "")
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_reader_that_has_seen_enough_is_no_fault(chunks: Version) -> None:
    command = (
        f"{sys.executable} -m builders.tables show chunks --rows 100 --data {chunks.folder.parent.parent} | head -1"
    )
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{chunks}, made by builders.corpus")


FULL = (
    "CUDA out of memory. Tried to allocate 16.00 MiB. GPU 0 has a total capacity of 23.64 GiB of which 28.31 MiB is "
    "free. Including non-PyTorch memory, this process has 22.54 GiB memory in use."
)
FREE = "GPU 0 has a total capacity of 23.64 GiB of which 28.31 MiB is free"


def raising(fault: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise fault

    return call


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (UserError("Data are bad."), 1, "Error: Data are bad.\n"),
        (UserError("Wrong flag.", exit_code=2), 2, "Error: Wrong flag.\n"),
        (EngineStopped("The server is down."), 1, "Error: The server is down.\n"),
        (KeyboardInterrupt(), 130, "Error: Stopped. What is finished is kept"),
        (OSError(errno.ENOSPC, "full", "a.parquet"), 1, "Error: Cannot write a.parquet: there is no space left"),
        (OSError(errno.EDQUOT, "quota"), 1, "Error: Cannot write into the folder of --data: the disk quota is used up"),
        (PermissionError(errno.EACCES, "no", "b"), 1, "Error: Cannot open b: permission is denied"),
        (OSError(errno.EROFS, "ro", "c"), 1, "Error: Cannot open c: the file system is read-only"),
        (torch.OutOfMemoryError(FULL), 1, f"Error: The GPU's memory is full ({FREE}): free it of other work"),
        (torch.OutOfMemoryError("worded anew"), 1, "Error: The GPU's memory is full: free it of other work"),
    ],
)
def test_a_fault_that_is_not_ours_is_one_sentence(
    fault: BaseException, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(fault)) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(told)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "fault", [ValueError("ours"), RuntimeError("ours"), OSError(errno.EBADF, "ours"), AssertionError("ours")]
)
def test_a_fault_of_ours_keeps_its_traceback(fault: Exception) -> None:
    with pytest.raises(type(fault), match="ours"):
        guarded(raising(fault))


def test_the_result_is_one_line_on_stdout(chunks: Version, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: chunks) == 0
    assert capsys.readouterr() == (f"{chunks.folder}\n", "")
    assert guarded(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "arguments", [["--per-chunk=0"], ["--per-chunk=two"], ["--per-chonk=2"], ["--limit", "-1"], ["surplus"]]
)
def test_a_wrong_use_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = run(cropped_sentences.CroppedSentences, cropped_sentences.main, arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert capsys.readouterr().out == ""


def test_a_flag_that_is_given_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["triplets", "--name", "notes", "--licence", "a=MIT", "--licence", "b=MIT"]
    assert run(release.Release, release.main, given) == 2
    assert "--licence is given twice" in capsys.readouterr().err
