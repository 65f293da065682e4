"""Judging by query likelihood: candidates by the mean log-probability of the query after each; no reply is written."""

import json
import math
from collections.abc import Mapping

from builders.llm.likelihood import DECIMALS
from builders.llm.requests import Reply
from builders.relevance.judging import Judging, Outcome, no_candidates, preference, unanswered
from builders.relevance.questions import Question
from builders.store.building import rejection


def judge_likelihood(question: Question, judging: Judging, replies: Mapping[str, Reply]) -> Outcome:
    """The outcome of a question: one request a candidate, all at once. Equal scores go by the retriever's rank."""
    if len(question.passages) < 2:
        return no_candidates(question)
    requests = [
        judging.request(question, {"passage": passage, "query": question.query}) for passage in question.passages
    ]
    given = [replies.get(request.key) for request in requests]
    answered = [reply for reply in given if reply is not None]
    if len(answered) < len(requests):
        return Outcome(requests)
    texts = json.dumps([reply.text for reply in answered], ensure_ascii=False)
    scores = []
    for number, reply in enumerate(answered, start=1):
        fault = unanswered(reply)
        score = None if fault else read_score(reply.text)
        if score is None:
            reason, detail = fault or ("unparsable" if reply.text.strip() else "empty", "the reply is no number")
            row = rejection(question.row["query_id"], reason, f"candidate {number}: {detail}", texts)
            return Outcome(requests, answered, row=row)
        scores.append(score)
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
    own = {"preference_method": "likelihood", "judge_scores": [scores[at] for at in order]}
    return Outcome(requests, answered, row=preference(question, judging, order, own))


def read_score(text: str) -> float | None:
    """The number in a scorer's reply, in nats; None where there is none that can be compared."""
    try:
        score = float(text)
    except ValueError:
        return None
    return round(score, DECIMALS) if math.isfinite(score) else None
