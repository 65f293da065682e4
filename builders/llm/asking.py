"""Ask an engine for the replies of many shards: journal each as it arrives, repeat none, hand over shard by shard."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from builders.cli.progress import Progress
from builders.llm.engines import money
from builders.llm.requests import Engine, Reply, Request
from builders.store.journals import Journal, read_journal


def answer_shards(
    engine: Engine,
    shards: Sequence[int],
    requests_of: Callable[[int], list[Request]],
    journals: Path,
    deliver: Callable[[int, Mapping[str, Reply]], None],
    progress: Progress,
    price: tuple[float, float] | None = None,
) -> None:
    """Call `deliver(shard, replies by key)` once for each shard, when all of its requests are answered.

    Requests of all shards go through one `generate`, so that the engine never idles at the end of a shard. Only shards
    with requests in flight are held. Whatever ends the run, every reply that arrived is in the journal.
    """
    asking = _Asking(shards, requests_of, journals, deliver, progress)
    asking.price = price
    try:
        for reply in engine.generate(asking.requests()):
            asking.take(reply)
        asking.deliver_finished()
    finally:
        asking.close()
    if asking.waiting:
        raise AssertionError(f"the engine left {sum(map(len, asking.waiting.values()))} requests without a reply")


def answer_rounds(
    engine: Engine,
    shards: Sequence[int],
    requests_of: Callable[[int, Mapping[str, Reply]], list[Request]],
    journals: Path,
    deliver: Callable[[int, Mapping[str, Reply]], None],
    progress: Progress,
    price: tuple[float, float] | None = None,
) -> None:
    """As answer_shards, where what is asked next depends on what was answered.

    `requests_of(shard, replies)` gives every request known so far, answered or not; it is called until all that it
    gives are answered, and then the shard is delivered. All of a round go through one `generate`.
    """
    waiting, first = list(shards), True
    while waiting:
        waiting = _round(engine, waiting, requests_of, journals, deliver, progress, price, first=first)
        first = False


def _round(
    engine: Engine,
    shards: Sequence[int],
    requests_of: Callable[[int, Mapping[str, Reply]], list[Request]],
    journals: Path,
    deliver: Callable[[int, Mapping[str, Reply]], None],
    progress: Progress,
    price: tuple[float, float] | None,
    *,
    first: bool,
) -> list[int]:
    """One request deeper into each row; the shards that have further ones."""
    again: list[int] = []

    def known(shard: int) -> list[Request]:
        replies = read_journal(journal_path(journals, shard))
        requests = requests_of(shard, replies)
        # What an earlier run answered is counted once, as done.
        return requests if first else [r for r in requests if r.key not in replies]

    def take(shard: int, replies: Mapping[str, Reply]) -> None:
        if any(request.key not in replies for request in requests_of(shard, replies)):
            again.append(shard)
        else:
            deliver(shard, replies)

    answer_shards(engine, shards, known, journals, take, progress, price)
    return again


def journal_path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}.jsonl"


class _Asking:
    def __init__(
        self,
        shards: Sequence[int],
        requests_of: Callable[[int], list[Request]],
        journals: Path,
        deliver: Callable[[int, Mapping[str, Reply]], None],
        progress: Progress,
    ) -> None:
        self.to_open = deque(shards)
        self.requests_of, self.journals, self.deliver, self.progress = requests_of, journals, deliver, progress
        self.open: dict[int, Journal] = {}
        self.waiting: dict[int, set[str]] = {}
        self.shards_of: dict[str, list[int]] = {}
        self.price: tuple[float, float] | None = None
        self.usage = {"prompt_tokens": 0, "reply_tokens": 0}

    def requests(self) -> Iterator[Request]:
        while self.to_open:
            shard = self.to_open.popleft()
            journal = self.open[shard] = Journal(journal_path(self.journals, shard))
            asked = {r.key: r for r in self.requests_of(shard)}
            pending = [r for k, r in asked.items() if k not in journal.replies]
            self.waiting[shard] = {r.key for r in pending}
            self.progress.skip(len(asked) - len(pending))
            new = [r for r in pending if r.key not in self.shards_of]  # the others are in flight for another shard
            for request in pending:
                self.shards_of.setdefault(request.key, []).append(shard)
            yield from new
            self.deliver_finished()

    def take(self, reply: Reply) -> None:
        # Half of a surrogate pair, as a server that cuts inside an emoji sends it, can be stored in no table.
        reply = replace(reply, text=reply.text.encode("utf-8", "replace").decode())
        for shard in self.shards_of.pop(reply.key):
            self.open[shard].append(reply)
            self.waiting[shard].discard(reply.key)
        self.usage["prompt_tokens"] += reply.prompt_tokens
        self.usage["reply_tokens"] += reply.reply_tokens
        spent = money(self.usage, self.price)
        tokens = f"{sum(self.usage.values()):,} tokens"
        self.progress.step(note=tokens if spent is None else f"{tokens}, {spent:,.4f} in money")
        self.deliver_finished()

    def deliver_finished(self) -> None:
        for shard in [s for s, keys in self.waiting.items() if not keys]:
            del self.waiting[shard]
            journal = self.open.pop(shard)
            journal.close()
            self.deliver(shard, journal.replies)

    def close(self) -> None:
        for journal in self.open.values():
            journal.close()
