"""Alike texts: the index finds what comparing with every text finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.text.alike_texts import SeenTexts

TEXTS = st.lists(
    st.lists(st.sampled_from("a bb ccc dddd e ff ggg hhhh".split()), max_size=9).map(" ".join), max_size=12
)


def jaccard(a: str, b: str) -> float:
    one, two = set(a.split()), set(b.split())
    return len(one & two) / len(one | two)


@given(TEXTS, st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]))
def test_the_first_alike_text_is_found_as_by_comparing_with_all(texts: list[str], alike: float) -> None:
    seen = SeenTexts(alike)
    for place, text in enumerate(texts):
        first = next((str(i) for i, t in enumerate(texts[:place]) if t and text and jaccard(t, text) >= alike), None)
        assert seen.find(text) == first
        seen.add(str(place), text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FIND texts, about: old rivers!", "a"),
        ("Find texts about rivers", "a"),  # four of five words
        ("Find texts about old bridges", None),  # four of six
        ("川の橋について書かれた文を探す。", None),
        ("湖の畔に住む鳥を調べる", "b"),
        ("", None),
    ],
)
def test_words_are_compared_without_case_marks_and_order(text: str, found: str | None) -> None:
    seen = SeenTexts(0.8, [("a", "Find texts about old rivers."), ("b", "湖の畔に住む鳥を調べる。")])
    assert seen.find(text) == found
