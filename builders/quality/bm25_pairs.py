"""BM25 of given pairs: the scores that the retriever's index gives, from one pass over the chunks and no index."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from builders.retrieval.bm25 import K1, B
from builders.retrieval.terms import terms
from builders.store.versions import Version, read_column


@dataclass(frozen=True)
class Collection:
    """What BM25 knows of all chunks: how many there are, their mean length in terms, and in how many a term stands.

    Held for the terms of the queries alone, so that memory grows with the sample and not with the corpus.
    """

    documents: int
    mean_length: float
    holding: dict[str, int]

    def score(self, query: str, document: str) -> float:
        """Lucene's variant, as builders.retrieval.bm25; a term that the query repeats counts each time."""
        found = terms(document)
        length = K1 * (1 - B + B * len(found) / self.mean_length) if found else 1.0
        times = Counter(found)
        score = 0.0
        for term in terms(query):
            if times[term]:
                holding = self.holding[term]
                rarity = math.log(1 + (self.documents - holding + 0.5) / (holding + 0.5))
                score += rarity * times[term] / (times[term] + length)
        return score


def collection_of(chunks: Sequence[Version], wanted: set[str]) -> Collection:
    """One pass over the chunks. `wanted`: the terms of all queries that will be scored."""
    documents, length, holding = 0, 0, Counter[str]()
    for version in chunks:
        for shard in version.shards():
            for text in read_column(shard, "text"):
                found = terms(text)
                documents += 1
                length += len(found)
                holding.update(wanted.intersection(found))
    return Collection(documents, length / documents if documents else 0.0, dict(holding))
