"""The approximate search says how much it missed."""

from typing import Literal

import numpy as np
import pytest

from builders.retrieval.approximate import approximate_top_k
from builders.retrieval.topk import top_k

pytest.importorskip("faiss")


@pytest.mark.parametrize(("kind", "effort"), [("hnsw", 64), ("ivf", 1), ("ivf", 1000)])
def test_recall_is_that_of_the_sample(kind: Literal["hnsw", "ivf"], effort: int) -> None:
    draw = np.random.default_rng(0)
    documents = draw.standard_normal((3000, 16)).astype(np.float32)
    queries = draw.standard_normal((40, 16)).astype(np.float32)
    parts = [(np.arange(0, 3000, 2), documents[::2]), (np.arange(1, 3000, 2), documents[1::2])]
    ranking, recall = approximate_top_k(queries, lambda: iter(parts), 10, kind=kind, effort=effort, sample=40)
    exact = top_k(queries, parts, 10)
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(exact.indices, ranking.indices, strict=True)]
    assert recall.recall == pytest.approx(np.mean(shares), abs=0.005)
    assert recall.recall > 0.99 if effort == 1000 else 0.1 < recall.recall <= 1
    assert (np.diff(ranking.scores, axis=1) <= 0).all()


def test_fewer_documents_than_k() -> None:
    ranking, recall = approximate_top_k(np.eye(3, dtype=np.float32), lambda: [(5, np.eye(3, dtype=np.float32))], 6)
    assert ranking.indices[1].tolist() == [6, 5, 7, -1, -1, -1]
    assert recall.recall == 1
