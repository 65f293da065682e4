"""The real client in a process of its own, talked to from tests: Client."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hub_server import HubServer

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    result: Any
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one sentence that a user is told; fails where there is none or more than it."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert "Traceback" not in self.err
        return line.removeprefix("Error: ")


class Client:
    def __init__(self, hub: HubServer, home: Path) -> None:
        self.env = {**os.environ, "PYTHONPATH": str(TOP), **hub.env(home)}
        self.env.pop("HF_TOKEN", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub.client_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=TOP,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def __call__(self, call: str, *arguments: Any, token: str | None = "write-token", **env: str) -> Ended:
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"call": call, "arguments": arguments, "env": {"HF_TOKEN": token, "HF_HUB_OFFLINE": None, **env}}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the client's process has died"
        return Ended(**json.loads(answer))

    def publish(self, folder: Path, to: str, *flags: str, token: str | None = "write-token") -> Ended:
        return self("publish", [str(folder), f"--to={to}", *flags], token=token)
