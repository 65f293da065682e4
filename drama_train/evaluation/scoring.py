"""The metrics of a system on a set, query by query, and their means and intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drama_train.evaluation.intervals import Interval, bootstrap, rows_by_stratum
from drama_train.evaluation.metrics import METRICS, query_metrics
from drama_train.evaluation.search import Rankings, document_numbers, vector_rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drama_train.evaluation.sets import EvaluationSet
    from drama_train.retriever import Retriever


@dataclass(frozen=True)
class Scores:
    """Each query's id and language, and {metric: (Q,) values}, in that order."""

    queries: Sequence[str]
    languages: Sequence[str]
    values: "Mapping[str, NDArray[Any]]"

    def mean(self, metric: str) -> float:
        """The mean over languages of each language's mean, as for MIRACL; of one language, the mean over queries."""
        rows = rows_by_stratum(self.languages, len(self.queries))
        return float(sum(self.values[metric][of_one].mean() for of_one in rows) / len(rows))

    def interval(self, metric: str) -> Interval:
        """That mean and its 95% interval, queries drawn within their language."""
        return bootstrap(self.values[metric], strata=self.languages)

    def difference(self, other: "Scores", metric: str) -> Interval:
        """How much higher it is than the other's, paired by query. ValueError where the queries are not the same."""
        if list(self.queries) != list(other.queries):
            raise ValueError("the two are not scores of the same queries")
        return bootstrap(self.values[metric] - other.values[metric], strata=self.languages)

    def by_language(self, metric: str) -> dict[str, Interval]:
        """The mean over the queries of each language, with its interval."""
        names = sorted(set(self.languages))
        rows = rows_by_stratum(self.languages, len(self.queries))
        return {name: bootstrap(self.values[metric][of_one]) for name, of_one in zip(names, rows, strict=True)}


def scores_of(searched: "EvaluationSet", rankings: Rankings) -> Scores:
    """The scores of what was found, in the order of the set's judgements."""
    asked = list(searched.judgements)
    values = query_metrics(rankings, searched.judgements)
    return Scores(asked, [searched.languages[query] for query in asked], values)


def score(
    searched: "EvaluationSet",
    queries: "NDArray[Any]",
    documents: "NDArray[Any]",
    dim: int | None = None,
    device: str = "cpu",
) -> Scores:
    """(Q, D) and (N, D) vectors, in the order of the set's queries and documents, cut to `dim` numbers and searched."""
    _, numbers = document_numbers(searched)
    return scores_of(searched, vector_rankings(searched, queries, [(numbers, documents)], dim, device))


def retriever_scores(retriever: "Retriever", searched: "EvaluationSet", dims: Sequence[int] = ()) -> dict[int, Scores]:
    """{dimension: scores}: of the whole vector first, then of each of `dims` that is shorter. All in memory."""
    queries = retriever.encode(list(searched.queries.values()), "query", max_length=searched.max_length)
    documents = retriever.encode(list(searched.documents.values()), "document", max_length=searched.max_length)
    wanted = [retriever.dim, *sorted({dim for dim in dims if dim < retriever.dim}, reverse=True)]
    return {dim: score(searched, queries, documents, dim, str(retriever.device)) for dim in wanted}


def heldout_scores(retriever: "Retriever", searched: "EvaluationSet", dims: Sequence[int] = ()) -> dict[str, float]:
    """{metric: mean} of the whole vector, and {metric@dim: mean} of each shorter one, for a line of a training log."""
    found = retriever_scores(retriever, searched, dims)
    whole = {metric: found[retriever.dim].mean(metric) for metric in METRICS}
    shorter = {f"{m}@{dim}": one.mean(m) for dim, one in found.items() if dim != retriever.dim for m in METRICS}
    return whole | shorter
