"""Drafts from replies: what is unusable is told apart, and one journal serves the same questions."""

from pathlib import Path

import pytest

from builders.llm.drafting import Drafts, journal_folder, read_reply
from builders.llm.requests import Finish, Reply

GOOD = '{"task": "Find the cause."}'


@pytest.mark.parametrize(
    ("text", "finish", "reason", "fault"),
    [
        (GOOD, "stop", None, ""),
        (GOOD + "\nAnd so on", "length", None, ""),
        (GOOD[:-4], "length", "unparsable", "cut at max_tokens"),
        ("I would rather not.", "stop", "unparsable", "does not name task"),
        ("  ", "stop", "empty", "empty"),
        ("", "refusal", "refusal", "the detail"),
        ("", "context_too_long", "context_too_long", "the detail"),
        (GOOD, "failed", "request_failed", "the detail"),
    ],
)
def test_a_reply_is_read_or_has_a_reason(text: str, finish: Finish, reason: str | None, fault: str) -> None:
    parsed, found = read_reply(Reply("k", text, finish, "the detail", 1, 1, 0.1), ["task"])
    assert found == reason
    assert fault in parsed.fault
    assert dict(parsed.fields) == ({} if reason else {"task": "Find the cause."})


def test_drafts_count_what_every_reply_cost() -> None:
    drafts = Drafts()
    drafts.add({"parse": "complete"}, Reply("a", "", "stop", "", 5, 2, 0.5))
    drafts.add({"reason": "empty"}, Reply("b", "", "stop", "", 7, 0, 0.25))
    assert (len(drafts.result.rows), len(drafts.result.rejected), drafts.result.rows_in) == (1, 1, 2)
    assert drafts.result.counts == {"prompt_tokens": 12, "reply_tokens": 2, "parse:complete": 1, "parse:failed": 1}
    assert drafts.seconds == 0.75


def test_journals_are_named_by_what_is_the_same() -> None:
    data = Path("data")
    assert journal_folder(data, ["a", {"x": 1, "y": 2}]) == journal_folder(data, ["a", {"y": 2, "x": 1}])
    assert journal_folder(data, ["a", 1]) != journal_folder(data, ["a", 2])
    assert journal_folder(data, ["a"]).parent == data / "journals"
