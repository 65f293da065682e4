"""Which ranks are what: the paper's numbers as they are, and scaled without gaps or overlaps."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.relevance.selection import _spans
from builders.relevance.windows import (
    Windows,
    paper_windows,
    positives_of,
    row_windows,
    scaled_windows,
)

KINDS = st.sampled_from(["retrieved", "reranked"])


def test_the_paper_s_numbers() -> None:
    assert paper_windows("retrieved") == Windows((1, 10), (31, 50), 7)
    assert paper_windows("reranked") == Windows((1, 1), (11, 20), 7)


@pytest.mark.parametrize(("kind", "deep"), [("retrieved", 50), ("reranked", 20)])
def test_at_the_paper_s_size_nothing_is_scaled(kind: str, deep: int) -> None:
    paper = paper_windows(kind)
    for chunks in (25_000_000, 80_000_000):
        scaled = scaled_windows(kind, chunks)
        assert not scaled.own
        for candidates in (deep, deep + 50):
            assert row_windows(scaled, candidates) == (paper.positives, paper.negatives, paper.least)


@pytest.mark.parametrize(
    ("kind", "candidates", "chunks", "windows"),
    [
        ("retrieved", 50, 3_000, ((1, 1), (11, 30), 7)),
        ("retrieved", 50, 1_600_000, ((1, 6), (19, 38), 7)),
        ("retrieved", 20, 3_000, ((1, 1), (8, 20), 7)),
        ("retrieved", 20, 90_000_000, ((1, 4), (13, 20), 7)),
        ("reranked", 5, 3_000, ((1, 1), (3, 5), 3)),
        ("reranked", 10, 3_000, ((1, 1), (6, 10), 5)),
        ("retrieved", 2, 3, ((1, 1), (2, 2), 1)),
    ],
)
def test_less_text_has_smaller_windows(kind: str, candidates: int, chunks: int, windows: object) -> None:
    scaled = scaled_windows(kind, chunks)
    assert row_windows(scaled, candidates) == windows
    assert scaled.own is (kind == "retrieved" and chunks < 25_000_000)


@given(KINDS, st.integers(0, 200), st.integers(0, 10**9))
def test_windows_never_overlap_or_are_empty(kind: str, candidates: int, chunks: int) -> None:
    positives, negatives, least = row_windows(scaled_windows(kind, chunks), candidates)
    assert 1 <= positives[0] <= positives[1] < negatives[0] <= negatives[1]
    assert 1 <= least <= negatives[1] - negatives[0] + 1


@given(KINDS, st.lists(st.integers(0, 200), min_size=1), st.integers(0, 10**9), st.booleans())
def test_all_rows_at_once_are_as_each_alone(kind: str, candidates: list[int], chunks: int, is_paper: bool) -> None:
    windows = paper_windows(kind) if is_paper else scaled_windows(kind, chunks)
    positive, negative, least = _spans(pl.col("n"), windows)
    frame = pl.DataFrame({"n": candidates}, schema={"n": pl.UInt32})
    rows = frame.select("n", a=positive[0], b=positive[1], c=negative[0], d=negative[1], e=least).rows()
    assert [((a, b), (c, d), e) for _, a, b, c, d, e in rows] == [row_windows(windows, n) for n in candidates]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_chunks_have_no_fewer_positives(one: int, two: int) -> None:
    fewer, more = sorted((one, two))
    assert 1 <= positives_of(fewer) <= positives_of(more) <= 10
