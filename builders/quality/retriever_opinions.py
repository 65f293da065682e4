"""A second retriever's opinion of a pair: its score, beside the score of the query's own chunk."""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from builders.cli.progress import say
from builders.quality.bm25_pairs import Collection, collection_of
from builders.quality.opinions import Rule, Score, Unscored
from builders.quality.pairs import Pairs, ShardPairs
from builders.retrieval.encoders import Encoder, Role
from builders.retrieval.rankings import DECIMALS
from builders.retrieval.terms import terms
from builders.retrieval.vectors import Vectors, encode_shards
from builders.store.schemas import canonical


@dataclass
class Dense:
    """Cosines of a model's vectors. Texts that have one in `data`/vectors are not encoded again."""

    rule: Rule
    encoder: Encoder
    data: Path
    stored: dict[Role, Vectors] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        return {"query": self.encoder.identity("query"), "document": self.encoder.identity("document")}

    def first(self, pairs: Pairs) -> str:
        return _first_texts(pairs)

    def prepare(self, pairs: Pairs) -> dict[str, int]:
        for role in _TEXTS:
            self.stored[role] = self._encoded(pairs, role)
        self.encoder.close()
        return {}

    def _encoded(self, pairs: Pairs, role: Role) -> Vectors:
        def read(shard: int) -> tuple[list[str], list[str]]:
            texts = _texts(pairs.shard(shard), role)
            return sorted(texts), [texts[row_id] for row_id in sorted(texts)]

        drawn = [[*stratum, one.taken] for stratum, one in pairs.sample.strata.items()]
        named = [[str(v), v.content_hash] for v in pairs.triplets]
        name = blake2b(canonical([named, drawn, pairs.sample.seed]), digest_size=6).hexdigest()
        return encode_shards(self.encoder, role, self.data, f"audited-{name}-{role}", len(pairs.places), read)

    def scores(self, pairs: Pairs, shard: int) -> list[Score | Unscored]:
        its = pairs.shard(shard)
        vectors = {}
        for role, stored in self.stored.items():
            rows = stored.shard(shard).astype(np.float32)
            vectors[role] = dict(zip(sorted(_texts(its, role)), rows, strict=True))

        def score(pair: dict[str, Any], chunk: str) -> float:
            product = vectors["query"][pair["query_id"]] @ vectors["document"][pair[chunk]]
            return round(float(product), DECIMALS)

        return [Score(score(pair, "chunk_id"), score(pair, "own_id")) for pair in its.pairs]


@dataclass
class Words:
    """BM25 with what all chunks behind the row's version say of its terms.

    is_copy: the own chunk's text is asked for and not the query, so that a score is the share of it, by weight of its
    terms, that stands in the other: high for an edited copy, and low for what answers the query in other words.
    """

    rule: Rule
    is_copy: bool = False
    collections: dict[str, Collection] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        return {}

    def first(self, pairs: Pairs) -> str:
        return _first_texts(pairs)

    def prepare(self, pairs: Pairs) -> dict[str, int]:
        for version in pairs.triplets:
            mine = [number for number, (its, _) in enumerate(pairs.places) if its is version]
            wanted = {term for number in mine for text in self._asked(pairs.shard(number)) for term in terms(text)}
            if wanted:
                chunks = pairs.behind(version, "chunks")
                say(f"bm25: counting terms in {sum(v.manifest['rows']['out'] for v in chunks):,} chunks of {version}")
                self.collections[str(version)] = collection_of(chunks, wanted)
        return {}

    def scores(self, pairs: Pairs, shard: int) -> list[Score | Unscored]:
        its, version = pairs.shard(shard), pairs.places[shard][0]
        known: dict[tuple[str, str], float] = {}  # the own chunk is asked about once for each of the row's pairs

        def score(pair: dict[str, Any], chunk: str) -> float:
            asked = its.chunks[pair["own_id"]] if self.is_copy else its.queries[pair["query_id"]]
            key = asked, pair[chunk]
            if key not in known:
                known[key] = round(self.collections[str(version)].score(asked, its.chunks[key[1]]), DECIMALS)
            return known[key]

        return [Score(score(pair, "chunk_id"), score(pair, "own_id")) for pair in its.pairs]

    def _asked(self, its: ShardPairs) -> set[str]:
        return {its.chunks[pair["own_id"]] for pair in its.pairs} if self.is_copy else set(its.queries.values())


_TEXTS: tuple[Role, ...] = ("query", "document")


def _texts(shard: ShardPairs, role: Role) -> dict[str, str]:
    return shard.queries if role == "query" else shard.chunks


def _first_texts(pairs: Pairs) -> str:
    for number in range(len(pairs.places)):
        its = pairs.shard(number)
        for pair in its.pairs[:1]:
            return f"query: {its.queries[pair['query_id']]}\n{pair['side']}: {its.chunks[pair['chunk_id']]}"
    return "no pair"
