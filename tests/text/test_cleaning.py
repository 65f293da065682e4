"""Cleaning: what goes, what stays, what is counted; and that cleaning twice changes nothing more."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders.text.cleaning import clean, clean_line

# Characters that rules are about, thrown together far more often than in arbitrary text.
ODD = st.text(
    st.sampled_from("ab.é\u0301\r\n\t \u00a0\u3000\u2028\u0085\x00\x1f\u200b\u200c\u200d\u202e\ufeff\u0c4d\ud800")
)


@given(st.text() | ODD)
@example("\u200b\u200b a")
@example("e\x00\u0301")
@example("a\r\x00\nb")
def test_cleaning_twice_changes_nothing_more(text):
    once, _ = clean(text)
    again, changed = clean(once)
    assert (again, dict(changed)) == (once, {})


@given(st.text() | ODD)
def test_clean_text_is_nfc_without_controls_and_can_be_stored(text):
    cleaned, _ = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n"]
    assert cleaned.encode().decode() == cleaned.strip()
    assert "\n\n\n" not in cleaned
    assert all(line == line.rstrip() for line in cleaned.split("\n"))


@given(st.text() | ODD)
def test_no_letter_digit_or_sign_is_lost(text):
    def solid(t):
        # the blanks and marks whose order and composition cleaning may change, and what it takes away: a ¶ that ends a
        # line is the link of a heading
        gone = {c for c in t if c.isspace() or c == "¶" or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn")}
        return unicodedata.normalize("NFC", "".join(c for c in t if c not in gone))

    assert solid(clean(text)[0]) == solid(text)


@given(st.text() | ODD)
def test_a_line_is_one_line_of_words_parted_by_single_spaces(text):
    line = clean_line(text)
    assert line == " ".join(line.split())
    assert clean_line(line) == line


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg\x85h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("cafe\u0301", "caf\u00e9"),
        ("\ufeffso\u00adft\x00 \x1btext\x7f", "soft text"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),  # Persian and Hindi spelling needs the joiners
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("pay \u202etxt.exe\u202c \u2066now\u2069", "pay txt.exe now"),
        ("ok\U000e0069\U000e0067\U000e006e", "ok"),
        ("ภาษา\u200bไทย", "ภาษาไทย"),  # a space would end a Thai sentence
        ("a \t b\u00a0c\u2003d", "a b c d"),
        ("北京\u3000上海", "北京\u3000上海"),
        ("def f():\n    return 1\n\treturn 2", "def f():\n    return 1\n\treturn 2"),
        ("a  \n\n \t\n\n\nb", "a\n\nb"),
        ("\ud83d\ude00 \ud800x", "x"),
        ("\x00\u200b\ufeff \r\n", ""),
    ],
)
def test_what_goes_and_what_stays(text, cleaned):
    assert clean(text)[0] == cleaned


def test_the_counts_say_what_changed():
    cleaned, changed = clean("cafe\u0301\x00\x01  au\t\u00a0lait \r\nun\rdeux\r\n\r\n\r\n\r\nfin")
    assert cleaned == "café au lait\nun\ndeux\n\nfin"
    assert changed == {
        "line_ends_folded": 6,
        "control_characters_removed": 2,
        "texts_made_nfc": 1,
        "blanks_folded": 2,
        "trailing_blanks_removed": 1,
        "empty_lines_folded": 1,
    }
    assert clean("nothing to do\n\n  here")[1] == {}


@pytest.mark.parametrize(
    "text",
    [" ", "\n", "\r", " \n", "a ", "\u3000", "\x00", "\t \n\n"],
    ids=repr,
)
def test_long_runs_cost_no_more_than_their_length(text):
    start = time.perf_counter()
    cleaned, _ = clean("a\n" + text * 300_000 + "x")
    assert cleaned.startswith("a")
    assert cleaned.endswith("x")
    assert time.perf_counter() - start < 5  # 3 s at 20,000 blanks when this was quadratic


def test_the_link_beside_a_heading_is_removed_and_a_pilcrow_in_a_sentence_is_not() -> None:
    text, changed = clean("Directive CacheLock ¶\nThe mark ¶ ends a paragraph.\n\nUsage¶")
    assert text == "Directive CacheLock\nThe mark ¶ ends a paragraph.\n\nUsage"
    assert changed["heading_links_removed"] == 2
