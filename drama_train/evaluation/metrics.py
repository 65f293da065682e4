"""nDCG@10, recall@100, MRR@10 and accuracy@1 of each query, as trec_eval defines them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = ("ndcg_at_10", "recall_at_100", "mrr_at_10", "accuracy_at_1")


def query_metrics(
    rankings: Mapping[str, Sequence[str]], judgements: Mapping[str, Mapping[str, int]]
) -> "dict[str, NDArray[Any]]":
    """{metric: (Q,) values}, in the order of `judgements`.

    rankings: {query: documents, best first, each once}; a query that is not there found nothing. judgements: {query:
    {document: grade}}, relevant above 0. A query without a relevant document is refused with ValueError: it has no
    nDCG.
    """
    import numpy as np

    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for query, grades in judgements.items():
        relevant = {document: grade for document, grade in grades.items() if grade > 0}
        if not relevant:
            raise ValueError(f"the query {query} has no relevant document")
        gains = [relevant.get(document, 0) for document in rankings.get(query, ())]
        found["ndcg_at_10"].append(_dcg(gains[:10]) / _dcg(sorted(relevant.values(), reverse=True)[:10]))
        found["recall_at_100"].append(sum(gain > 0 for gain in gains[:100]) / len(relevant))
        first = next((rank for rank, gain in enumerate(gains[:10], 1) if gain), None)
        found["mrr_at_10"].append(1 / first if first else 0.0)
        found["accuracy_at_1"].append(float(first == 1))
    return {name: np.array(values) for name, values in found.items()}


def _dcg(gains: Sequence[int]) -> float:
    """The grades divided by log2(rank + 1), linear in the grade as in trec_eval."""
    from math import log2

    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, 1))
