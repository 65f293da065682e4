"""Which documents a system finds for each query of a set: the exact 100 best within the query's pool."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from builders.retrieval.document_blocks import Block
    from builders.retrieval.rankings import Ranking
    from drama_train.evaluation.sets import EvaluationSet

    Blocks = Iterable[Block]

DEPTH = 100
Rankings = Mapping[str, Sequence[str]]
"""{query: documents, best first}."""


def document_numbers(searched: "EvaluationSet") -> "tuple[list[str], NDArray[np.int64]]":
    """(ids, sorted; for each document in the order of the set, its place among them): that order breaks ties."""
    import numpy as np

    ids = sorted(searched.documents)
    places = {document: at for at, document in enumerate(ids)}
    return ids, np.array([places[document] for document in searched.documents], np.int64)


def vector_rankings(
    searched: "EvaluationSet", queries: "NDArray[Any]", documents: "Blocks", dim: int | None = None, device: str = "cpu"
) -> Rankings:
    """By the cosine of the first `dim` numbers of each vector (all where None); exact, in bounded memory.

    queries: (Q, D), in the order of `searched.queries`. documents: (numbers as of `document_numbers`, vectors) blocks.
    """
    import numpy as np

    from builders.retrieval.document_blocks import Restriction
    from builders.retrieval.topk import top_k

    ids = sorted(searched.documents)
    asked = list(searched.queries)
    restriction = None
    if (spoken := searched.document_languages) is not None:
        codes = {language: at for at, language in enumerate(sorted(set(spoken.values())))}
        restriction = Restriction(
            np.array([codes[spoken[document]] for document in ids]),
            np.array([codes[searched.languages[query]] for query in asked]),
        )
    short = ((numbers, shortened(vectors, dim)) for numbers, vectors in documents)
    found = top_k(shortened(queries, dim), short, _depth(searched), restriction=restriction, device=device)
    return dict(_named(searched, asked, ids, found))


def word_rankings(searched: "EvaluationSet", progress: Callable[[], object] = lambda: None) -> Rankings:
    """By BM25, with an index for each pool: words are as rare as they are in what is searched."""
    from builders.retrieval.bm25 import BM25

    found: dict[str, Sequence[str]] = {}
    for queries, documents in searched.pools.values():
        index = BM25(searched.documents[document] for document in documents)
        ranking = index.top_k([searched.queries[query] for query in queries], _depth(searched))
        found |= _named(searched, queries, documents, ranking)
        progress()
    return found


def shortened(vectors: "NDArray[Any]", dim: int | None) -> "NDArray[np.float32]":
    """(N, D) -> (N, dim) of length 1: how Matryoshka vectors are used. A vector that is zero there stays zero."""
    import numpy as np

    cut = np.asarray(vectors[:, :dim], dtype=np.float32)
    length = np.linalg.norm(cut.astype(np.float64), axis=1, keepdims=True)
    return (cut / np.where(length > 0, length, 1)).astype(np.float32)


def _depth(searched: "EvaluationSet") -> int:
    return DEPTH + 1 if searched.without_own else DEPTH


def _named(
    searched: "EvaluationSet", queries: Sequence[str], documents: Sequence[str], found: "Ranking"
) -> Iterable[tuple[str, list[str]]]:
    from builders.retrieval.rankings import NO_DOCUMENT

    for query, row in zip(queries, found.indices.tolist(), strict=True):
        named = [documents[at] for at in row if at != NO_DOCUMENT]
        if searched.without_own and query not in searched.judgements[query]:
            named = [document for document in named if document != query]
        yield query, named[:DEPTH]
