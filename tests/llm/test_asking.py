"""Asking: every reply is journalled before it is handed over, and nothing is asked twice, however often a run stops."""

import json
import random
from collections import Counter
from itertools import islice

import pytest

from builders.cli.progress import Progress
from builders.llm.asking import answer_rounds, answer_shards
from builders.llm.requests import EngineStopped, Reply
from builders.store.journals import Journal
from tests.llm.making import ask

# Shard 1 is empty; "b" is asked for in two shards and twice in one of them; the last shard is one that others answer.
SHARDS = [["a", "b", "c"], [], ["d", "b", "e", "b"], ["f"], ["a", "e"]]
ALL = {text for shard in SHARDS for text in shard}


class Answers:
    """An engine that takes requests ahead, answers in a random order, and stops after so many replies."""

    def __init__(self, ahead=1, stops_after=None, finish=lambda text: "stop", seed=0):
        self.ahead, self.stops_after, self.finish, self.draw = ahead, stops_after, finish, random.Random(seed)
        self.asked, self.answered = [], []

    def generate(self, requests):
        source, waiting = iter(requests), []
        while True:
            for request in islice(source, self.ahead - len(waiting)):
                self.asked.append(request.messages[-1]["content"])
                waiting.append(request)
            if not waiting:
                return
            if self.stops_after is not None and len(self.answered) >= self.stops_after:
                raise EngineStopped("the server is gone")
            request = waiting.pop(self.draw.randrange(len(waiting)))
            text = request.messages[-1]["content"]
            self.answered.append(text)
            yield Reply(request.key, f"reply to {text}", self.finish(text), "", 3, 2, 0.1)


def journalled(folder):
    """{text of a reply: in how many journals}, as another process would read it now."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return Counter(json.loads(line)["text"] for line in lines)


def run(engine, folder, shards=SHARDS, which=None):
    """One run; what was delivered, {shard: {text asked: reply}}. Checks each reply's journal as it is delivered."""
    delivered = {}
    keys = {ask(text).key: text for text in ALL}

    def deliver(shard, replies):
        assert shard not in delivered
        on_disk = (folder / f"{shard:05d}.jsonl").read_text().splitlines()
        assert {json.loads(line)["key"] for line in on_disk} == set(replies)
        delivered[shard] = {keys[key]: reply.text for key, reply in replies.items()}

    with Progress("tests", None) as progress:
        answer_shards(
            engine,
            list(range(len(shards)) if which is None else which),
            lambda n: [ask(text) for text in shards[n]],
            folder,
            deliver,
            progress,
        )
    return delivered


EXPECTED = {n: {text: f"reply to {text}" for text in shard} for n, shard in enumerate(SHARDS)}


@pytest.mark.parametrize("ahead", [1, 2, 5, 100])
@pytest.mark.parametrize("seed", range(3))
def test_every_shard_is_delivered_once_with_all_its_replies(tmp_path, ahead, seed):
    engine = Answers(ahead, seed=seed)
    assert run(engine, tmp_path) == EXPECTED
    assert set(engine.asked) == ALL
    if ahead == 100:  # all in flight together: what two shards ask is asked once
        assert Counter(engine.asked).most_common(1)[0][1] == 1


@pytest.mark.parametrize("ahead", [1, 3, 100])
@pytest.mark.parametrize("stops_after", range(6))
def test_a_stopped_run_goes_on_where_it_stopped(tmp_path, ahead, stops_after):
    first = Answers(ahead, stops_after)
    with pytest.raises(EngineStopped):
        run(first, tmp_path, SHARDS[:4])
    on_disk = journalled(tmp_path)
    assert {f"reply to {text}" for text in first.answered} == set(on_disk)
    assert len(first.answered) == stops_after

    second = Answers(ahead)
    assert run(second, tmp_path, SHARDS[:4]) == {n: EXPECTED[n] for n in range(4)}
    # What two shards ask is asked for each where the first had its reply before the second was begun.
    assert set(second.asked) & set(first.answered) <= ({"b"} if ahead < 100 else set())

    third = Answers(ahead)
    assert run(third, tmp_path, SHARDS[:4]) == {n: EXPECTED[n] for n in range(4)}
    assert third.asked == []


def test_a_reply_is_on_disk_before_the_next_one_is_taken(tmp_path):
    class Watched(Answers):
        def generate(self, requests):
            for reply in super().generate(requests):
                yield reply
                assert reply.text in journalled(tmp_path)

    assert run(Watched(3), tmp_path) == EXPECTED


def test_what_was_answered_is_not_asked_again_however_it_ended(tmp_path):
    """A reply that failed is the row's own fault: an outage stops the engine, and is no reply."""
    finishes = {"a": "failed", "b": "refusal", "c": "length", "d": "context_too_long", "e": "failed"}
    run(Answers(finish=lambda text: finishes.get(text, "stop")), tmp_path, SHARDS[:4])
    again = Answers()
    assert set(run(again, tmp_path, SHARDS[:4])) == {0, 1, 2, 3}
    assert again.asked == []


def test_a_line_that_was_cut_short_is_asked_again(tmp_path):
    run(Answers(), tmp_path, which=[0])
    path = tmp_path / "00000.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = Answers()
    assert run(again, tmp_path, which=[0]) == {0: EXPECTED[0]}
    assert again.asked == ["c"]


def test_what_delivering_raises_ends_the_run_and_loses_nothing(tmp_path):
    def full(shard, replies):
        raise OSError(28, "No space left on device")

    with Progress("tests", None) as progress, pytest.raises(OSError, match="No space"):
        answer_shards(Answers(), [0, 3], lambda n: [ask(t) for t in SHARDS[n]], tmp_path, full, progress)
    assert set(journalled(tmp_path)) == {"reply to a", "reply to b", "reply to c"}
    again = Answers()
    assert run(again, tmp_path, which=[0, 3]) == {0: EXPECTED[0], 3: EXPECTED[3]}
    assert again.asked == ["f"]


def test_an_engine_that_leaves_a_request_out_is_a_fault_of_the_program(tmp_path):
    class Forgetful(Answers):
        def generate(self, requests):
            yield from list(super().generate(requests))[1:]

    with pytest.raises(AssertionError, match="1 requests without a reply"):
        run(Forgetful(), tmp_path, which=[0])


def test_a_reply_that_holds_half_a_surrogate_pair_can_be_stored(tmp_path):
    class Cut(Answers):
        def generate(self, requests):
            for reply in super().generate(requests):
                yield Reply(reply.key, "cheese \ud83e", *(getattr(reply, n) for n in reply.__slots__[2:]))

    delivered = run(Cut(), tmp_path, which=[3])
    assert delivered == {3: {"f": "cheese ?"}}
    assert Journal(tmp_path / "00003.jsonl").replies.popitem()[1].text.encode()


def test_shards_are_delivered_as_they_end_and_not_all_at_the_end(tmp_path):
    order = []

    class Watched(Answers):
        def generate(self, requests):
            for reply in super().generate(requests):
                order.append("reply")
                yield reply

    def deliver(shard, replies):
        order.append(shard)

    with Progress("tests", None) as progress:
        answer_shards(Watched(), [0, 1, 3], lambda n: [ask(t) for t in SHARDS[n]], tmp_path, deliver, progress)
    assert order == ["reply"] * 3 + [0, 1, "reply", 3]


@pytest.mark.parametrize("ahead", [1, 4, 100])
@pytest.mark.parametrize("stops_after", [None, 0, 1, 3, 5, 8])
def test_what_is_asked_next_depends_on_the_replies_and_nothing_is_asked_twice(tmp_path, ahead, stops_after):
    """Each row of shard n asks n + 1 times, every question made of the reply before."""
    rows = {0: ["a", "b"], 1: ["c", "d"], 2: ["e"], 3: []}

    def requests_of(shard, replies):
        known = []
        for row in rows[shard]:
            known.append(ask(row))
            while known[-1].key in replies and len(known) % (shard + 1):
                known.append(ask(f"more than {replies[known[-1].key].text}"))
        return known

    def go(engine):
        delivered = {}
        with Progress("tests", None) as progress:
            answer_rounds(engine, list(rows), requests_of, tmp_path, delivered.__setitem__, progress)
        return {shard: sorted(reply.text for reply in replies.values()) for shard, replies in delivered.items()}

    engines = [Answers(ahead, stops_after)]
    if stops_after is not None:
        with pytest.raises(EngineStopped):
            go(engines[0])
        engines.append(Answers(ahead))
    delivered = go(engines[-1])
    assert delivered[2] == [
        "reply to e",
        "reply to more than reply to e",
        "reply to more than reply to more than reply to e",
    ]
    assert {shard: len(texts) for shard, texts in delivered.items()} == {0: 2, 1: 4, 2: 3, 3: 0}
    answered = [text for engine in engines for text in engine.answered]
    assert len(answered) == len(set(answered)) == 9
