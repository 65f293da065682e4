"""BM25 as a retriever: exact scores of every document (bm25s), the same ranking rule as vectors have."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.rankings import DECIMALS, EMPTY, Ranking, pack, unpack
from builders.retrieval.terms import terms

# Lucene's variant and its usual constants; scores are at least 0.
METHOD, K1, B = "lucene", 1.2, 0.75
NAME = f"bm25-{METHOD}-{K1}-{B}"


class BM25:
    """An index in memory: about 8 bytes for each different term of each document."""

    def __init__(
        self, documents: Iterable[str], order: NDArray[np.int64] | None = None, *, k1: float = K1, b: float = B
    ) -> None:
        """Documents are numbered in the order of their ids, like those of top_k: `order` holds the number of each.

        None: they come in that order.
        """
        try:
            import bm25s
        except ImportError:
            raise UserError("The package bm25s is not installed here: run `pip install 'drama[mine]'`.") from None
        self._vocabulary: dict[str, int] = {}
        read = [self._numbers(text) for text in documents]
        numbers = read if order is None else [read[at] for at in np.argsort(order).tolist()]
        self._documents = len(numbers)
        self._index: Any = None
        if self._vocabulary:
            # corpus and vocabulary as numbers: strings would be held once more for each document
            self._index = bm25s.BM25(method=METHOD, k1=k1, b=b)
            self._index.index((numbers, self._vocabulary), create_empty_token=False, show_progress=False)

    def top_k(self, queries: Sequence[str], k: int, *, restriction: Restriction | None = None) -> Ranking:
        """The k documents of each query with the highest scores. A document that shares no term is not returned."""
        if k < 1:
            raise UserError(f"The k = {k} asks for no documents: give 1 or more.", exit_code=2)
        packed = np.full((len(queries), k), EMPTY)
        for row, query in enumerate(queries):
            known = [self._vocabulary[term] for term in terms(query) if term in self._vocabulary]
            if known:
                scores = self._index.get_scores_from_ids(known)
                best = _best(_allowed(scores, restriction, row), k)
                packed[row, : len(best)] = best
        return unpack(packed)

    def _numbers(self, text: str) -> list[int]:
        vocabulary = self._vocabulary
        return [vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)]


def _allowed(scores: NDArray[np.float32], restriction: Restriction | None, row: int) -> NDArray[np.float32]:
    if restriction is None:
        return scores
    allowed = restriction.documents >= 0
    if restriction.queries is not None:
        allowed &= restriction.documents == restriction.queries[row]
    return np.where(allowed, scores, np.float32(0))


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.uint64]:
    """The k best with a score above 0, packed and sorted."""
    lowest = np.float32(0)
    if len(scores) > k:
        # Scores this far below the k-th may still be rounded to the same.
        lowest = max(lowest, np.partition(scores, len(scores) - k)[len(scores) - k] - np.float32(10.0**-DECIMALS))
    found = np.flatnonzero((scores >= lowest) & (scores > 0))
    return np.sort(pack(scores[found], found))[:k]
