"""Distributions of lengths, negatives and rejections: what a reader looks at before trusting rows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from builders.cards.histograms import series_of
from builders.cards.ranks import agreement_facts, own_rank_facts, score_facts
from builders.cards.released import Released
from builders.cards.rows import Rows
from builders.cards.stages import rejection_facts
from builders.store.versions import Version

# Languages written without spaces, whose queries are measured in characters.
UNSPACED = ("zh", "ja", "th")
QUERY_LENGTH = f"""
    CASE WHEN language IN {UNSPACED} THEN length(regexp_replace(text, '\\s', '', 'g'))
    ELSE len(list_filter(regexp_split_to_array(text, '\\s+'), lambda word: word <> '')) END
"""


def distribution_facts(rows: Rows, given: Released) -> dict[str, Any]:
    return {
        "query_words": {"unit": "words", "series": _series(rows, given.queries, "method", QUERY_LENGTH)},
        "chunk_tokens": {"unit": "tokens", "series": _series(rows, given.chunks, "source", "tokens")},
        "negatives": {
            "unit": "negatives a row",
            "series": _series(rows, given.triplets, "method", "len(negative_ids)"),
        },
        "score_by_rank": score_facts(rows, given.versions),
        "own_rank": own_rank_facts(rows, given.versions),
        "rejections": rejection_facts(rows, given.versions),
        "agreement": agreement_facts(rows, given.versions),
    }


def _series(rows: Rows, versions: Sequence[Version], name: str, value: str) -> list[dict[str, Any]]:
    """DuckDB counts each value; no more than the different values leave it."""
    query = f'SELECT "{name}", {value} AS value, count(*) FROM rows GROUP BY ALL'  # noqa: S608 (columns of a schema)
    counted: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for series, found, count in rows.ask(versions, query):
        counted[series][found] = count
    return series_of(counted)
