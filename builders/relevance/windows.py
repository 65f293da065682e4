"""Which ranks are positives and which are hard negatives: DRAMA's numbers, and what becomes of them on less text."""

import math
from dataclasses import dataclass

Span = tuple[int, int]

# DRAMA 3.1.1 and 3.1.2 (of 50 candidates), 3.1.3 (of 20): first and last rank, both included.
PAPER: dict[str, tuple[Span, Span, int]] = {
    "retrieved": ((1, 10), (31, 50), 50),
    "reranked": ((1, 1), (11, 20), 20),
}
# What a query of the 0.1B and 0.3B models is trained with (DRAMA 4.4).
TRAINING_NEGATIVES = 7
# The corpora of the paper hold 25 million chunks each, and ten of them are taken as positives. How many chunks answer a
# query grows much more slowly than the corpus: one more with each doubling joins one at 50,000 to ten at 25 million.
ONE_POSITIVE, PAPER_CHUNKS = 50_000, 25_000_000
# DRAMA leaves out twice as many ranks as are positives (11..30), and so do scaled windows, but never begin above rank
# 11. Of what MiniLM and BM25 together rank for judged queries of three sets (200 to 370 chunks in reach) so many are
# judged positives: ranks 2..5 4 to 11 in 100, 6..10 0.9 to 3.2, 11..20 0.3 to 1.3, 21..30 0.1 to 0.7, 31..50 0.2 to
# 0.5. So ranks 11..30 are about as clean as 31..50 there, and nearer: of those, nine in ten were on another subject.
FIRST_NEGATIVE = 11


@dataclass(frozen=True)
class Windows:
    """Ranks of the positives and of the negatives, and the fewest negatives that a row may have.

    own: the query's own chunk is its first positive, whatever its rank, and takes the place of the last one.
    deep: the ranks are of so many candidates, and shrink in proportion for a query that has fewer; None: they are as
    they are.
    """

    positives: Span
    negatives: Span
    least: int
    own: bool = False
    deep: int | None = None


def paper_windows(kind: str) -> Windows:
    """kind: retrieved (Sent, QGen) or reranked (Rerank)."""
    positives, negatives, _ = PAPER[kind]
    return Windows(positives, negatives, TRAINING_NEGATIVES)


def scaled_windows(kind: str, chunks: int) -> Windows:
    """The paper's windows, in proportion where a query has fewer candidates than the paper's, among `chunks` in reach.

    On a corpus of fewer chunks fewer of the first ranks are positives, and negatives begin earlier. The own chunk is
    always a positive: with MiniLM and BM25 together on 260 package descriptions a language, the first rank was another
    chunk for a tenth of the sentences, and wrong in most of those.
    """
    positives, negatives, deep = PAPER[kind]
    most = positives_of(chunks)
    if kind == "retrieved" and most < positives[1]:
        first = max(FIRST_NEGATIVE, 3 * most + 1)
        nearer = (first, first + negatives[1] - negatives[0])
        return Windows((1, most), nearer, TRAINING_NEGATIVES, own=True, deep=nearer[1])
    return Windows(positives, negatives, TRAINING_NEGATIVES, deep=deep)


def row_windows(windows: Windows, candidates: int) -> tuple[Span, Span, int]:
    """The windows of a query with so many candidates, and the fewest negatives that it may have.

    They never overlap, and the fewest is never more than the window holds.
    """
    positives, negatives, least = windows.positives, windows.negatives, windows.least
    if windows.deep is not None and candidates < windows.deep:
        last = max(1, positives[1] * candidates // windows.deep)
        first = max(last + 1, -(-negatives[0] * candidates // windows.deep))
        positives, negatives = (positives[0], last), (first, max(first, negatives[1] * candidates // windows.deep))
    return positives, negatives, min(least, negatives[1] - negatives[0] + 1)


def positives_of(chunks: int) -> int:
    """How many of the first ranks are taken as positives, among so many chunks: 1 to 10."""
    doublings = math.log2(max(chunks, ONE_POSITIVE) / ONE_POSITIVE)
    return min(10, 1 + round(doublings))
