"""One run of a judge over candidates: what it asks and what it makes of a shard, given the replies so far."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from builders.llm.requests import Reply, Request
from builders.relevance.agreement import count_replies
from builders.relevance.judging import Judging, Outcome
from builders.relevance.listwise import example_orders, judge_listwise, spans
from builders.relevance.query_likelihood import judge_likelihood
from builders.relevance.questions import Question, Sources
from builders.store.building import ShardResult
from builders.store.schemas import canonical
from builders.text.queries import Sample

# Shards whose questions are held at once: some 100 MB each, of 5,000 queries with 20 passages.
_KEPT = 4


@dataclass(frozen=True)
class Reranking:
    """What is judged and how. Requests and rows are pure functions of it, a shard and the replies."""

    sources: Sources
    judging: Judging
    sample: Sample
    method: Literal["listwise", "likelihood"]
    k: int
    passage_tokens: int
    # Of the shards that were asked for last: each costs a scan of the chunks, and is needed when its replies come too.
    recent: "OrderedDict[int, list[Question]]" = field(default_factory=OrderedDict, compare=False, repr=False)

    def identity(self) -> dict[str, Any]:
        """What determines a row beside candidates, prompt, model and seed. Windows that are not needed do not."""
        judging = self.judging
        windows = self.method == "listwise" and self.k > judging.window
        return {
            "method": self.method,
            "k": self.k,
            "window": [judging.window, judging.step] if windows else None,
            "shuffles": judging.shuffles,
            "passage_tokens": self.passage_tokens,
        }

    def journal(self, engine: Mapping[str, Any]) -> str:
        """The folder of all that ask the same model about the same candidates, whatever their sample and k.

        A shard's file holds the replies of its queries, by requests that say all the rest.
        """
        candidates = [str(self.sources.candidates), self.sources.candidates.content_hash]
        same = [candidates, self.judging.prompt.version, asdict(self.judging.model), dict(engine)]
        return blake2b(canonical(same), digest_size=6).hexdigest()

    def outcomes(self, shard: int, replies: Mapping[str, Reply]) -> list[Outcome]:
        judge = judge_listwise if self.method == "listwise" else judge_likelihood
        return [judge(question, self.judging, replies) for question in self._questions(shard)]

    def _questions(self, shard: int) -> list[Question]:
        if shard not in self.recent:
            self.recent[shard] = self.sources.questions(shard, self.sample, self.k, self.passage_tokens)
        self.recent.move_to_end(shard)
        while len(self.recent) > _KEPT:
            self.recent.popitem(last=False)
        return self.recent[shard]

    def requests(self, shard: int, replies: Mapping[str, Reply]) -> list[Request]:
        """All that are known by now, answered or not."""
        return [request for outcome in self.outcomes(shard, replies) for request in outcome.requests]

    def most_requests(self) -> int:
        """Of one query with as many candidates as were asked for, or looked for."""
        k = min(self.k, self.sources.candidates.manifest["identity"]["config"].get("k", self.k))
        if self.method == "likelihood":
            return int(k)
        return len(spans(k, self.judging.window, self.judging.step)) * (self.judging.shuffles + 1)


def judge_shard(reranking: Reranking, shard: int, replies: Mapping[str, Reply]) -> tuple[ShardResult, float]:
    """The preferences of a shard: every sampled query is a row or a rejection. Also the seconds that replies took."""
    result = ShardResult([])
    used: dict[str, Reply] = {}
    outcomes = reranking.outcomes(shard, replies)
    for outcome in outcomes:
        assert outcome.row is not None, "a shard is delivered when every request is answered"
        (result.rejected if "reason" in outcome.row else result.rows).append(outcome.row)
        result.rows_in += 1
        used.update({reply.key: reply for reply in outcome.replies})  # two candidates of one text share a reply
    if reranking.method == "listwise":
        answered = [reply for outcome in outcomes for reply in outcome.answered]
        result.counts.update(count_replies(answered, example_orders(reranking.judging)))
    result.counts["prompt_tokens"] = sum(reply.prompt_tokens for reply in used.values())
    result.counts["reply_tokens"] = sum(reply.reply_tokens for reply in used.values())
    return result, sum(reply.seconds for reply in used.values())
