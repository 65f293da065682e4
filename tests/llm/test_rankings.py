"""Replies of judges: what is a ranking, what can be repaired without doubt, and what is left alone."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.llm.rankings import parse_ranking

FOUR = (3, 1, 0, 2)

REPAIRED = {
    "no spaces": "[4]>[2]>[1]>[3]",
    "text before and a full stop": "Sure! Here is the ranking:\n\n[4] > [2] > [1] > [3].",
    "in a sentence": "The order is [4] > [2] > [1] > [3], since [4] names the file.",
    "commas": "[4], [2], [1], [3]",
    "a JSON list": "[4, 2, 1, 3]",
    "a list of lists": "[[4], [2], [1], [3]]",
    "no brackets": "4 > 2 > 1 > 3",
    "no brackets, labelled": "Ranking: 4, 2, 1, 3",
    "spaces only": "4 2 1 3",
    "markdown": "**[4]** > **[2]** > **[1]** > **[3]**",
    "a fence": "```\n[4] > [2] > [1] > [3]\n```",
    "arrows": "[4] -> [2] → [1] => [3]",
    "full-width": "[4] ＞ [2] ＞ [1] ＞ [3]",
    "one a line": "[4]\n[2]\n[1]\n[3]",
    "bullets": "- [4]\n- [2]\n- [1]\n- [3]",
    "over two lines": "[4] > [2] >\n[1] > [3]",
    "a numbered list": "1. [4]\n2. [2]\n3. [1]\n4. [3]",
    "a numbered list of numbers": "1) 4\n2) 2\n3) 1\n4) 3",
    "a numbered list with the passages' text": (
        "1. [4] Rennet sets milk into curd, see (3).\n2. [2] Milk, heated to 30 °C\n3. [1] - off topic\n4. [3] Snow"
    ),
    "a numbered list in bold": "1. **Passage 4**: it answers\n2. **Passage 2**: near\n3. **Passage 1**: no\n4. **Passage 3**: no",
    "the word for a passage": "Passage 4 > Passage 2 > Passage 1 > Passage 3",
    "remarks": "[4] (names the file) > [2] (the same package) > [1] (unrelated) > [3] (unrelated)",
    "repeats": "[4] > [2] > [4] > [1] > [2] > [3] > [3]",
    "the whole again and again": "[4] > [2] > [1] > [3]\n[4] > [2] > [1] > [3]\n[4] > [2]",
    "identifiers that were not shown": "[4] > [21] > [2] > [1] > [0] > [3] > [5]",
    "leading zeros": "[04] > [02] > [01] > [03]",
    "thoughts before": "<think>[1] is good, or [2] > [1] > [3] > [4]?</think>\n[4] > [2] > [1] > [3]",
    "thoughts whose start is in the template": "[2] looks better than [1]... </think>[4] > [2] > [1] > [3]",
}
PARTIAL = {
    "cut at max_tokens": ("[4] > [2] > [1", (3, 1)),
    "some left out": ("[4] > [2]", (3, 1)),
    "the best alone": ("[4]", (3,)),
    "a count from 0": ("[3] > [1] > [0] > [2]", (2, 0, 1)),
    "the form, repeated": ("[1] > [2] > ... > [4]", (0, 1)),
    "a chain that is levelled": ("[4] > [2] > [1] = [3]", (3, 1, 0)),
    "a range": ("[1]-[4]", (0,)),
    "no brackets": ("4 > 2", (3, 1)),
    "a numbered list of some": ("1. [4] yes\n2. [2] perhaps", (3, 1)),
    "a chain that is turned around": ("[3] < [1] < [2] < [4]", (2,)),
    "remarks, one after another": ("[1] is off topic.\n[4] answers.\n[2] is near.\n[3] is not.", (0,)),
    "identifiers in a sentence": ("The passages [4], [2], [1], [3] are all about milk.", (3,)),
    "what was shown, repeated": ("[1] Rennet sets milk.\n[2] Milk.\n[3] Snow.\n[4] Cheese.", (0,)),
}
FAILED = {
    "nothing": "",
    "space": " \n ",
    "a refusal": "I'm sorry, but I can't rank these passages.",
    "a passage, repeated": "Rennet sets milk into curd; at 30 °C the milk of a cow sets in about half an hour.",
    "counts in a sentence": "Of the 4 passages, 2 are about cheese.",
    "a numbered list of texts": "1. Rennet sets milk.\n2. Milk.\n3. Snow.\n4. Cheese.",
    "a numbered list of texts with numbers": "1. 4 eggs\n2. 2 spoons\n3. 1 egg\n4. 3 cups",
    "two rankings": "[4] > [2] > [1] > [3]\nor rather\n[2] > [4] > [1] > [3]",
    "two rankings on two lines": "[4], [2], [1], [3]\n[2], [4], [1], [3]",
    "still thinking": "<think>[4] > [2] > [1] > [3]",
    "a number alone": "4",
}


@pytest.mark.parametrize("name", REPAIRED)
def test_what_can_be_told_without_doubt_is_repaired(name: str) -> None:
    parsed = parse_ranking(REPAIRED[name], 4)
    assert (parsed.parse, parsed.order, parsed.fault) == ("repaired", FOUR, "")


@pytest.mark.parametrize("name", PARTIAL)
def test_what_leaves_some_out_is_partial_and_is_not_filled_up(name: str) -> None:
    text, order = PARTIAL[name]
    parsed = parse_ranking(text, 4)
    assert (parsed.parse, parsed.order) == ("partial", order)
    assert f"leaves out {4 - len(order)} of 4" in parsed.fault


@pytest.mark.parametrize("name", FAILED)
def test_what_holds_no_ranking_fails(name: str) -> None:
    parsed = parse_ranking(FAILED[name], 4)
    assert (parsed.parse, parsed.order) == ("failed", ())
    assert parsed.fault


def test_the_fault_names_the_first_that_are_missing() -> None:
    assert parse_ranking("[20] > [1]", 20).fault.endswith("18 of 20: [2], [3], [4], [5], [6], ...")


rankings = st.integers(2, 30).flatmap(lambda k: st.permutations(range(k)))


@given(rankings)
def test_the_form_asked_for_is_complete_and_no_other_number_of_passages_is(order: list[int]) -> None:
    text = " > ".join(f"[{n + 1}]" for n in order)
    k = len(order)
    assert parse_ranking(f"\n{text} ", k).parse == "complete"
    assert parse_ranking(text, k).order == tuple(order)
    assert parse_ranking(text, k + 1).parse == "partial"
    fewer = parse_ranking(text, k - 1)
    assert (fewer.parse, fewer.order) == ("repaired", tuple(n for n in order if n != k - 1))


FORMS = (
    lambda n, _: f"{n} > ",
    lambda n, _: f"[{n}]\n",
    lambda n, _: f"  * Passage {n}\n",
    lambda n, at: f"{at}. [{n}] some words of it\n",
    lambda n, at: f"{at}. {n}\n",
    lambda n, _: f"**{n}**, ",
)


@given(rankings, st.sampled_from(FORMS), st.sampled_from(("", "Here it is:\n", "<think>1 > 2</think>")))
def test_any_order_in_any_form_is_that_order(order: list[int], form, before: str) -> None:  # type: ignore[no-untyped-def]
    text = before + "".join(form(n + 1, at) for at, n in enumerate(order, start=1))
    parsed = parse_ranking(text, len(order))
    assert (parsed.parse, parsed.order) == ("repaired", tuple(order))


pieces = st.lists(
    st.one_of(
        st.integers(0, 12).map(lambda n: f"[{n}]"), st.sampled_from(list("[]()>=<,.:-*\n 1234")), st.text(max_size=4)
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(pieces.map("".join), st.integers(2, 12))
def test_any_text_is_one_of_the_four_and_holds_only_what_it_names(text: str, k: int) -> None:
    parsed = parse_ranking(text, k)
    named = {int(n) - 1 for n in re.findall(r"\d{1,4}", text)}
    assert len(set(parsed.order)) == len(parsed.order)
    assert set(parsed.order) <= set(range(k)) & named
    if parsed.parse in ("complete", "repaired"):
        assert sorted(parsed.order) == list(range(k))
    elif parsed.parse == "partial":
        assert 0 < len(parsed.order) < k and parsed.fault
    else:
        assert parsed.order == () and parsed.fault


@pytest.mark.parametrize("piece", ["\n - ", "* ", "> ", "(", "() ", "[1] ", "[1] > ", "1. ", "1. [1]\n", "passage "])
def test_no_reply_takes_long(piece: str) -> None:
    """A reply of 100,000 characters; what backtracks needs hours for it."""
    parse_ranking("[1]" + piece * (100_000 // len(piece)) + "x", 20)
