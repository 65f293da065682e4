"""Drafts from an LLM's replies: which journal they stand in, what is unusable, and shards written as replies arrive."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.cli.progress import Progress
from builders.llm.asking import answer_shards
from builders.llm.engines import money
from builders.llm.replies import Parsed, parse_reply
from builders.llm.requests import Engine, Reply, Request
from builders.store.building import Building, ShardResult
from builders.store.locks import locked
from builders.store.schemas import canonical

TOKENS = ("prompt_tokens", "reply_tokens")


def journal_folder(data: Path, same: Sequence[Any]) -> Path:
    """One folder for all runs that ask the same questions: those with the same JSON values `same`."""
    return data / "journals" / blake2b(canonical(list(same)), digest_size=6).hexdigest()


@dataclass
class Drafts:
    """The rows and rejections that a shard's replies became, and what the replies cost."""

    result: ShardResult = field(default_factory=lambda: ShardResult([]))
    seconds: float = 0.0

    def add(self, row: dict[str, Any], reply: Reply) -> None:
        """A row, or a rejection (it has a reason)."""
        (self.result.rejected if "reason" in row else self.result.rows).append(row)
        self.result.rows_in += 1
        self.result.counts.update(Counter(prompt_tokens=reply.prompt_tokens, reply_tokens=reply.reply_tokens))
        self.result.counts[f"parse:{row.get('parse') or 'failed'}"] += 1
        self.seconds += reply.seconds


def draft_shards(
    made: Building,
    shards: int,
    requests_of: Callable[[int], list[Request]],
    draft: Callable[[int, Mapping[str, Reply]], Drafts],
    *,
    journals: Path,
    engine: Engine,
    price: tuple[float, float] | None,
    progress: Progress,
) -> tuple[int, dict[str, Any]]:
    """Ask for what no journal holds yet; write each shard, `draft(shard, replies)`, as its last reply arrives.

    Shards that are done are left alone. Returns what `build` wants of its `work`.
    """

    def deliver(shard: int, replies: Mapping[str, Reply]) -> None:
        drafts = draft(shard, replies)
        made.write(shard, drafts.result, drafts.seconds)

    missing = [i for i in range(shards) if not made.is_done(i)]
    with locked(journals / "lock", f"the journal {journals.name}"), progress:
        answer_shards(engine, missing, requests_of, journals, deliver, progress, price)
    return shards, usage(made, shards, price)


def usage(made: Building, shards: int, price: tuple[float, float] | None) -> dict[str, Any]:
    """Tokens of the shards' replies, and what they cost."""
    spent = {kind: sum(made.counts(i)[kind] for i in range(shards)) for kind in TOKENS}
    return spent | {"money": money(spent, price)}


def read_reply(reply: Reply, names: Sequence[str]) -> tuple[Parsed, str | None]:
    """The parsed reply, and the reason to reject it, or None; then `fault` says what was wrong."""
    if reply.finish not in ("stop", "length"):
        return Parsed("failed", fault=reply.detail), "request_failed" if reply.finish == "failed" else reply.finish
    parsed = parse_reply(reply.text, names)
    if parsed.parse != "failed":
        return parsed, None
    cut = " (cut at max_tokens)" if reply.finish == "length" else ""
    return Parsed("failed", fault=parsed.fault + cut), "unparsable" if reply.text.strip() else "empty"
