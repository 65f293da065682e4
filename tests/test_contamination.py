"""triplets x evaluation sets: every planted copy is found and none invented, with texts or packs, flagged or dropped."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from builders import contamination
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.contamination import Contamination, main
from builders.export import Export, export
from builders.quality import hash_packs, overlap_rows, training_texts
from builders.quality.evaluation_sets import open_set
from builders.quality.matching import Thresholds
from builders.quality.overlaps import contamination_facts
from builders.store.differences import diff
from builders.store.lineage import chain, find_row
from builders.store.schemas import first_fault
from builders.store.versions import Version, all_versions, find_version
from tests.exports.making import chunk, query, triplet, written
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot
from tests.quality.planting import DOCUMENTS, QUERIES, Made, beir, text, training


@pytest.fixture
def made(tmp_path: Path) -> Made:
    beir(tmp_path / "small")
    return training(tmp_path / "data")


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


def test_every_planted_copy_is_found_and_none_invented(made: Made) -> None:
    version = compare(made, documents="all")
    found = overlaps(version)
    # an edited copy is found by what is left of its runs, or by its MinHash where too few are
    edited = {key for key, match in made.expected.items() if match == "ngram" and match != found.get(key)}
    assert found | {key: "ngram" for key in edited} == made.expected
    assert all(found[key] == "minhash" for key in edited) and len(edited) < 8
    assert sorted(set(found.values())) == ["exact", "minhash", "ngram"]
    counts = version.manifest["counts"]
    queries = len(rows_of(find_version(made.triplets.folder.parent.parent, "queries")))
    assert (counts["examined:queries"], counts["examined:positives"]) == (queries, 2 * queries)
    assert (counts["set:small:queries"], counts["set:small:documents"]) == (len(QUERIES), len(DOCUMENTS))
    assert [str(v) for v in version.inputs()] == [str(made.triplets)]


def test_shares_are_what_they_say(made: Made) -> None:
    shares = {(r["row_id"], r["evaluation_id"]): r["share"] for r in rows_of(compare(made)) if r["match"] == "ngram"}
    texts = {r["query_id"]: r["text"] for r in rows_of(find_version(made.triplets.folder.parent.parent, "queries"))}
    whole = [share for (row_id, _), share in shares.items() if row_id in texts]
    assert whole == [1.0] * 4  # the shorter text stands in the longer
    assert 0.4 <= min(shares.values()) < 1


def test_a_pack_finds_what_the_texts_do(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_text = compare(made, documents="all")
    pack, folder = tmp_path / "small.parquet", tmp_path / "small"
    assert main(Contamination((), (str(folder),), tmp_path / "data", documents="all", pack=pack)) is None
    assert capsys.readouterr().out == f"{pack}\n"
    files = parquet_bytes(by_text.folder)
    for row in [*rows_of(by_text)[:1], *made.expected]:
        assert row  # there is something to compare
    (tmp_path / "data/contamination").rename(tmp_path / "by_text")
    by_pack = compare(made, pack)
    assert by_pack.name == by_text.name
    assert parquet_bytes(by_pack.folder) == files
    assert by_pack.manifest["counts"] == by_text.manifest["counts"]


def test_a_pack_is_written_once_and_never_over_another(made: Made, tmp_path: Path) -> None:
    pack, folder = tmp_path / "small.parquet", tmp_path / "small"
    config = Contamination((), (str(folder),), tmp_path, pack=pack)
    main(config)
    before = snapshot(tmp_path)
    main(config)
    assert snapshot(tmp_path) == before
    other = beir(tmp_path / "other", documents=DOCUMENTS | {"more": text(1, 9)})
    for sets, documents in (((str(other),), None), ((str(folder),), "all")):
        with pytest.raises(UserError, match=r"small.parquet holds other sets: give another name"):
            main(Contamination((), sets, tmp_path, documents=documents, pack=pack))
    with pytest.raises(UserError, match="is a pack already: make one from the sets themselves"):
        main(Contamination((), (str(pack),), tmp_path, pack=tmp_path / "copy.parquet"))
    with pytest.raises(UserError, match=r"holds the judged-positive documents alone, and --documents asks for all"):
        compare(made, pack, documents="all")
    with pytest.raises(UserError, match="Two sets are called small"):
        compare(made, pack, folder)
    both = rows_of(compare(made, pack, f"other={beir(tmp_path / 'x', {'q': text(9, 9)})}"))  # which judges d0 alone
    assert [r["evaluation_id"] for r in both if r["set"] == "other"] == ["d0"]
    assert len(both) == len(made.expected) + 1


def test_documents_are_compared_where_they_are_wanted(made: Made, tmp_path: Path) -> None:
    queries = {key: match for key, match in made.expected.items() if key[2] == "query"}
    assert overlaps(compare(made, documents="none")) == queries
    main(Contamination((), (str(tmp_path / "small"),), tmp_path, pack=tmp_path / "p.parquet"))
    assert overlaps(compare(made, tmp_path / "p.parquet", documents="none")) == queries
    facts = contamination_facts(compare(made, documents="none"))
    assert facts["sets"] == [{"name": "small", "queries": len(QUERIES), "documents": 0}]


def test_thresholds_decide_and_name_the_version(made: Made) -> None:
    usual = compare(made)
    strict = compare(made, ngram_share=1.0, jaccard=1.0)
    assert strict.name != usual.name
    assert set(overlaps(strict)) < set(overlaps(usual))
    assert {row["share"] for row in rows_of(strict)} == {1.0}


def test_batches_and_pieces_make_no_difference(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = sorted(rows_of(compare(made)), key=str)
    monkeypatch.setattr(training_texts, "BATCH_TEXTS", 50)
    monkeypatch.setattr(hash_packs, "ROWS_AT_ONCE", 9)
    (tmp_path / "data/contamination").rename(tmp_path / "before")
    again = compare(made)
    assert len(again.shards()) > 1
    assert sorted(rows_of(again), key=str) == whole


def test_a_worker_process_makes_the_same(made: Made, tmp_path: Path) -> None:
    pack = hash_packs.write_pack([open_set("small", str(tmp_path / "small"), None)], "all", tmp_path / "p.parquet")
    rows = overlap_rows.OverlapRows(
        training_texts.training_texts([made.triplets]), (pack,), "all", Thresholds(0.4, 0.5)
    )
    sent = pickle.loads(pickle.dumps(rows))  # as it travels to one
    assert len(sent(0).rows) > 30
    assert sent(0).rows == rows(0).rows


def test_a_run_that_was_stopped_goes_on(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = parquet_bytes(compare(made).folder)
    (tmp_path / "data/contamination").rename(tmp_path / "before")
    monkeypatch.setattr(training_texts, "BATCH_TEXTS", 50)
    whole = parquet_bytes(compare(made).folder)
    assert len(whole) > len(files) == 1
    (tmp_path / "data/contamination").rename(tmp_path / "before batches")
    make, packs = overlap_rows.OverlapRows.__call__, []

    def stopping(self: Any, batch: int) -> Any:
        if batch == 1:
            raise KeyboardInterrupt
        return make(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(overlap_rows.OverlapRows, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            compare(made)
    asked: list[int] = []
    monkeypatch.setattr(hash_packs, "write_pack", lambda *_: packs.append("written again"))
    monkeypatch.setattr(
        overlap_rows.OverlapRows, "__call__", lambda self, batch: asked.append(batch) or make(self, batch)
    )
    assert parquet_bytes(compare(made).folder) == whole
    assert (packs, asked[0]) == ([], 1)


def test_the_best_of_many_overlaps_are_kept_and_a_repeated_text_counts_once(tmp_path: Path) -> None:
    shared = text(1, 30)
    given = {f"d{i:02d}": f"{shared} {text(100 + i, 30 - i)}" for i in range(10)} | {
        "again": f"{shared} {text(100, 30)}"
    }
    folder = beir(tmp_path / "small", {"q": text(2, 9), "r": text(3, 9)}, given)
    made = Made(one_triplet(tmp_path / "data", shared), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap_rows, "MOST", 4)
        patch.setattr(overlap_rows, "PAIRS_HELD", 1)
        patch.setattr(hash_packs, "ROWS_AT_ONCE", 2)
        version = compare(made, folder, documents="all")
    assert [row["evaluation_id"] for row in rows_of(version)] == ["again", "d01", "d02", "d03"]
    assert version.manifest["counts"]["overlaps_left_out"] == 6


def one_triplet(data: Path, positive: str, asks: str = "asks") -> Version:
    chunks = written(data, "chunks", "chunk", [[chunk("a", positive), chunk("b", "another")]])
    queries = written(data, "queries", "query", [[query("q", asks)]], [chunks])
    return written(data, "triplets", "triplet", [[triplet("q", ["a"], ["b"])]], [chunks, queries])


def test_texts_that_two_versions_share_are_examined_once(made: Made, tmp_path: Path) -> None:
    data = tmp_path / "data"
    one = one_triplet(data, QUERIES["q3"])
    two = written(data, "triplets", "triplet", [[triplet("q", ["b"], ["a"])]], one.inputs())
    names = tuple(map(str, (one, two, one)))
    found = main(Contamination(names, (str(tmp_path / "small"),), data))
    assert found is not None
    assert [str(v) for v in found.inputs()] == [str(one), str(two)]
    assert found.manifest["counts"]["examined:queries"] == 1
    assert found.manifest["counts"]["examined:positives"] == 2
    assert [row["row_id"] for row in rows_of(found)] == ["a"]
    (counted,) = contamination_facts(found)["overlaps"]
    assert (counted["texts"], counted["rows"]) == (1, 1)


def test_one_id_with_two_texts_is_refused(tmp_path: Path) -> None:
    beir(tmp_path / "small")
    data = tmp_path / "data"
    chunks = [
        written(data, "chunks", "chunk", [[chunk("a", t) | {"normalised_text_hash": h * 32}]]) for t, h in ("x1", "y2")
    ]
    versions = []
    for one in chunks:
        queries = written(data, "queries", "query", [[query("q", "asks")]], [one])
        versions.append(str(written(data, "triplets", "triplet", [[triplet("q", ["a"], ["b"])]], [one, queries])))
    with pytest.raises(UserError, match=r"a is one text in chunks/\w+ and another in an earlier version"):
        main(Contamination(tuple(versions), (str(tmp_path / "small"),), data))


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


def test_a_rehearsal_writes_nothing(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(tmp_path)
    config = Contamination((str(made.triplets),), (str(tmp_path / "small"),), tmp_path / "data", dry_run=True)
    assert main(config) is None
    assert snapshot(tmp_path) == before
    told = capsys.readouterr()
    assert told.out == ""
    assert "would examine" in told.err and "against small: 42 queries, 41 of 42 documents judged positive" in told.err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "--against names no evaluation set"),
        (["--against", "nowhere"], 2, "The evaluation set nowhere is not there"),
        (["--against", "small", "small"], 2, "Two sets are called small"),
        (["--against", "small", "--ngram-share", "1.5"], 2, "--ngram-share 1.5 is not a share"),
        (["--against", "small", "--processes", "0"], 2, "--processes 0 does nothing"),
        (["--against", "small", "--pack", "small"], 2, "--pack small is no name of a pack"),
        (["triplets", "--against", "small", "--pack", "p.parquet"], 2, "leave out triplets"),
        (["chunks", "--against", "small"], 2, "chunks is a version of chunks, and triplets is needed"),
        (["--against", "broken"], 1, "The evaluation set broken cannot be read at queries.jsonl row 1"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str],
    status: int,
    told: str,
    made: Made,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (beir(tmp_path / "broken") / "queries.jsonl").write_text("{\n")
    if arguments[:1] == ["chunks"]:
        arguments = [str(made.triplets.inputs()[1]), *arguments[1:]]
        told = told.replace("chunks", arguments[0], 1)
    capsys.readouterr()
    try:
        ended = run(Contamination, contamination.main, arguments)
    except UserError as fault:
        pytest.fail(f"not caught: {fault}")
    err = capsys.readouterr().err
    assert (ended, told in err, "Traceback" in err) == (status, True, False), err
