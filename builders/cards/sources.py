"""What a release holds by source, language and method."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from builders.cards.released import Released
from builders.cards.rows import Rows
from builders.store.versions import Version

KINDS = ("chunks", "queries", "triplets")


def language_facts(rows: Rows, given: Released) -> list[dict[str, Any]]:
    """Rows of each kind by language, the language of most chunks first."""
    counts = {kind: _counts(rows, getattr(given, kind), "language") for kind in KINDS}
    codes = sorted({code for found in counts.values() for code in found})
    facts = [{"code": code, **{kind: counts[kind][code] for kind in KINDS}} for code in codes]
    return sorted(facts, key=lambda row: tuple(-row[kind] for kind in KINDS))


def source_facts(rows: Rows, given: Released, licences: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of each kind by source; documents are those of which a chunk is left."""
    counts = {kind: _counts(rows, getattr(given, kind), "source") for kind in KINDS}
    documents = dict(rows.ask(given.chunks, "SELECT source, count(DISTINCT document_id) FROM rows GROUP BY source"))
    names = sorted({name for found in counts.values() for name in found})
    return [
        {
            "name": name,
            "licences": sorted({one["licence"] for one in licences.get(name, [])}),
            "stated": licences.get(name, []),
            "documents": documents.get(name, 0),
            **{kind: counts[kind][name] for kind in KINDS},
        }
        for name in names
    ]


def method_facts(rows: Rows, given: Released) -> list[dict[str, Any]]:
    """Queries, training rows and their chunks by method. Rows of method rerank have queries of another method."""
    queries, triplets = (_counts(rows, found, "method") for found in (given.queries, given.triplets))
    chosen = {side: _counts(rows, given.triplets, "method", f"len({side}_ids)") for side in ("positive", "negative")}
    return [
        {
            "name": name,
            "queries": queries[name],
            "triplets": triplets[name],
            "positives": chosen["positive"][name],
            "negatives": chosen["negative"][name],
        }
        for name in sorted({*queries, *triplets})
    ]


def _counts(rows: Rows, versions: list[Version], column: str, each: str = "1") -> Counter[str]:
    """Rows by the value of a column, or the sum of `each`."""
    query = f'SELECT "{column}", sum({each})::BIGINT FROM rows GROUP BY ALL'  # noqa: S608 (columns of a schema)
    return Counter(dict(rows.ask(versions, query)))
