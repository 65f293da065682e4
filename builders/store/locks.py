"""Who is writing where: a lock that dies with its holder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.cli.errors import UserError


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` for the body; UserError that says who holds it already.

    The kernel releases the lock when the process ends, however it ends, so there is never a stale one to delete.
    """
    while (handle := _try_to_hold(path, what)) is None:
        continue
    try:
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(mine).encode(), 0)
        yield
    finally:
        os.close(handle)


def _try_to_hold(path: Path, what: str) -> int | None:
    """The locked file's handle; None where a holder that ended in this moment took the file away with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except FileNotFoundError:
        pass
    except BlockingIOError:
        os.close(handle)
        raise UserError(
            f"{what} is being built by {_holder(path)}: wait for that run to end, or stop it and run this again."
        ) from None
    os.close(handle)
    return None


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text())
        return f"process {held['pid']} on {held['host']} since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
