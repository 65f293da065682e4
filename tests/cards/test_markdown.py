"""Text of others in Markdown: read back by a CommonMark parser, it is text and nothing else."""

from collections import Counter
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builders.cards.markdown import Markdown, cell, code, escape, fence, number, one_line, percent
from tests.cards.making import HOSTILE

READER = MarkdownIt("commonmark", {"html": True}).enable("table")
TEXTS = st.text(alphabet=st.sampled_from("ab1 .`|*_~<>[]()#\\&;!-+=:\n\t{}$\"'@"), min_size=1, max_size=30)


@given(TEXTS)
def test_escaped_words_are_shown_as_they_are(text: str) -> None:
    line = one_line(text)
    tokens = READER.parse(escape(text))
    if not line:
        assert not tokens
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or ()} <= {"text", "text_special"}
    assert "".join(child.content for child in tokens[1].children or ()) == line


@given(TEXTS)
def test_a_cell_keeps_its_row(text: str) -> None:
    page = READER.render(f"| a | b |\n|---|---|\n| {cell(text)} | {escape(text) or 'x'} |\n\nend\n")
    kinds = Counter(token.type for token in READER.parse(f"| a | b |\n|---|---|\n| {cell(text)} | c |\n"))
    assert kinds["td_open"] == 2
    assert page.count("<td>") == 2
    shown = page.partition("<td>")[2].partition("</td>")[0]
    if line := one_line(text):
        assert unescape(shown) == f"<code>{line}</code>"


@given(TEXTS)
def test_a_fence_holds_its_text(text: str) -> None:
    tokens = READER.parse(f"{fence(text, 'toml')}\n\nend\n")
    assert tokens[0].type == "fence"
    assert len(tokens) == 4
    assert tokens[0].content.rstrip("\n") == text.rstrip("\n")


def test_what_is_hidden_is_shown() -> None:
    assert one_line("a\u202eb\u200b\x00c") == "a\\u{202e}b\\u{200b}\\u{0}c"
    assert one_line("می\u200cشود") == "می\u200cشود"  # spelling needs it
    assert "\u202e" not in escape(HOSTILE) + code(HOSTILE) + fence(HOSTILE)


def test_markdown_is_not_escaped_again() -> None:
    assert escape(Markdown("**a**")) == "**a**"
    assert escape("**a**") == "\\*\\*a\\*\\*"


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0%"), (1, "100%"), (0.00001, "< 0.01%"), (0.0034, "0.34%"), (0.5, "50.0%"), (0.99999, "99.9%")],
)
def test_shares_never_round_to_none_or_all(share: float, told: str) -> None:
    assert percent(share) == told


def test_numbers() -> None:
    assert [number(n) for n in (0, 1234567, 0.5, 12.0)] == ["0", "1,234,567", "0.5", "12"]
