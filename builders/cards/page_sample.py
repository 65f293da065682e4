"""Which rows of the triplets stand on the page: drawn so that every method, language and source is seen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

Stratum = tuple[str, str, str]  # method, language, source
SEED = 0
STRATA = ("method", "language", "source")


def fair_shares(counts: Mapping[Stratum, int], rows: int) -> dict[Stratum, int]:
    """As many of each stratum, and what a small one cannot give is shared among the larger ones."""
    shares, left = {}, rows
    ordered = sorted(counts, key=lambda stratum: (counts[stratum], stratum))
    for number, stratum in enumerate(ordered):
        shares[stratum] = min(counts[stratum], left // (len(ordered) - number))
        left -= shares[stratum]
    return shares


def draw(db: "duckdb.DuckDBPyConnection", counts: Mapping[Stratum, int], rows: int) -> list[tuple[str, str]]:
    """(version, triplet_id) of at most `rows` rows of the view `triplets`: of each stratum those whose seeded hash is
    smallest, so a smaller draw is a part of a larger one.

    In memory is no more than a share of each stratum.
    """
    shares = fair_shares(counts, rows)
    most = max(shares.values(), default=0)
    if not most:
        return []
    drawn = db.execute(
        f"""
        SELECT method, language, source,
               arg_min({{'version': version, 'id': triplet_id}}, md5_number_lower($seed || triplet_id), {most:d})
        FROM triplets GROUP BY ALL
        """,  # noqa: S608 (a number)
        {"seed": str(SEED)},
    ).fetchall()
    return sorted((row["version"], row["id"]) for *stratum, found in drawn for row in found[: shares[_three(stratum)]])


def count_strata(db: "duckdb.DuckDBPyConnection") -> dict[Stratum, int]:
    """{stratum: rows of the view `triplets`}."""
    found = db.execute("SELECT method, language, source, count(*) FROM triplets GROUP BY ALL ORDER BY ALL").fetchall()
    return {_three(stratum): count for *stratum, count in found}


def _three(stratum: Sequence[str]) -> Stratum:
    method, language, source = stratum
    return method, language, source
