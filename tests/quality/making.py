"""An encoder that compares words, so that a near copy is near; triplets and audits of the small corpus."""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.audit import Audit, main
from builders.llm.requests import Model
from builders.quality.chosen_opinions import Given
from builders.retrieval.encoders import Role, unit_vectors
from builders.retrieval.terms import terms
from builders.store.versions import Version
from builders.text.hashes import text_hash
from tests.triplet_making import write

_DIM = 256
SIDES = ("positive", "negative")


class WordEncoder:
    """The sum of a vector drawn for each term, and a little that all texts share."""

    def __init__(self) -> None:
        self.model, self.truncated, self.dim = Model("words", "1"), 0, _DIM
        self.asked: list[str] = []

    def identity(self, role: Role) -> dict[str, Any]:
        return {"model": self.model.id, "revision": self.model.revision}

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        self.asked.extend(texts)
        return unit_vectors(np.stack([_sum(text) for text in texts]))

    def close(self) -> None:
        pass


def _sum(text: str) -> NDArray[np.float32]:
    drawn = [_vector(term) for term in terms(text)]
    return np.sum([*drawn, np.full(_DIM, 0.01, np.float32)], axis=0)


@cache
def _vector(term: str) -> NDArray[np.float32]:
    seed = int.from_bytes(blake2b(term.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(_DIM).astype(np.float32)


def audited(data: Path, *triplets: Version, given: Given | None = None, **settings: Any) -> Version:
    version = main(Audit(tuple(map(str, triplets)), data, **settings), given or Given(encoder=WordEncoder()))
    assert version is not None
    return version


def topical(data: Path, topics: int = 6, chunks: int = 12) -> Version:
    """Triplets of chunks of 60 words: half from its topic's 60 words, half from 600 of all. A query is a run of 12 words
    of its chunk, and its negatives are the other chunks of the topic."""
    draw, versions = Random(0), tuple[Version, ...]()
    every = [f"w{at}x{at * at % 97}" for at in range(600)]
    texts = {}
    for topic in range(topics):
        own = draw.sample(every, 60)
        for number in range(chunks):
            words = [draw.choice(own if at % 2 else every) for at in range(60)]
            texts[f"made/{topic:02d}-{number:02d}#0000"] = " ".join(words)
    queries, triplets = [], []
    for chunk_id, text in texts.items():
        same = {
            "chunk_id": chunk_id,
            "document_id": chunk_id[:-5],
            "source": "made",
            "language": "en",
            "split": "train",
        }
        query = " ".join(text.split()[20:32])
        query_id, others = f"{chunk_id}~sent0", [i for i in texts if i[:7] == chunk_id[:7] and i != chunk_id]
        keys = {"query_id": query_id, "method": "sent", "normalised_text_hash": text_hash(query)}
        of_query = {"text": query, "text_hash": text_hash(query), "chunk_text_hash": text_hash(text)}
        queries.append({**same, **keys, **of_query})
        lists = {f"{side}_ids": ids for side, ids in (("positive", [chunk_id]), ("negative", others))}
        ranks = {f"{side}_ranks": [1 if side == "positive" else 11] * len(lists[f"{side}_ids"]) for side in SIDES}
        scores = {f"{side}_scores": [1.0] * len(lists[f"{side}_ids"]) for side in SIDES}
        triplets.append({**same, **keys, "triplet_id": f"{query_id}+sent", **lists, **ranks, **scores})
    made = [
        {"chunk_id": i, "document_id": i[:-5], "source": "made", "title": "", "text": t, "start": 0, "end": len(t)}
        | {"sentence_starts": [0], "tokens": 60, "language": "en", "language_confidence": 1.0, "licence": None}
        | {"text_hash": text_hash(t), "normalised_text_hash": text_hash(t), "cluster_id": i, "split": "train"}
        for i, t in texts.items()
    ]
    for table, record, rows in (
        ("chunks", "chunk", made),
        ("queries", "query", queries),
        ("triplets", "triplet", triplets),
    ):
        versions = (*versions, write(data, table, record, rows, versions))
    return versions[-1]
