"""Scores: a perfect retriever, one at chance, means over languages, pairs; and a real retriever's, by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drama_train.evaluation.intervals import bootstrap, bootstrap_columns
from drama_train.evaluation.metrics import METRICS
from drama_train.evaluation.scoring import Scores, heldout_scores, retriever_scores, score, scores_of
from drama_train.retriever import load_retriever
from tests.evaluation.making import make_set, vectors
from tests.llm.tiny_llama import one_thread, write_tiny_llama


def test_a_planted_perfect_retriever_scores_one_and_a_shuffled_one_is_near_chance() -> None:
    searched = make_set(1, queries=300, documents=900)
    searched = replace(searched, judgements={q: dict.fromkeys(list(g)[:1], 1) for q, g in searched.judgements.items()})
    places = {document: at for at, document in enumerate(searched.documents)}
    documents = vectors(900, 64, 2)
    answers = np.stack([documents[places[next(iter(found))]] for found in searched.judgements.values()])
    perfect = score(searched, answers, documents)
    assert {metric: perfect.mean(metric) for metric in METRICS} == dict.fromkeys(METRICS, 1.0)
    shuffled = score(searched, np.random.default_rng(3).permutation(answers), documents)
    # 300 documents a pool: 100 of them are found by chance, and one in 300 first
    assert 0.25 < shuffled.mean("recall_at_100") < 0.42
    assert shuffled.mean("accuracy_at_1") < 0.03
    assert shuffled.mean("ndcg_at_10") < 0.04
    difference = perfect.difference(shuffled, "ndcg_at_10")
    assert difference.is_resolved and difference.mean > 0.9


def test_every_language_counts_the_same_and_is_drawn_by_itself() -> None:
    languages = ["en"] * 8 + ["de"] * 2
    values = np.array([1.0] * 8 + [0.0, 1.0])
    scores = Scores([str(n) for n in range(10)], languages, {"ndcg_at_10": values})
    assert scores.mean("ndcg_at_10") == pytest.approx((1 + 0.5) / 2)
    found = scores.interval("ndcg_at_10")
    assert (found.mean, found.low, found.high) == pytest.approx((0.75, 0.5, 1.0))  # English ones are all alike
    assert {name: one.mean for name, one in scores.by_language("ndcg_at_10").items()} == {"de": 0.5, "en": 1.0}
    with pytest.raises(ValueError, match="not scores of the same queries"):
        scores.difference(replace(scores, queries=["x"] * 10), "ndcg_at_10")


@pytest.mark.parametrize(("german", "is_resolved"), [(1, False), (2, True)])
def test_no_difference_is_resolved_where_a_language_has_one_query(german: int, is_resolved: bool) -> None:
    """It is half of the mean, and what another query would do to it is not known."""
    languages = ["en"] * 20 + ["de"] * german
    values = np.random.default_rng(0).random(len(languages)) / 10 + 0.2
    other = Scores(list(map(str, range(len(values)))), languages, {"ndcg_at_10": np.zeros(len(values))})
    found = replace(other, values={"ndcg_at_10": values}).difference(other, "ndcg_at_10")
    assert found.low > 0 and found.is_resolved is is_resolved


def test_the_columns_of_a_bootstrap_are_bootstraps() -> None:
    values = np.random.default_rng(0).random((90, 3))
    strata = ["de", "en", "th"] * 30
    together = bootstrap_columns(values, 5, strata=strata)
    for at, interval in enumerate(together):
        alone = bootstrap(values[:, at], 5, strata=strata)
        assert (interval.mean, interval.low, interval.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert len({interval.mean for interval in together}) == 3


def test_a_retrievers_scores_are_those_of_its_vectors(tmp_path: Path) -> None:
    retriever = load_retriever(str(write_tiny_llama(tmp_path)))
    searched = make_set(2, queries=6, documents=30)
    with one_thread():
        found = heldout_scores(retriever, searched, dims=(32, 500, 8))
        queries = retriever.encode(list(searched.queries.values()), "query")
        documents = retriever.encode(list(searched.documents.values()), "document")
        assert list(retriever_scores(retriever, searched, dims=(8, 32))) == [128, 32, 8]
    assert list(found)[:4] == list(METRICS)
    assert {name.partition("@")[2] for name in list(found)[4:]} == {"32", "8"}
    for dim, ending in ((128, ""), (32, "@32"), (8, "@8")):
        by_hand = score(searched, queries[:, :dim], documents[:, :dim])
        assert found[f"ndcg_at_10{ending}"] == pytest.approx(by_hand.mean("ndcg_at_10"))
    assert 0 < found["ndcg_at_10"] < 1


def test_scores_are_in_the_order_of_the_judgements() -> None:
    searched = make_set(3, queries=4, documents=30)
    rankings = {query: list(found) for query, found in reversed(searched.judgements.items())}
    rankings["q001"] = []
    found = scores_of(searched, rankings)
    assert found.queries == list(searched.judgements)
    assert found.values["accuracy_at_1"].tolist() == [1.0, 0.0, 1.0, 1.0]
