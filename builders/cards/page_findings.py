"""What second opinions and a comparison with evaluation sets found of the rows that stand on the page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from builders.cards.page_tables import scan
from builders.store.version_sets import VersionSet
from builders.store.versions import Version

if TYPE_CHECKING:
    import duckdb


def opinions(db: "duckdb.DuckDBPyConnection", versions: VersionSet) -> dict[int, list[Any]]:
    """{row: [number of a chunk, verdict, [{by, score, relevant} of each]]}."""
    return _by_row(
        db,
        versions.of("opinions"),
        """
        SELECT DISTINCT c.row, p.number, o.verdict,
               list_transform(o.opinions, lambda one: {'by': one.by, 'score': one.score, 'relevant': one.relevant})
        FROM chosen c JOIN found o ON o.triplet_id = c.triplet_id
        JOIN behind k ON k.triplets = c.version AND k.name = 'chunks'
        JOIN page_chunks p ON p.version = k.version AND p.chunk_id = o.chunk_id
        ORDER BY ALL
        """,
    )


def overlaps(db: "duckdb.DuckDBPyConnection", versions: VersionSet) -> dict[int, list[Any]]:
    """{row: [number of a positive, None for the query; set, role and id there; match, share in common]}."""
    return _by_row(
        db,
        versions.of("contamination"),
        """
        SELECT DISTINCT c.row, NULL, o.set, o.role, o.evaluation_id, o.match, o.share
        FROM chosen c JOIN found o ON o.kind = 'query' AND o.row_id = c.query_id
        UNION
        SELECT r.row, p.number, o.set, o.role, o.evaluation_id, o.match, o.share
        FROM refs r JOIN found o ON r.side = 'positive' AND o.kind = 'positive' AND o.row_id = r.chunk_id
        JOIN behind k ON k.triplets = r.triplets AND k.name = 'chunks'
        JOIN page_chunks p ON p.version = k.version AND p.chunk_id = r.chunk_id
        ORDER BY ALL
        """,
    )


def _by_row(db: "duckdb.DuckDBPyConnection", versions: Sequence[Version], query: str) -> dict[int, list[Any]]:
    rows: dict[int, list[Any]] = {}
    if versions:
        db.execute(f"CREATE OR REPLACE TEMP VIEW found AS {scan(versions)}")
        for row, *values in db.execute(query).fetchall():
            rows.setdefault(row, []).append(values)
    return rows
