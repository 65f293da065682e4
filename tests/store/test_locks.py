"""The lock of a version: it names its holder, dies with it, and survives the races at the end of a run."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.store.building import build, build_shards
from builders.store.locks import locked
from tests.making import Shards, plan

HOLD = """
import sys, time
from pathlib import Path
from builders.store.locks import locked
with locked(Path(sys.argv[1]), "queries/aa"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Where the lock of the plan's version is."""
    return tmp_path / "numbers" / plan().version() / "work" / "lock"


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    process = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_told_who_holds_the_output_until_that_one_is_killed(
    holder: subprocess.Popen[str], lock: Path, tmp_path: Path
) -> None:
    stage = Shards(tmp_path / "log")
    run = partial(build, plan(), tmp_path, partial(build_shards, shards=2, make=stage))
    with pytest.raises(UserError) as told:
        run()
    assert told.value.exit_code == 1
    assert f"process {holder.pid} on {socket.gethostname()} since {time.strftime('%Y-')}" in str(told.value)
    assert f"numbers/{plan().version()} is being built by" in str(told.value)
    assert stage.calls() == []
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert run().manifest["rows"]["out"] == 4


def test_a_lock_is_free_again_after_its_body_and_after_a_fault_in_it(lock: Path) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), locked(lock, "it"):
            _ = 1 / 0
    with (
        locked(lock, "it"),
        pytest.raises(UserError, match=f"it is being built by process {os.getpid()} "),
        locked(lock, "it"),
    ):
        raise AssertionError("held twice")


def test_a_lock_file_deleted_before_it_was_locked_is_no_lock(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder finishes, and deletes its folder, between our opening of the file and our locking it."""
    calls = []

    def late(handle: int, how: int, flock: object = fcntl.flock) -> None:
        calls.append(handle)
        if len(calls) == 1:
            shutil.rmtree(lock.parent)
        flock(handle, how)  # type: ignore[operator]

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(lock, "it"):
        assert lock.exists()
        with pytest.raises(UserError, match="it is being built"), locked(lock, "it"):
            raise AssertionError("held twice")
    assert len(calls) == 3


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff", b'{"pid": 3}'])
def test_a_holder_that_cannot_be_read_is_another_process(lock: Path, content: bytes | None) -> None:
    with locked(lock, "it"):
        if content is None:
            os.rename(lock, lock.with_name("moved"))
            os.link(lock.with_name("moved"), lock)
            os.truncate(lock, 0)
        else:
            lock.write_bytes(content)
        with pytest.raises(UserError, match="being built by another process"), locked(lock, "it"):
            raise AssertionError("held twice")
