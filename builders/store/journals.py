"""The journal of one shard's LLM work: every reply is on disk before it is used, so that nothing is paid for twice."""

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

from builders.cli.errors import UserError
from builders.llm.requests import Reply
from builders.store.parquet import storable

SYNC_EVERY_S = 5.0


class Journal:
    """Append-only replies by request key. One writer at a time (the version's lock sees to it).

    A line is handed to the kernel as it arrives, so kill -9 loses nothing; it is forced to disk every few seconds and
    on close, so a power cut loses a few seconds. A last line that was cut short is dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.replies = self._read() if path.exists() else {}
        self._file = path.open("ab", buffering=0)
        self._synced = time.monotonic()

    def _read(self) -> dict[str, Reply]:
        content = self.path.read_bytes()
        whole = _whole_lines(content)
        if whole < len(content):
            os.truncate(self.path, whole)
        return _replies(self.path, content[:whole])

    def append(self, reply: Reply) -> None:
        reply = replace(reply, text=storable(reply.text), detail=storable(reply.detail))
        line = json.dumps(asdict(reply), ensure_ascii=True).encode() + b"\n"
        written = self._file.write(line)
        if written != len(line):  # a full disk can take part of a line; the rest is tried so that the fault is raised
            self._file.write(line[written:])
        self.replies[reply.key] = reply
        if time.monotonic() - self._synced > SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        if not self._file.closed:
            self.sync()
            self._file.close()


def read_journal(path: Path) -> dict[str, Reply]:
    """The replies by request key, without opening the journal for writing; none where there is no journal yet."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    return _replies(path, content[: _whole_lines(content)])


def _whole_lines(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _replies(path: Path, lines: bytes) -> dict[str, Reply]:
    replies = {}
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            reply = Reply(**json.loads(line))
        except (ValueError, TypeError) as fault:
            raise UserError(
                f"Line {number} of the journal {path} is damaged ({fault}): delete that line, then run the same "
                "command; its request is sent again."
            ) from None
        replies[reply.key] = reply
    return replies
