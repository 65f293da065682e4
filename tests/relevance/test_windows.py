"""Which ranks are what: the paper's numbers as they are, and scaled without gaps or overlaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.relevance.windows import Windows, paper_windows, positives_of, scaled_windows, with_choices


def test_the_paper_s_numbers() -> None:
    assert paper_windows("retrieved") == Windows((1, 10), (31, 50), 7)
    assert paper_windows("reranked") == Windows((1, 1), (11, 20), 7)


@pytest.mark.parametrize(("kind", "depth"), [("retrieved", 50), ("reranked", 20)])
def test_at_the_paper_s_size_nothing_is_scaled(kind: str, depth: int) -> None:
    assert scaled_windows(kind, depth, 25_000_000) == (paper_windows(kind), [])
    assert scaled_windows(kind, depth + 50, 80_000_000) == (paper_windows(kind), [])


@pytest.mark.parametrize(
    ("kind", "depth", "chunks", "windows"),
    [
        ("retrieved", 50, 3_000, Windows((1, 1), (31, 50), 7, own=True)),
        ("retrieved", 50, 1_600_000, Windows((1, 6), (31, 50), 7, own=True)),
        ("retrieved", 20, 3_000, Windows((1, 1), (13, 20), 7, own=True)),
        ("retrieved", 20, 90_000_000, Windows((1, 4), (13, 20), 7)),
        ("reranked", 5, 3_000, Windows((1, 1), (3, 5), 3)),
        ("reranked", 10, 3_000, Windows((1, 1), (6, 10), 5)),
        ("retrieved", 2, 3, Windows((1, 1), (2, 2), 1)),
    ],
)
def test_less_text_has_smaller_windows(kind: str, depth: int, chunks: int, windows: Windows) -> None:
    assert scaled_windows(kind, depth, chunks)[0] == windows


@given(st.sampled_from(["retrieved", "reranked"]), st.integers(0, 200), st.integers(0, 10**9))
def test_windows_never_overlap_or_are_empty(kind: str, depth: int, chunks: int) -> None:
    scaled, why = scaled_windows(kind, depth, chunks)
    assert 1 <= scaled.positives[0] <= scaled.positives[1] < scaled.negatives[0] <= scaled.negatives[1]
    assert 1 <= scaled.least <= scaled.negatives[1] - scaled.negatives[0] + 1
    assert bool(why) == (scaled != paper_windows(kind))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_chunks_have_no_fewer_positives(one: int, two: int) -> None:
    fewer, more = sorted((one, two))
    assert 1 <= positives_of(fewer) <= positives_of(more) <= 10


def test_what_the_user_chose_stands() -> None:
    assert with_choices(paper_windows("retrieved"), (1, 3), None, 2) == Windows((1, 3), (31, 50), 2)
