"""Listwise judging (DRAMA 3.1.3): the judge orders all that it is shown, in sliding windows and shuffled repeats."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from builders.llm.rankings import ParsedRanking, parse_ranking
from builders.llm.requests import Reply, Request
from builders.relevance.agreement import Answered, first_agreement, mean_order, rank_agreement
from builders.relevance.judging import Judging, Outcome, no_candidates, preference, unanswered
from builders.relevance.questions import Question, without_marks
from builders.store.building import rejection
from builders.text.hashes import generator

# With fewer passages, a judge that thinks may well come to the order of an example.
_FEWEST_TO_COPY = 5
# Draws of a shuffled order that differs from those before; of two passages there are two orders.
_TRIES = 20

Ask = Callable[[Sequence[int]], Request]


def spans(k: int, window: int, step: int) -> list[tuple[int, int]]:
    """The windows (start, end) over k places, from the end of the list to its start, `step` places apart.

    What is best in a window moves into the next one where step < window; that is how one good passage at the end of
    the list comes to its start (Sun et al., 2023, arXiv 2304.09542, section 3.2).
    """
    ends = range(k, min(window, k), -step)
    return [(end - window, end) for end in ends] + [(0, min(window, k))]


def first_orders(k: int, shuffles: int, seed: int, query_id: str) -> list[list[int]]:
    """The orders in which the passages are first shown: the retriever's, then seeded ones that differ where they can.

    More shuffles add orders and change none.
    """
    orders = [list(range(k))]
    draw = generator(seed, query_id, "shuffle")
    for _ in range(shuffles):
        order = list(range(k))
        for _ in range(_TRIES):
            draw.shuffle(order)
            if order not in orders:
                break
        orders.append(list(order))
    return orders


@dataclass(frozen=True)
class Step:
    """One window that was answered. `fault`: (reason, detail) where the row cannot go on from it."""

    reply: Reply
    shown: int
    parsed: ParsedRanking
    fault: tuple[str, str] | None


@dataclass
class Repeat:
    """One way over the list: `order` as it is after the steps so far; `asking` where the next is not answered yet."""

    order: list[int]
    requests: list[Request] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    asking: bool = False


def follow(
    first: Sequence[int],
    windows: Sequence[tuple[int, int]],
    ask: Ask,
    replies: Mapping[str, Reply],
    examples: Sequence[Sequence[int]],
) -> Repeat:
    """Goes over the windows as far as the replies lead: to the end, to a fault, or to a request without a reply."""
    repeat = Repeat(list(first))
    for start, end in windows:
        shown = repeat.order[start:end]
        request = ask(shown)
        repeat.requests.append(request)
        reply = replies.get(request.key)
        if reply is None:
            repeat.asking = True
            break
        step = read_step(reply, len(shown), examples)
        repeat.steps.append(step)
        if step.fault:
            break
        repeat.order[start:end] = [shown[place] for place in step.parsed.order]
    return repeat


def read_step(reply: Reply, shown: int, examples: Sequence[Sequence[int]]) -> Step:
    """The ranking in a reply, and the fault that makes it unusable."""
    if fault := unanswered(reply):
        return Step(reply, shown, ParsedRanking("failed", fault=fault[1]), fault)
    # A number at the end of a reply that was cut may be the start of a longer one.
    cut = reply.finish == "length"
    parsed = parse_ranking(reply.text.rstrip("0123456789") if cut else reply.text, shown)
    note = " (cut at max_tokens)" if cut else ""
    if parsed.parse == "failed":
        return Step(reply, shown, parsed, ("unparsable" if reply.text.strip() else "empty", parsed.fault + note))
    if parsed.parse == "partial":
        return Step(reply, shown, parsed, ("partial_ranking", parsed.fault + note))
    if shown >= _FEWEST_TO_COPY and any(tuple(example) == parsed.order for example in examples):
        return Step(reply, shown, parsed, ("copy_of_example", "its order is that of an example of the prompt"))
    return Step(reply, shown, parsed, None)


def example_orders(judging: Judging) -> list[tuple[int, ...]]:
    """The orders that the prompt's examples answer."""
    answers = [turn["content"] for turn in judging.prompt.opening if turn["role"] == "assistant"]
    return [parse_ranking(answer, answer.count("[")).order for answer in answers]


def judge_listwise(question: Question, judging: Judging, replies: Mapping[str, Reply]) -> Outcome:
    """The outcome of a question: every repeat goes its own way, so that what is asked does not depend on which reply
    came first; each has to end for a row."""
    k = len(question.passages)
    if k < 2:
        return no_candidates(question)
    passages = [without_marks(passage) for passage in question.passages]
    query = without_marks(question.query)

    def ask(shown: Sequence[int]) -> Request:
        listed = "\n\n".join(f"[{number}] {passages[at]}" for number, at in enumerate(shown, start=1))
        return judging.request(question, {"query": query, "passages": listed})

    windows, examples = spans(k, judging.window, judging.step), example_orders(judging)
    firsts = first_orders(k, judging.shuffles, judging.seed, question.row["query_id"])
    repeats = [follow(first, windows, ask, replies, examples) for first in firsts]
    requests = [request for repeat in repeats for request in repeat.requests]
    if any(repeat.asking for repeat in repeats):
        return Outcome(requests)
    return Outcome(
        requests,
        [step.reply for repeat in repeats for step in repeat.steps],
        list(_answered(repeats)),
        _row(question, judging, repeats),
    )


def _answered(repeats: Sequence[Repeat]) -> Iterator[Answered]:
    for number, repeat in enumerate(repeats):
        for step in repeat.steps:
            yield Answered(step.shown, step.parsed, shuffled=number > 0)


def _row(question: Question, judging: Judging, repeats: Sequence[Repeat]) -> dict[str, object]:
    steps = [step for repeat in repeats for step in repeat.steps]
    texts = [step.reply.text for step in steps]
    for number, step in enumerate(steps, start=1):
        if step.fault:
            reason, detail = step.fault
            which = f"reply {number} of {len(steps)}: " if len(steps) > 1 else ""
            raw = json.dumps(texts, ensure_ascii=False) if len(steps) > 1 else texts[0]
            return rejection(question.row["query_id"], reason, which + detail, raw)
    orders = [repeat.order for repeat in repeats]
    order = mean_order(orders)
    return preference(
        question,
        judging,
        order,
        {
            "preference_method": "listwise",
            "parse": "complete" if all(step.parsed.parse == "complete" for step in steps) else "repaired",
            "rank_agreement": rank_agreement(orders),
            "first_agreement": first_agreement(orders, order[0]),
            "replies": texts,
        },
    )
