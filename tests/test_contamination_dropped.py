"""Triplets without the rows that overlap: their causes, where they are followed to, and the facts for the card."""

import json
import re
from pathlib import Path

import pytest

from builders.contamination import Contamination, main
from builders.export import Export, export
from builders.quality.overlaps import contamination_facts
from builders.store.differences import diff
from builders.store.lineage import chain, find_row
from builders.store.schemas import first_fault
from builders.store.versions import Version, all_versions, find_version
from tests.making import rejected_of, rows_of, snapshot
from tests.quality.comparing import compare, one_triplet, overlaps
from tests.quality.planting import DOCUMENTS, QUERIES, Made, beir, training


@pytest.fixture
def made(tmp_path: Path) -> Made:
    beir(tmp_path / "small")
    return training(tmp_path / "data")


def test_dropped_rows_are_rejected_with_their_cause(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert main(Contamination((str(made.triplets),), (str(tmp_path / "small"),), data, "drop")) is None
    out = capsys.readouterr().out
    clean = find_version(data, Path(out.strip()).name)
    found = find_version(data, "contamination")
    assert out == f"{clean.folder}\n"
    assert [str(v) for v in clean.inputs()] == [str(made.triplets), str(found)]
    bad = {(kind, row_id) for kind, row_id, _, _ in overlaps(found)}
    rows = {row["triplet_id"]: row for row in rows_of(made.triplets)}
    contaminated = {
        i
        for i, row in rows.items()
        if {("query", row["query_id"]), *(("positive", p) for p in row["positive_ids"])} & bad
    }
    assert 15 < len(contaminated) < len(rows) - 20
    assert {row["triplet_id"]: row for row in rows_of(clean)} == {
        i: r for i, r in rows.items() if i not in contaminated
    }
    texts = {row["query_id"]: row["text"] for row in rows_of(find_version(data, "queries"))}
    rejected = rejected_of(clean)
    assert {row["row_id"] for row in rejected} == contaminated
    for row in rejected:
        assert first_fault("rejection", row) is None
        assert (row["reason"], row["raw"]) == ("contaminated", texts[rows[row["row_id"]]["query_id"]])
        told = re.fullmatch(
            r"its (\w+) (\S+) overlaps the (\w+) (\S+) of small \((\w+), [\d.]+\)( and \d+ more)?", row["detail"]
        )
        assert told and overlaps(found)[told.group(1), told.group(2), told.group(3), told.group(4)] == told.group(5)
    assert clean.manifest["counts"]["positives"] == 2 * len(rows_of(clean))
    before = snapshot(data)
    main(Contamination((str(made.triplets),), (str(tmp_path / "small"),), data, "drop"))
    assert snapshot(data) == before


def dropped(made: Made) -> Version:
    data = made.triplets.folder.parent.parent
    main(Contamination((str(made.triplets),), (str(data.parent / "small"),), data, "drop"))
    return [v for v in all_versions(data) if v.table == "triplets"][-1]


def test_dropped_rows_and_overlaps_are_followed_to_their_chunks(made: Made, tmp_path: Path) -> None:
    data, clean = tmp_path / "data", dropped(made)
    row = rejected_of(clean)[0]
    found = find_row(data, row["row_id"])
    assert [(str(f.version), f.rejected) for f in found] == [(str(clean), True), (str(made.triplets), False)]
    links = chain(found[0])
    assert [link.version.table for link in links] == ["triplets", "triplets", "queries", "chunks"]
    assert (links[1].row["triplet_id"], links[2].row["text"]) == (row["row_id"], row["raw"])
    kept = rows_of(clean)[0]
    assert [link.version.table for link in chain(find_row(data, kept["triplet_id"])[0])] == [
        "triplets",
        "queries",
        "chunks",
    ]
    for kind, tables in (("query", ["queries", "chunks"]), ("positive", ["chunks"])):
        overlap = next(r for r in rows_of(find_version(data, "contamination")) if r["kind"] == kind)
        links = chain(find_row(data, overlap["overlap_id"])[0])
        assert [link.version.table for link in links][: 1 + len(tables)] == ["contamination", *tables]
        assert overlap["row_id"] in links[1].row.values()


def test_the_difference_is_told_by_its_cause(made: Made) -> None:
    clean = dropped(made)
    difference = diff(made.triplets, clean)
    assert {kind for kind, _ in difference.rows} == {("dropped")}
    assert list(difference.rows) == [("dropped", "config")]
    assert sorted(difference.rows["dropped", "config"]) == sorted(row["row_id"] for row in rejected_of(clean))
    assert difference.same == len(rows_of(clean))


def test_what_is_left_is_exported(made: Made, tmp_path: Path) -> None:
    clean = dropped(made)
    out = tmp_path / "out"
    assert export(Export((str(clean),), "flagembedding", out, tmp_path / "data")) == out
    written_rows = [json.loads(line) for line in (out / "train/rows.jsonl").read_text().splitlines()]
    texts = {row["query_id"]: row["text"] for row in rows_of(find_version(tmp_path / "data", "queries"))}
    assert [row["query"] for row in written_rows] == [texts[row["query_id"]] for row in rows_of(clean)]


def test_nothing_may_be_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beir(tmp_path / "small")
    clean = dropped(Made(one_triplet(tmp_path / "data", "short", QUERIES["q3"]), {}))
    assert (rows_of(clean), len(rejected_of(clean))) == ([], 1)
    assert "Warning: nothing of triplets/" in capsys.readouterr().err


def test_facts_are_counted_by_set_kind_role_and_match(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    version = compare(made)
    facts = contamination_facts(version)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["version"], facts["policy"]) == (str(version), "flag")
    assert facts["sets"] == [{"name": "small", "queries": len(QUERIES), "documents": len(DOCUMENTS) - 1}]
    assert facts["examined"] == {
        kind: version.manifest["counts"][f"examined:{kind}"] for kind in ("queries", "positives")
    }
    rows = rows_of(version)
    for one in facts["overlaps"]:
        texts = {r["row_id"] for r in rows if all(r[name] == one[name] for name in ("set", "kind", "role", "match"))}
        held = [
            r["triplet_id"]
            for r in rows_of(made.triplets)
            if texts & ({r["query_id"]} if one["kind"] == "query" else set(r["positive_ids"]))
        ]
        assert (one["texts"], one["rows"]) == (len(texts), len(held))
        assert one["texts"] >= one["rows"] > 0
    texts = {(r["kind"], r["row_id"]) for r in rows}
    assert facts["rows"] == sum(
        ("query", r["query_id"]) in texts or any(("positive", one) in texts for one in r["positive_ids"])
        for r in rows_of(made.triplets)
    )
    assert facts["rows"] < sum(one["rows"] for one in facts["overlaps"])
    assert len(facts["overlaps"]) >= 6
    told = capsys.readouterr().err
    assert re.search(
        r"against small: 41 documents and 42 queries, 1 of them under 8 words: found as exact copies", told
    )
    assert re.search(r"examined \d+ queries \(\d+ under 8 words\), \d+ positives\n", told)
    assert re.search(r" 2 queries +are copies of queries of small, in 2 rows|3 queries +are copies of queries", told)
    clean = dropped(made)
    assert contamination_facts(version)["policy"] == "drop"
    assert contamination_facts(version, [made.triplets])["policy"] == "flag"
    assert contamination_facts(version, [clean])["policy"] == "drop"
