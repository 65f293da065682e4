"""What both methods of judging share: the settings, the outcome of a question, and the row that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builders.llm.prompts import Prompt
from builders.llm.requests import Model, Reply, Request
from builders.relevance.agreement import Answered
from builders.relevance.questions import Question
from builders.store.building import rejection
from builders.text.hashes import id_number

# What a preference takes over from its candidates as it is.
_SAME = ("query_id", "chunk_id", "document_id", "source", "method", "language", "split", "normalised_text_hash")


@dataclass(frozen=True)
class Judging:
    """How a judge is asked. window, step and shuffles are listwise's alone."""

    prompt: Prompt
    model: Model
    seed: int
    window: int = 20
    step: int = 10
    shuffles: int = 0

    def request(self, question: Question, values: Mapping[str, str]) -> Request:
        # Greedy replies depend on no seed: another sample of the same queries then asks nothing again.
        greedy = self.prompt.sampling.temperature == 0
        seed = 0 if greedy else id_number(self.seed, question.row["query_id"], "preference") >> 33
        return self.prompt.request(values, self.model, seed)


@dataclass(frozen=True)
class Outcome:
    """What is known of a question from the replies there are.

    `requests`: all that are known by now. `row`: the preference or the rejection; None while a request is unanswered.
    """

    requests: list[Request]
    replies: list[Reply] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    row: dict[str, Any] | None = None


def no_candidates(question: Question) -> Outcome:
    number = len(question.row["chunk_ids"])
    detail = f"{number} candidate{'' if number == 1 else 's'}, where two are the fewest that can be ordered"
    return Outcome([], row=rejection(question.row["query_id"], "no_candidates", detail))


def unanswered(reply: Reply) -> tuple[str, str] | None:
    """(reason, detail) where the reply has no text to be used."""
    if reply.finish in ("stop", "length"):
        return None
    return ("request_failed" if reply.finish == "failed" else reply.finish), reply.detail


def preference(question: Question, judging: Judging, order: Sequence[int], own: Mapping[str, Any]) -> dict[str, Any]:
    """The row: the candidates in the judge's order (0-based retriever positions), and the method's `own` columns."""
    given = question.row
    chunk_ids = [given["chunk_ids"][at] for at in order]
    own_chunk = given["chunk_id"]
    return {
        **{column: given[column] for column in _SAME},
        "retriever": given["retriever"],
        "own_rank": chunk_ids.index(own_chunk) + 1 if own_chunk in chunk_ids else None,
        "model": f"{judging.model.id}@{judging.model.revision}",
        "prompt_version": judging.prompt.version,
        "parse": None,
        "chunk_ids": chunk_ids,
        "judge_scores": None,
        "retriever_ranks": [at + 1 for at in order],
        "retriever_scores": [given["scores"][at] for at in order],
        "rank_agreement": None,
        "first_agreement": None,
        "replies": [],
        **own,
    }
