"""What retrievers and judges did with queries: own chunks found, scores by rank, agreement."""

from typing import Any

from builders.cards.rows import Rows
from builders.store.version_sets import VersionSet

# Scores are told down to this rank.
DEEPEST = 100
BANDS = ("1", "2..5", "6..10", "11..50", "51..", "not found")


def retrieval_facts(rows: Rows, versions: VersionSet) -> list[dict[str, Any]]:
    """Shares of queries whose own chunk is first, among the first 10 and among the first 50, by language."""
    query = """
        SELECT retriever, method, language, count(*),
            count(*) FILTER (own_rank = 1), count(*) FILTER (own_rank <= 10), count(*) FILTER (own_rank <= 50)
        FROM rows GROUP BY ALL ORDER BY ALL
    """
    return [
        {
            "version": version.name,
            "retriever": retriever,
            "method": method,
            "language": language,
            "queries": queries,
            **{
                name: round(found / queries, 6) for name, found in zip(("first", "in_10", "in_50"), shares, strict=True)
            },
        }
        for version in versions.of("candidates")
        for retriever, method, language, queries, *shares in rows.ask([version], query)
    ]


def own_rank_facts(rows: Rows, versions: VersionSet) -> list[dict[str, Any]]:
    query = """
        SELECT method, CASE WHEN own_rank IS NULL THEN 'not found' WHEN own_rank = 1 THEN '1'
            WHEN own_rank <= 5 THEN '2..5' WHEN own_rank <= 10 THEN '6..10' WHEN own_rank <= 50 THEN '11..50'
            ELSE '51..' END AS band, count(*)
        FROM rows GROUP BY ALL
    """
    facts = []
    for version in versions.of("candidates"):
        counts = {(method, band): count for method, band, count in rows.ask([version], query)}
        facts += [
            {"version": version.name, "method": method, "band": band, "queries": counts[method, band]}
            for method in sorted({method for method, _ in counts})
            for band in BANDS
            if (method, band) in counts
        ]
    return facts


def score_facts(rows: Rows, versions: VersionSet) -> list[dict[str, Any]]:
    """Percentiles of the scores at each rank, to three significant digits.

    Scores are counted at that precision, so that DuckDB holds some hundred values a rank and not every row's: exact to
    the digit, the same in every run, and bounded for any number of queries.
    """
    query = f"""
        SELECT retriever, method, rank, min(score) FILTER (below >= 0.1 * total),
            min(score) FILTER (below >= 0.5 * total), min(score) FILTER (below >= 0.9 * total)
        FROM (
            SELECT retriever, method, rank, score,
                sum(queries) OVER (PARTITION BY retriever, method, rank ORDER BY score) AS below,
                sum(queries) OVER (PARTITION BY retriever, method, rank) AS total
            FROM (
                SELECT retriever, method, rank, CASE WHEN raw = 0 THEN 0
                    ELSE round(raw, 2 - floor(log10(abs(raw)))::INTEGER) END AS score, count(*) AS queries
                FROM (
                    SELECT retriever, method, unnest(scores[:{DEEPEST}]) AS raw,
                        generate_subscripts(scores[:{DEEPEST}], 1) AS rank
                    FROM rows
                ) GROUP BY ALL
            )
        ) GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 (a constant)
    return [
        dict(zip(("version", "retriever", "method", "rank", "p10", "p50", "p90"), (version.name, *row), strict=True))
        for version in versions.of("candidates")
        for row in rows.ask([version], query)
    ]


def agreement_facts(rows: Rows, versions: VersionSet) -> list[dict[str, Any]]:
    """How far a judge agrees with itself when asked again; null where it was asked once."""
    query = """
        SELECT preference_method, model, count(*), round(avg(rank_agreement), 4), round(avg(first_agreement), 4)
        FROM rows GROUP BY ALL ORDER BY ALL
    """
    names = ("version", "preference_method", "model", "queries", "rank_agreement", "first_agreement")
    return [
        dict(zip(names, (version.name, *row), strict=True))
        for version in versions.of("preferences")
        for row in rows.ask([version], query)
    ]
