"""The approximate search says how much it missed."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest

from builders.cli.errors import UserError
from builders.retrieval.approximate import approximate_top_k
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.topk import top_k
from tests.retrieval.making import allowed, brute_force

faiss = pytest.importorskip("faiss")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Where the cores are busy, threads wait for each other: 30 s for what one does in half a second."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


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


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
@pytest.mark.parametrize("grouped", [True, False])
def test_with_all_effort_it_is_exact_under_a_restriction(kind: Literal["hnsw", "ivf"], grouped: bool) -> None:
    draw = np.random.default_rng(3)
    documents = draw.standard_normal((900, 12)).astype(np.float32)
    queries = draw.standard_normal((60, 12)).astype(np.float32)
    numbers = draw.permutation(900)
    # Group 2 has 3 documents, group 3 has none, a query of group -1 is given nothing.
    groups = draw.choice([-1, 0, 1], 900)
    groups[:3] = 2
    restriction = Restriction(groups, draw.integers(-1, 4, 60) if grouped else None)
    parts = [(numbers[:500], documents[:500]), (numbers[500:], documents[500:])]
    found, recall = approximate_top_k(queries, lambda: iter(parts), 10, restriction=restriction, kind=kind, effort=900)
    exact = brute_force(queries, documents, 10, numbers, restriction)
    assert (found.indices == exact.indices).mean() > 0.999
    assert found.scores == pytest.approx(exact.scores, abs=2e-6)
    assert recall.recall == pytest.approx(1, abs=1e-3)
    assert sorted(recall.by_group) == ([0, 1, 2, 3] if grouped else [])


def test_a_group_with_bad_recall_is_seen() -> None:
    """Group 5 is too small for more than one list; of those of group 7, one is looked into."""
    draw = np.random.default_rng(4)
    documents = draw.standard_normal((3260, 16)).astype(np.float32)
    restriction = Restriction(np.repeat([5, 7], [60, 3200]), np.repeat([5, 7], [30, 90]))
    queries = draw.standard_normal((120, 16)).astype(np.float32)
    found, recall = approximate_top_k(
        queries, lambda: [(0, documents)], 10, restriction=restriction, kind="ivf", effort=1, sample=200
    )
    exact = top_k(queries, [(0, documents)], 10, restriction=restriction)
    right = (found.scores >= exact.scores[:, -1:] - 2e-6).mean(axis=1)
    assert recall.queries == 120 and recall.recall == pytest.approx(right.mean(), abs=1e-6)
    assert recall.by_group[7] == pytest.approx(right[30:].mean(), abs=1e-6) and recall.by_group[7] < 0.5
    assert recall.by_group[5] == 1
    for row, indices in enumerate(found.indices):
        assert all(allowed(restriction, row, int(index)) for index in indices if index >= 0)
    _, fewer = approximate_top_k(
        queries, lambda: [(0, documents)], 10, restriction=restriction, kind="ivf", effort=1, sample=20
    )
    assert fewer.queries == 20 and set(fewer.by_group) == {5, 7}


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_bad_vectors_and_no_documents(kind: Literal["hnsw", "ivf"]) -> None:
    bad = np.ones((6, 4), np.float32)
    bad[[2, 5], 1] = np.nan
    good = np.eye(4, dtype=np.float32)
    with pytest.raises(UserError, match=r"2 of 6 document vectors .*the first at 12, 15\)"):
        approximate_top_k(good, lambda: [(10, bad)], 2, kind=kind)
    with pytest.raises(UserError, match=r"2 of 6 query vectors .*the first at 2, 5\)"):
        approximate_top_k(bad, lambda: [(0, good)], 2, kind=kind)
    with pytest.raises(UserError, match="queries have 4 dimensions"):
        approximate_top_k(good, lambda: [(0, np.ones((2, 5), np.float32))], 2, kind=kind)
    nothing = approximate_top_k(good, lambda: [], 2, kind=kind)[0]
    assert nothing.found().tolist() == [0, 0, 0, 0]
