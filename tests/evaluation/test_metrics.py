"""The metrics: by hand, and equal to pytrec_eval's on random rankings."""

import math
import random
from typing import Any

import numpy as np
import pytest

from drama_train.evaluation.intervals import bootstrap
from drama_train.evaluation.metrics import METRICS, query_metrics


def test_by_hand() -> None:
    found = query_metrics({"q": ["x", "a", "y", "b"]}, {"q": {"a": 1, "b": 2, "c": 1, "x": 0}})
    best = 2 + 1 / math.log2(3) + 1 / 2
    assert found["ndcg_at_10"][0] == pytest.approx((1 / math.log2(3) + 2 / math.log2(5)) / best)
    assert found["recall_at_100"][0] == pytest.approx(2 / 3)
    assert found["mrr_at_10"][0] == 0.5


def test_a_query_that_found_nothing_scores_zero_and_one_without_truth_is_refused() -> None:
    assert all(values.tolist() == [0.0] for values in query_metrics({}, {"q": {"a": 1}}).values())
    with pytest.raises(ValueError, match="query q has no relevant"):
        query_metrics({"q": ["a"]}, {"q": {"a": 0}})


def _case(seed: int) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    draw = random.Random(seed)
    documents = [f"d{n}" for n in range(300)]
    rankings, judgements = {}, {}
    for number in range(12):
        grades = {one: draw.choice([0, 1, 1, 2, 3]) for one in draw.sample(documents, draw.randint(1, 30))}
        grades[draw.choice(documents)] = 1
        judgements[f"q{number}"] = grades
        if number:  # one query found nothing
            rankings[f"q{number}"] = draw.sample(documents, draw.randint(1, 250))
    return rankings, judgements


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_pytrec_eval(seed: int) -> None:
    import pytrec_eval

    rankings, judgements = _case(seed)
    run = {query: {one: 1.0 / rank for rank, one in enumerate(found, 1)} for query, found in rankings.items()}
    oracle = pytrec_eval.RelevanceEvaluator(
        judgements, {"ndcg_cut.10", "recall.100", "recip_rank", "success.1"}
    ).evaluate(run)
    found = query_metrics(rankings, judgements)
    names = {"ndcg_at_10": "ndcg_cut_10", "recall_at_100": "recall_100", "accuracy_at_1": "success_1"}
    assert set(names) | {"mrr_at_10"} == set(METRICS)
    for at, query in enumerate(judgements):
        expected: dict[str, Any] = oracle.get(
            query, {"ndcg_cut_10": 0.0, "recall_100": 0.0, "recip_rank": 0.0, "success_1": 0.0}
        )
        for ours, theirs in names.items():
            assert found[ours][at] == pytest.approx(expected[theirs])
        first_ten = expected["recip_rank"] if expected["recip_rank"] >= 0.1 else 0.0  # theirs looks at all ranks
        assert found["mrr_at_10"][at] == pytest.approx(first_ten)


def test_the_interval_covers_the_mean_of_a_normal_sample_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    covered = [(i := bootstrap(draw.normal(0.3, 1, 80), seed)).low <= 0.3 <= i.high for seed in range(60)]
    assert 0.87 <= np.mean(covered) <= 1.0


def test_a_paired_difference_is_narrower_than_that_of_two_means() -> None:
    draw = np.random.default_rng(1)
    easy = draw.normal(0, 1, 200)  # how hard each query is, for both systems
    one, other = easy + draw.normal(0.1, 0.1, 200), easy + draw.normal(0, 0.1, 200)
    paired, alone = bootstrap(one - other), bootstrap(one)
    assert paired.is_resolved
    assert not alone.is_resolved
    assert paired.high - paired.low < (alone.high - alone.low) / 3
