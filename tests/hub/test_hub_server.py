"""The loopback Hub as a server to try things by hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.client import TOP

pytestmark = pytest.mark.slow


def started(folder: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """The server, and the environment that it tells a user to set."""
    command = [sys.executable, "-m", "tests.hub_server", "--port", "0", "--folder", str(folder)]
    server = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    lines = [server.stdout.readline().strip() for _ in range(5)]
    return server, dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])


def publish(release: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "builders.publish", str(release), "--to", "me/notes", "--verify", "listing"],
        cwd=TOP,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_keeps_what_was_published_until_it_is_started_again(release: Path, tmp_path: Path) -> None:
    for told in ("published: notes v1.0.0", "already published: notes v1.0.0"):
        server, environment = started(tmp_path / "hub")
        try:
            ended = publish(release, environment)
        finally:
            server.terminate()
            server.wait(20)
        assert (ended.returncode, ended.stdout) == (0, "hf://me/notes@v1.0.0\n"), ended.stderr
        assert [line for line in ended.stderr.splitlines() if line.startswith(told)], ended.stderr
        assert "write-token" not in ended.stderr
