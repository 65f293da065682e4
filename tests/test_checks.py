"""builders.checks as a user runs it: its table, its folder, its exit status, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

from builders.checks import Checks, main
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.store.versions import all_versions
from tests.quality.breaking import World
from tests.triplet_making import write


@pytest.fixture
def data(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "data"))


def checks(data: Path, *arguments: str) -> int:
    return run(Checks, main, [*arguments, "--data", str(data), "--threads", "1"])


def test_a_set_without_faults_is_0_and_its_folder_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checks(data, "candidates") == 0
    out, err = capsys.readouterr()
    folder = Path(out.strip())
    assert folder.parent == data / "checks" and (folder / "quality.json").is_file()
    assert out.count("\n") == 1
    lines = {" ".join(line.split()[:3]): line for line in err.splitlines()}
    assert f" {len(World(data).rows('candidates')):,} " in lines["passed error candidate_order"]
    assert "not_run error unique_triplets" in lines
    assert "passed error schema.chunk," in lines and "passed error schema.chunk.text" not in lines
    assert "No check of severity error failed" in err
    assert {v.table for v in all_versions(data)} == {v.table for v in all_versions(data) if v.table != "checks"}


def test_an_error_is_1_and_what_failed_is_written_and_shown(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(data)
    key = world.change("candidates", "sent", world.train_row("candidates", "sent")["query_id"], own_rank=7)
    out = data / "out"
    assert checks(data, "candidates", "--out", str(out)) == 1
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert f"{key}: own_rank is 7" in told.err
    assert "Error: 1 check failed (candidate_own_rank): its rows are in" in told.err
    assert json.loads((out / "quality.json").read_text())["errors"] == 1
    assert (out / "failing" / "candidate_own_rank.parquet").is_file()


def test_a_table_edited_by_hand_names_its_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = World(data).version("queries").shards()[2]
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert checks(data, "candidates") == 1
    told = capsys.readouterr()
    assert told.out == "" and f"Error: {shard}" in told.err and "was changed after it was written" in told.err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"versions": ()}, "Name the versions to check"),
        ({"threads": 0}, "--threads 0 runs nothing"),
        ({"memory": "lots"}, "--memory 'lots' is no amount of memory"),
        ({"memory": "0GB"}, "--memory '0GB' is no amount of memory"),
    ],
)
def test_a_wrong_use_is_one_sentence(settings: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told) as fault:
        Checks(**({"versions": ("triplets",)} | settings))  # type: ignore[arg-type]
    assert fault.value.exit_code == 2


def test_a_version_that_is_not_there_is_2(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checks(data, "triplets") == 2
    assert "There is no finished version triplets" in capsys.readouterr().err


def test_many_failed_checks_are_still_one_sentence(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write(data, "queries", "query", [], ())
    assert checks(data, str(empty)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert len(last) < 600 and " more): they examined no row, all is told in " in last


def test_hostile_text_is_escaped_on_the_terminal(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(data)
    world.change("queries", "sent", world.train_row("queries", "sent")["query_id"], split="\x1b[31mred")
    assert checks(data, "candidates") == 1
    told = capsys.readouterr().err
    assert "\\x1b[31mred" in told and "\x1b[31m" not in told
