"""Chunking: on any text chunks are exact, in order, whole sentences where they can be, and packed as full as they go."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders.text.chunking import PIECE_CHARACTERS, SHORT_TAIL, chunk_text, pack
from builders.text.sentences import sentence_spans
from builders.text.tokens import load_tokenizer
from tests.corpora import SENTENCES

# What the tests of any text may share between examples: nothing in the fixtures changes.
_SHARED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARTS = [
    "A first one. ",
    "Yes! ",
    "\n\n",
    "  ",
    "- item\n",
    "好的。",
    "ข้าว ",
    "word",
    "x" * 60,
    "😀",
    "\u0301",
    "e.g. ",
    "\t",
]


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file):
    return load_tokenizer(tokenizer_file)


def count(text, tokenizer):
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def check(text, language, tokenizer, max_tokens):
    """Everything that holds of the chunks of any text; returns them."""
    sentences = sentence_spans(text, language)
    chunks = chunk_text(text, language, tokenizer, max_tokens)
    covered = 0
    for chunk in chunks:
        assert covered <= chunk.start < chunk.end <= len(text)
        assert not text[covered : chunk.start].strip()
        covered = chunk.end
        body = text[chunk.start : chunk.end]
        assert chunk.tokens == count(body, tokenizer)
        assert chunk.tokens <= max_tokens
        assert body.strip()
        assert chunk.sentence_starts[0] == chunk.start
        assert list(chunk.sentence_starts) == sorted({*chunk.sentence_starts})
    assert not text[covered:].strip()
    too_long = [(a, b) for a, b in sentences if count(text[a:b], tokenizer) > max_tokens]
    starts = [start for chunk in chunks for start in chunk.sentence_starts]
    pieces = {start for start in starts if start not in {a for a, _ in sentences}}
    assert {a for a, _ in sentences} <= set(starts)
    assert all(any(a < start < b for a, b in too_long) for start in pieces)
    ends = {chunk.end for chunk in chunks} - {b for _, b in sentences}
    assert all(any(a < end < b for a, b in too_long) for end in ends)
    return chunks


@_SHARED
@given(
    text=st.lists(st.sampled_from(PARTS) | st.text(st.characters(codec="utf-8"), max_size=8), max_size=40).map("".join),
    language=st.sampled_from(["en", "th", "zh", "und"]),
    max_tokens=st.integers(8, 40),
)
@example(text="x 😀", language="en", max_tokens=8)
@example(text="a\n" + " " * 300 + "b", language="en", max_tokens=8)
@example(text="e" + "\u0301" * 50, language="en", max_tokens=8)
def test_chunks_of_any_text_are_exact_and_cut_only_sentences_that_are_too_long(text, language, max_tokens, tokenizer):
    chunks = check(text, language, tokenizer, max_tokens)
    assert bool(chunks) == bool(text.strip())


@given(text=st.text(st.sampled_from("a😀 .\n"), max_size=12), max_tokens=st.integers(1, 3))
@_SHARED
def test_a_limit_below_one_character_cuts_between_characters_and_ends(text, max_tokens, tokenizer):
    chunks = chunk_text(text, "en", tokenizer, max_tokens)
    assert "".join("".join(text[c.start : c.end] for c in chunks).split()) == "".join(text.split())
    assert all(c.tokens <= max_tokens or c.end - c.start == 1 for c in chunks)


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("max_tokens", [60, 256])
def test_real_text_is_packed_until_no_further_sentence_fits(language, max_tokens, tokenizer):
    draw = random.Random(language)
    parts = [draw.choice(SENTENCES[language]).format(p="Lomar", n=draw.randrange(99)) for _ in range(120)]
    text = "".join(part + draw.choice([" ", " ", "\n\n"]) for part in parts)
    chunks = check(text, language, tokenizer, max_tokens)
    sentences = sentence_spans(text, language)
    assert len(sentences) > 100
    longest = max(count(text[a:b], tokenizer) for a, b in sentences)
    if longest > max_tokens:
        assert max_tokens == 60
        return  # its pieces are no sentences: that they are within the limit has been checked
    assert len(chunks) > 3
    ends = dict(sentences)
    for chunk, following in pairwise(chunks[:-1]):
        # Three tokens of slack: what stands before a sentence counts as its own, and may join it in another way.
        assert count(text[chunk.start : ends[following.start]], tokenizer) > max_tokens - 3
    assert chunks[-1].tokens >= max_tokens * SHORT_TAIL - 3
    again = chunk_text(text, language, tokenizer, max_tokens)
    assert again == chunks


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(5, 40))
def test_packing_is_greedy_but_for_an_evened_out_tail(lengths, limit):
    groups = pack(lengths, limit)
    assert [i for a, b in groups for i in range(a, b)] == list(range(len(lengths)))
    sums = [sum(lengths[a:b]) for a, b in groups]
    assert all(total <= limit or b - a == 1 for total, (a, b) in zip(sums, groups, strict=True))
    greedy = [total + lengths[b] > limit for total, (_, b) in zip(sums[:-1], groups[:-1], strict=True)]
    assert all(greedy[:-1])
    if greedy and not greedy[-1]:  # evened out: no other cut of the last two is more even
        start, cut, end = groups[-2][0], groups[-2][1], groups[-1][1]
        differences = {c: abs(sum(lengths[start:c]) - sum(lengths[c:end])) for c in range(start + 1, end)}
        assert differences[cut] == min(differences.values())


def test_a_short_tail_is_evened_out():
    assert pack([10] * 11, 100) == [(0, 5), (5, 11)]
    assert pack([10] * 13, 100) == [(0, 10), (10, 13)]
    assert pack([95, 5, 10], 100) == [(0, 1), (1, 3)]
    assert pack([100, 10], 100) == [(0, 1), (1, 2)]  # nothing to be evened out


@pytest.mark.parametrize("unit", ["abcdefghij", "ab ", "字", "ก", "😀", "0", "=", "e\u0301", "A. ", "a\n\n"], ids=ascii)
def test_200000_characters_of_one_thing_are_cut_in_seconds(unit, tokenizer):
    text = (unit * 200_000)[:200_000]
    start = time.perf_counter()
    chunks = chunk_text(text, "en", tokenizer, 256)
    assert time.perf_counter() - start < 10  # up to 60 s when each piece had the tokenizer read 20,000 characters
    assert len(text) / PIECE_CHARACTERS <= len(chunks)
    assert max(c.tokens for c in chunks) <= 256
    assert "".join(text[c.start : c.end] for c in chunks).replace(" ", "").replace("\n", "") == "".join(text.split())


def test_blanks_between_sentences_however_long_leave_them_whole(tokenizer):
    text = "One sentence here." + "\n" * 30_000 + "Another sentence." + " " * 30_000 + "A third sentence."
    chunks = check(text, "en", tokenizer, 256)
    assert [len(c.sentence_starts) for c in chunks] == [1, 1, 1]


def test_nothing_has_no_chunks(tokenizer):
    assert [chunk_text(text, "en", tokenizer, 256) for text in ("", " ", "\n\n\t")] == [[], [], []]
