"""Comparisons of planted training data with the set that the copies are from."""

from pathlib import Path
from typing import Any

from builders.contamination import Contamination, main
from builders.store.schemas import first_fault
from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet, written
from tests.making import rows_of
from tests.quality.planting import Made


def compare(made: Made, *against: object, **settings: Any) -> Version:
    data = made.triplets.folder.parent.parent
    sets = tuple(map(str, against or (data.parent / "small",)))
    found = main(Contamination((str(made.triplets),), sets, data, **settings))
    assert found is not None
    return found


def overlaps(version: Version) -> dict[tuple[str, str, str, str], str]:
    rows = rows_of(version)
    for row in rows:
        assert first_fault("overlap", row) is None
        assert row["overlap_id"] == "{kind}:{row_id}={set}/{role}/{evaluation_id}".format(**row)
        assert (row["source"], row["language"], row["split"], row["set"]) == ("s", "en", "train", "small")
    found = {(row["kind"], row["row_id"], row["role"], row["evaluation_id"]): row["match"] for row in rows}
    assert len(found) == len(rows)
    return found


def one_triplet(data: Path, positive: str, asks: str = "asks") -> Version:
    chunks = written(data, "chunks", "chunk", [[chunk("a", positive), chunk("b", "another")]])
    queries = written(data, "queries", "query", [[query("q", asks)]], [chunks])
    return written(data, "triplets", "triplet", [[triplet("q", ["a"], ["b"])]], [chunks, queries])
