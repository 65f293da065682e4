"""Opinions that are asked for one request at a time, and journalled: pointwise, likelihood, cross-encoder, listwise."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builders.cli.progress import Progress
from builders.llm.asking import answer_rounds, journal_path
from builders.llm.drafting import journal_folder, read_reply
from builders.llm.requests import Engine, Reply, Request
from builders.quality.opinions import Rule, Score, Unscored
from builders.quality.pairs import Pairs, ShardPairs
from builders.relevance.judging import unanswered
from builders.relevance.query_likelihood import read_score
from builders.store.journals import read_journal
from builders.store.locks import locked

# A request about a query and a passage.
Ask = Callable[[str, str], Request]
# What a reply says: a number, or why it says none.
Read = Callable[[Reply], float | Unscored]


@dataclass
class Asked:
    """Of each pair by itself. `ask` and `read` are the method's own; where the rule is no absolute one, the query's own
    chunk is asked about in the same way."""

    rule: Rule
    engine: Engine
    data: Path
    ask: Ask
    read: Read
    settings: Mapping[str, Any]
    price: tuple[float, float] | None = None
    # Of the shard that was read last.
    recent: dict[int, dict[str, Reply]] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        return dict(self.settings)

    def first(self, pairs: Pairs) -> str:
        for number in range(len(pairs.places)):
            for request in self._requests(pairs.shard(number)):
                return "\n".join(f"--- {message['role']}\n{message['content']}" for message in request.messages)
        return "no pair"

    def prepare(self, pairs: Pairs) -> dict[str, int]:
        chunks = 1 if self.rule.form == "absolute" else 2
        total = chunks * sum(one.taken for one in pairs.sample.strata.values())
        return ask_all(self, pairs, lambda shard, _: list(self._requests(pairs.shard(shard))), total)

    def _requests(self, its: ShardPairs) -> Iterator[Request]:
        for pair in its.pairs:
            for chunk in ("chunk_id",) if self.rule.form == "absolute" else ("chunk_id", "own_id"):
                yield self.ask(its.queries[pair["query_id"]], its.chunks[pair[chunk]])

    def scores(self, pairs: Pairs, shard: int) -> list[Score | Unscored]:
        replies, its = read_journal(journal_path(journal_of(self, pairs), shard)), pairs.shard(shard)
        return [self._score(its, pair, replies) for pair in its.pairs]

    def _score(self, its: ShardPairs, pair: dict[str, Any], replies: Mapping[str, Reply]) -> Score | Unscored:
        query = its.queries[pair["query_id"]]
        value = self.read(replies[self.ask(query, its.chunks[pair["chunk_id"]]).key])
        if isinstance(value, Unscored) or self.rule.form == "absolute":
            return value if isinstance(value, Unscored) else Score(value)
        reference = self.read(replies[self.ask(query, its.chunks[pair["own_id"]]).key])
        return reference if isinstance(reference, Unscored) else Score(value, reference)


def journal_of(opinion: Any, pairs: Pairs) -> Path:
    """One for all runs that ask the same of the same versions, whatever their sample."""
    named = [[str(version), version.content_hash] for version in pairs.triplets]
    return journal_folder(opinion.data, ["opinions", named, opinion.rule.by, opinion.identity()])


def ask_all(
    opinion: Any,
    pairs: Pairs,
    requests_of: Callable[[int, Mapping[str, Reply]], list[Request]],
    total: int,
) -> dict[str, int]:
    """Every reply into the journals; those that are there are not asked for again. What they all cost."""
    folder = journal_of(opinion, pairs)
    spent = {"prompt_tokens": 0, "reply_tokens": 0}

    def count(shard: int, replies: Mapping[str, Reply]) -> None:
        for request in {request.key: request for request in requests_of(shard, replies)}:
            spent["prompt_tokens"] += replies[request].prompt_tokens
            spent["reply_tokens"] += replies[request].reply_tokens

    try:
        with (
            locked(folder / "lock", f"the journal {folder.name}"),
            Progress(f"opinions of {opinion.rule.by}", total, unit="replies") as progress,
        ):
            answer_rounds(opinion.engine, range(len(pairs.places)), requests_of, folder, count, progress, opinion.price)
    finally:
        opinion.engine.close()
    return spent


def read_yes(reply: Reply) -> float | Unscored:
    """1 for yes, 0 for no."""
    parsed, reason = read_reply(reply, ["relevant"])
    if reason:
        return Unscored(reason, parsed.fault, reply.text)
    word = parsed.fields["relevant"].casefold().strip(" .!\"'")
    if word not in ("yes", "no"):
        return Unscored("unparsable", f"relevant is {word[:40]!r}, neither yes nor no", reply.text)
    return float(word == "yes")


def read_number(reply: Reply) -> float | Unscored:
    """A scorer's reply."""
    fault = unanswered(reply)
    score = None if fault else read_score(reply.text)
    if score is None:
        reason, detail = fault or ("unparsable" if reply.text.strip() else "empty", "the reply is no number")
        return Unscored(reason, detail, reply.text)
    return score
