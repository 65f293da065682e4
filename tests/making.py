"""Small versions, rows and engines for the tests, and what is compared of them."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.llm.requests import Model, Reply, Request
from builders.store.building import ShardResult, rejection
from builders.store.plans import Plan
from builders.store.versions import Version, read_rows

Answer = str | Reply


@dataclass(frozen=True)
class Shards:
    """A stage of two rows and one rejection a shard. Its calls are lines of `log`; at `fails` it raises or dies."""

    log: Path
    fails: int | None = None
    dies: bool = False

    def __call__(self, shard: int) -> ShardResult:
        with self.log.open("a") as file:
            file.write(f"{shard}\n")
        if shard == self.fails:
            if self.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError(f"shard {shard} fails")
        rows = [{"query_id": f"{shard}-{i}", "duplicate_of": f"kept {shard}"} for i in (1, 0)]
        rejected = [rejection(f"{shard}-2", "empty" if shard % 2 else "duplicate", "its number says so", "{}")]
        return ShardResult(rows, rejected, Counter(twos=2), rows_in=3)

    def calls(self) -> list[int]:
        return sorted(int(line) for line in self.log.read_text().split()) if self.log.exists() else []


def plan(**changes: Any) -> Plan:
    """The plan of `Shards`."""
    given: dict[str, Any] = {"table": "numbers", "record": "query_duplicate", "stage": "tests", "revision": 1}
    return Plan(**(given | {"config": {"rows": 2}} | changes))


class FakeEngine:
    """An Engine that answers from a function of the request or from a queue, and remembers what it was asked."""

    model = Model("fake", "1")

    def __init__(self, answer: Callable[[Request], Answer] | Iterable[Answer]) -> None:
        queue = None if callable(answer) else iter(answer)
        self._answer = answer if callable(answer) else lambda _: next(queue)  # type: ignore[arg-type]
        self.asked: list[Request] = []
        self.closed = False

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request)
            given = self._answer(request)
            yield given if isinstance(given, Reply) else Reply(request.key, given, "stop", "", 100, 10, 0.1)

    def close(self) -> None:
        self.closed = True


def one_query(request: Request) -> str:
    """A reply of the form asked for, its query made from the request's own seed."""
    return json.dumps(
        {"task": "Given a question, find an answer.", "query": f"topic {request.seed}", "language": "Any"}
    )


def rows_of(version: Version) -> list[dict[str, Any]]:
    return [row for shard in version.shards() for row in read_rows(shard)]


def rejected_of(version: Version) -> list[dict[str, Any]]:
    return [row for shard in version.rejected_shards() for row in read_rows(shard)]


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    """Every Parquet file below the folder, which holds some."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
    assert found
    return found


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below the folder with the time it was written and its bytes."""
    found = {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}
    assert found
    return found
