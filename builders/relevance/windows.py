"""Which ranks are positives and which are hard negatives: DRAMA's numbers, and what becomes of them on less text."""

import math
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Windows:
    """Ranks of the positives and of the negatives, and the fewest negatives that a row may have.

    own: the query's own chunk is its first positive, whatever its rank, and takes the place of the last one.
    """

    positives: Span
    negatives: Span
    least: int
    own: bool = False


def paper_windows(kind: str, least: int | None = None) -> Windows:
    """kind: retrieved (Sent, QGen) or reranked (Rerank)."""
    positives, negatives, _ = PAPER[kind]
    return Windows(positives, negatives, TRAINING_NEGATIVES if least is None else least)


def scaled_windows(kind: str, depth: int, chunks: int) -> tuple[Windows, list[str]]:
    """The windows for queries that have `depth` candidates among `chunks` in reach, and why they are what they are.

    Where there are fewer candidates than the paper's, all ranks shrink in proportion; on a corpus of fewer chunks fewer
    of the first ranks are positives, and the own chunk is always one: with MiniLM and BM25 together on 260 package
    descriptions a language, the first rank was another chunk for a tenth of the sentences, and wrong in most of those.
    With the paper's own numbers it is the paper's windows.
    """
    positives, negatives, deep = PAPER[kind]
    why = []
    if depth < deep:
        positives = (positives[0], max(1, positives[1] * depth // deep))
        negatives = (max(positives[1] + 1, math.ceil(negatives[0] * depth / deep)), max(depth, positives[1] + 1))
        why.append(f"the queries have {depth} candidates, the paper's have {deep}")
    most = positives_of(chunks)
    own = kind == "retrieved" and most < positives[1]
    if own:
        positives = (positives[0], most)
        why.append(
            f"{chunks:,} chunks are in the reach of a query, in the paper {PAPER_CHUNKS:,}: one positive up to "
            f"{ONE_POSITIVE:,}, one more for each doubling"
        )
    least = min(TRAINING_NEGATIVES, negatives[1] - negatives[0] + 1)
    return Windows(positives, negatives, least, own), why


def positives_of(chunks: int) -> int:
    """How many of the first ranks are taken as positives, among so many chunks: 1 to 10."""
    doublings = math.log2(max(chunks, ONE_POSITIVE) / ONE_POSITIVE)
    return min(10, 1 + round(doublings))


def with_choices(
    windows: Windows, positives: Span | None, negatives: Span | None, least: int | None, own: bool | None = None
) -> Windows:
    """The windows with what the user chose."""
    chosen = {"positives": positives, "negatives": negatives, "least": least, "own": own}
    return replace(windows, **{name: value for name, value in chosen.items() if value is not None})  # type: ignore[arg-type]
