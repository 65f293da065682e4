"""The listwise opinion: an LLM orders a row's chunks, the query's own among them, and says which stand above it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from builders.llm.asking import journal_path
from builders.llm.requests import Engine, Reply, Request
from builders.quality.asked_opinions import ask_all, journal_of
from builders.quality.opinions import Rule, Score, Unscored
from builders.quality.pairs import Pairs, ShardPairs
from builders.relevance.judging import Judging
from builders.relevance.listwise import Repeat, example_orders, first_orders, follow, spans
from builders.relevance.questions import Question, without_marks
from builders.store.journals import read_journal


@dataclass(frozen=True)
class _Row:
    """A row's sampled pairs, the first passage being the query's own chunk."""

    triplet_id: str
    query: str
    passages: tuple[str, ...]


@dataclass
class Listwise:
    """One order a row: its own chunk and its sampled ones, shown shuffled so that no place tells which is which.

    A pair's score is how many places it stands above the own chunk; below it, it is negative.
    """

    rule: Rule
    engine: Engine
    data: Path
    judging: Judging
    settings: Mapping[str, Any]
    price: tuple[float, float] | None = None

    def identity(self) -> dict[str, Any]:
        return dict(self.settings)

    def first(self, pairs: Pairs) -> str:
        for number in range(len(pairs.places)):
            for row in _rows(pairs.shard(number)):
                request = self._followed(row, {}).requests[0]
                return "\n".join(f"--- {message['role']}\n{message['content']}" for message in request.messages)
        return "no pair"

    def prepare(self, pairs: Pairs) -> dict[str, int]:
        def requests(shard: int, replies: Mapping[str, Reply]) -> list[Request]:
            rows = _rows(pairs.shard(shard))
            return [request for row in rows for request in self._followed(row, replies).requests]

        at_least = sum(len(requests(shard, {})) for shard in range(len(pairs.places)))
        return ask_all(self, pairs, requests, at_least)

    def scores(self, pairs: Pairs, shard: int) -> list[Score | Unscored]:
        replies = read_journal(journal_path(journal_of(self, pairs), shard))
        found: list[Score | Unscored] = []
        for row in _rows(pairs.shard(shard)):
            repeat = self._followed(row, replies)
            fault = next((step for step in repeat.steps if step.fault), None)
            others = range(1, len(row.passages))
            if fault and fault.fault:
                found += [Unscored(*fault.fault, fault.reply.text) for _ in others]
            else:
                own = repeat.order.index(0)
                found += [Score(float(own - repeat.order.index(at))) for at in others]
        return found

    def _followed(self, row: _Row, replies: Mapping[str, Reply]) -> Repeat:
        passages, query = [without_marks(text) for text in row.passages], without_marks(row.query)
        question = Question({"query_id": row.triplet_id}, query, tuple(passages))

        def ask(shown: Sequence[int]) -> Request:
            listed = "\n\n".join(f"[{number}] {passages[at]}" for number, at in enumerate(shown, start=1))
            return self.judging.request(question, {"query": query, "passages": listed})

        k = len(passages)
        order = first_orders(k, 1, self.judging.seed, row.triplet_id)[1]
        windows = spans(k, self.judging.window, self.judging.step)
        return follow(order, windows, ask, replies, example_orders(self.judging))


def _rows(its: ShardPairs) -> Iterator[_Row]:
    """Pairs of one row stand together."""
    for triplet_id, group in groupby(its.pairs, key=lambda pair: str(pair["triplet_id"])):
        pairs = list(group)
        own = its.chunks[pairs[0]["own_id"]]
        passages = (own, *(its.chunks[pair["chunk_id"]] for pair in pairs))
        yield _Row(triplet_id, its.queries[pairs[0]["query_id"]], passages)
