"""Sentences: exact spans on any text, the fixtures of 21 languages, and never worse than the engine alone."""

import subprocess
import sys

import pytest
import sentencex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders.text.sentences import sentence_spans
from tests.text.layout_fixtures import LAYOUT
from tests.text.sentence_fixtures import CASES, MARK

# A case that the rules miss, by its first words: a Thai boundary that crfcut's model misses.
KNOWN_FAILURES = {"คุณสบายดีไหมครับ"}


def _sentences(text, language):
    return [text[start:end] for start, end in sentence_spans(text, language)]


def _expected(case):
    return case.replace(MARK, ""), [part.strip() for part in case.split(MARK)]


def _cases():
    for language, cases in CASES.items():
        for number, case in enumerate(cases):
            fails = any(case.startswith(start) for start in KNOWN_FAILURES)
            marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason="known failure")] if fails else []
            yield pytest.param(language, case, id=f"{language}-{number}", marks=marks)


@pytest.mark.parametrize(("language", "case"), list(_cases()))
def test_fixture(language, case):
    text, expected = _expected(case)
    assert _sentences(text, language) == expected


@pytest.mark.parametrize(("language", "case"), LAYOUT)
def test_layout(language, case):
    text, expected = _expected(case)
    assert _sentences(text, language) == expected


def test_fixtures_are_many_and_hard():
    assert len(CASES) == 21
    assert all(len(cases) >= 6 for cases in CASES.values())
    assert all(any(case.startswith(start) for cases in CASES.values() for case in cases) for start in KNOWN_FAILURES)
    assert sum(map(len, CASES.values())) + len(LAYOUT) >= 120
    assert sum(_f1(language, _bare) < 1 for language in CASES) >= 15


def _bare(text, language):
    return [part for part in sentencex.segment(language, text) if part.strip()]


def _boundaries(sentences):
    """How many characters that are not whitespace stand before each boundary inside the text."""
    counts = [len("".join(sentence.split())) for sentence in sentences]
    return {sum(counts[: index + 1]) for index in range(len(counts) - 1)}


def _f1(language, split):
    right = wrong = 0
    for case in CASES[language]:
        text, expected = _expected(case)
        truth, found = _boundaries(expected), _boundaries(split(text, language))
        right += len(truth & found)
        wrong += len(truth ^ found)
    return 2 * right / (2 * right + wrong)


@pytest.mark.parametrize("language", CASES)
def test_no_language_is_worse_than_the_bare_engine(language):
    ours, bare = _f1(language, _sentences), _f1(language, _bare)
    assert ours >= max(bare, 0.9)


def assert_exact(text, language):
    spans = sentence_spans(text, language)
    position = 0
    for start, end in spans:
        assert position <= start < end
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


LANGUAGES = st.sampled_from([*CASES, "xx", "", "pt-BR", "zh_Hant", "EN", "\ud800", "no such language"])
PIECES = st.sampled_from(
    [
        *" \n\t\r\f.!?…।。？！\"'«»“”„「」()[]-*•#=|—,;:1٣ñأکहড",
        "\n\n",
        "...",
        "Dr.",
        "A. ",
        "3. ",
        "1.2",
        " — a",
        "e.g. ",
        "กิน ",
        "ครับ ",
    ]
)


@given(st.text(), LANGUAGES)
@example("a\ud800b. C", "en")
@example("\u2029a.\x85b\x1c\x0b.\u2028", "ar")
def test_spans_are_exact_on_any_text(text, language):
    assert_exact(text, language)


@given(st.lists(PIECES, max_size=40).map("".join), LANGUAGES)
def test_spans_are_exact_on_punctuation(text, language):
    assert_exact(text, language)


@settings(max_examples=20)  # each is a thousand sentences
@given(
    st.lists(st.sampled_from(["A dog barks. ", "Was it e.g. Mr. Fox? ", "It was «so "]), min_size=500, max_size=1500)
)
def test_a_long_paragraph_is_cut_where_its_short_ones_are(parts):
    text = "".join(parts).strip()
    assert_exact(text, "en")
    if "«" not in text:
        assert len(sentence_spans(text, "en")) == len(parts)


@pytest.mark.parametrize("language", ["en", "th", "zh"])
@pytest.mark.parametrize("unit", ["x", ".", "é", "ก", "。"])
def test_what_has_no_space_is_one_sentence(unit, language):
    text = unit * 30_000
    assert sentence_spans(text, language) == [(0, len(text))]


def test_blank_lines_end_sentences_and_nothing_else_is_needed():
    assert _sentences("a b\n\nc d\n \t \ne f\r\n\r\ng\fh\u2029i", "en") == ["a b", "c d", "e f", "g", "h", "i"]
    assert sentence_spans(" \n\n ", "en") == sentence_spans("", "th") == []


def test_a_wrapped_paragraph_reads_as_one_line_does():
    line = "The quick brown fox, Dr. Reynard, jumps over the lazy dog named Rex. Nobody in the whole village saw them do it."
    words, wrapped, width = line.split(), "", 0
    for word in words:
        wrapped += ("\n" if width + len(word) > 60 else " ") + word if wrapped else word
        width = len(wrapped) - wrapped.rfind("\n")
    assert wrapped.count("\n") >= 1
    assert [sentence.replace("\n", " ") for sentence in _sentences(wrapped, "en")] == _sentences(line, "en")
    assert len(_sentences(line, "en")) == 2


def test_importing_sentences_loads_no_thai():
    code = "import sys, builders.text.sentences; sys.exit('pythainlp' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
