"""Building a version: resumed = uninterrupted, two processes = one, the manifest last, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.store.building import Building, ShardResult, already_built, build, build_shards, building
from builders.store.plans import Plan
from builders.store.versions import Version, unfinished
from tests.making import Shards, parquet_bytes, plan, rejected_of, rows_of, snapshot

SHARDS = 4


def make(data: Path, stage: Shards, processes: int = 1, made_by: Plan | None = None) -> Version:
    return build(made_by or plan(), data, partial(build_shards, shards=SHARDS, make=stage, processes=processes))


@pytest.fixture
def whole(tmp_path: Path) -> Version:
    """An uninterrupted version."""
    return make(tmp_path / "whole", Shards(tmp_path / "whole.log"))


def same(a: Version, b: Version) -> bool:
    """Equal to the byte, but for when and how fast."""
    one, two = ({k: v for k, v in x.manifest.items() if k not in ("finished", "usage")} for x in (a, b))
    return parquet_bytes(a.folder) == parquet_bytes(b.folder) and one == two


def test_the_manifest_counts_what_the_shards_made(whole: Version) -> None:
    assert whole.manifest["rows"] == {
        "in": 12,
        "out": 8,
        "rejected": 4,
        "rejected_by_reason": {"duplicate": 2, "empty": 2},
    }
    assert whole.manifest["counts"] == {"twos": 8}
    assert len(rows_of(whole)) == 8
    assert [(r["row_id"], r["reason"], r["raw"]) for r in rejected_of(whole)] == [
        (f"{i}-2", "empty" if i % 2 else "duplicate", "{}") for i in range(SHARDS)
    ]
    assert {p.name for p in whole.folder.iterdir()} == {
        "manifest.json",
        "rejected",
        *(f"0000{i}.parquet" for i in range(4)),
    }


def test_a_manifest_says_nothing_of_the_machine(whole: Version) -> None:
    text = (whole.folder / "manifest.json").read_text()
    for secret in (str(whole.folder.parent.parent), socket.gethostname(), str(Path.home()), str(Path.cwd())):
        assert secret not in text


@pytest.mark.parametrize(("at", "processes"), [(0, 1), (2, 1), (3, 1), (2, 2)])
def test_resumed_is_uninterrupted_and_repeats_no_finished_shard(
    whole: Version, tmp_path: Path, at: int, processes: int
) -> None:
    data, first, second = tmp_path / "data", Shards(tmp_path / "first", at), Shards(tmp_path / "second")
    with pytest.raises(RuntimeError, match=f"shard {at} fails"):
        make(data, first, processes)
    folder = data / "numbers" / plan().version()
    assert unfinished(data) == [folder]
    assert already_built(plan(), data) is None
    done = {i for i in range(SHARDS) if (folder / "work" / f"{i:05d}.json").exists()}
    assert processes == 2 or done == set(range(at))
    assert at not in done
    again = make(data, second)
    assert same(again, whole)
    assert second.calls() == sorted(set(range(SHARDS)) - done)
    assert unfinished(data) == []


def test_two_processes_make_the_bytes_of_one(whole: Version, tmp_path: Path) -> None:
    stage = Shards(tmp_path / "log")
    assert same(make(tmp_path / "data", stage, processes=2), whole)
    assert stage.calls() == list(range(SHARDS))


def test_what_is_built_is_said_and_left_as_it_is(whole: Version, capsys: pytest.CaptureFixture[str]) -> None:
    data = whole.folder.parent.parent
    before = snapshot(data)
    stage = Shards(data / "never")
    again = make(data, stage)
    assert "already built: numbers/" in capsys.readouterr().err
    assert again.manifest == whole.manifest
    assert stage.calls() == []
    assert snapshot(data) == before


def test_a_version_that_another_run_finished_meanwhile_is_left_as_it_is(
    whole: Version, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(whole.folder)
    answers = iter([None, whole])  # not there when looked for first, there once the lock is held
    monkeypatch.setattr("builders.store.building.already_built", lambda plan, data: next(answers))
    stage = Shards(whole.folder / "never")
    assert make(whole.folder.parent.parent, stage) is whole
    assert "already built" in capsys.readouterr().err
    assert snapshot(whole.folder) == before
    assert not (whole.folder / "work").exists()


def test_a_temporary_file_of_a_killed_run_is_not_kept(whole: Version, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with building(plan(), data) as made:
        (made.folder / "rejected").mkdir()
        for stray in (".00000.parquet.99", "rejected/.00001.parquet.99"):
            (made.folder / stray).write_bytes(b"PAR1")
    assert same(make(data, Shards(tmp_path / "log")), whole)


def test_a_killed_worker_is_one_sentence_and_a_resume(whole: Version, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(UserError, match=r"worker process of numbers was killed.*fewer --processes"):
        make(data, Shards(tmp_path / "log", fails=2, dies=True), processes=2)
    assert same(make(data, Shards(tmp_path / "again")), whole)


KILLED = """
import os, sys, time
from pathlib import Path
from tests.making import Shards, plan
from tests.store.test_building import make

class Slow(Shards):
    def __call__(self, shard):
        Path(f"{self.log}.{os.getpid()}.pid").touch()
        if shard == 2:
            time.sleep(60)
        return super().__call__(shard)

if __name__ == "__main__":
    make(Path(sys.argv[1]), Slow(Path(sys.argv[2])), processes=2)
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow
def test_kill_9_ends_the_workers_too_and_the_next_run_goes_on(whole: Version, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    run = subprocess.Popen([sys.executable, str(script), tmp_path / "data", tmp_path / "log"], env=environment)
    stage = Shards(tmp_path / "log")
    deadline = time.monotonic() + 20
    while stage.calls() != [0, 1, 3] and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
    work = tmp_path / "data" / "numbers" / plan().version() / "work"
    while len(list(work.glob("0*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    workers = [int(p.name.split(".")[1]) for p in tmp_path.glob("log.*.pid")]
    assert workers
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))
    stage = Shards(tmp_path / "second")
    assert same(make(tmp_path / "data", stage), whole)
    assert stage.calls() == [2]


def test_a_marker_stands_for_whole_files(tmp_path: Path) -> None:
    made = Building(tmp_path, "numbers", "query_duplicate", "aa")
    (tmp_path / "work").mkdir()
    result = Shards(tmp_path / "log")(1)
    made.write(1, Shards(tmp_path / "log")(3), 0.5)
    made.write(1, result, 0.5)
    assert made.is_done(1)
    assert not made.is_done(0)
    assert made.counts(1) == {"twos": 2}
    marker = json.loads(made.marker(1).read_bytes())
    assert marker["seconds"] == 0.5
    assert set(marker["files"]) == {"00001.parquet", "rejected/00001.parquet"} == set(parquet_bytes(tmp_path))
    made.write(1, ShardResult(result.rows), 0.5)
    assert set(parquet_bytes(tmp_path)) == {"00001.parquet"}
