"""triplets x evaluation sets: every planted copy is found and none invented, with texts or packs, flagged or dropped."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from builders import contamination
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.contamination import Contamination, main
from builders.quality import hash_packs, overlap_rows, training_texts
from builders.quality.evaluation_sets import open_set
from builders.quality.matching import Thresholds
from builders.quality.overlaps import contamination_facts
from builders.store.versions import find_version
from tests.exports.making import chunk, query, triplet, written
from tests.making import parquet_bytes, rows_of, snapshot
from tests.quality.comparing import compare, one_triplet, overlaps
from tests.quality.planting import DOCUMENTS, QUERIES, Made, beir, text, training


@pytest.fixture
def made(tmp_path: Path) -> Made:
    beir(tmp_path / "small")
    return training(tmp_path / "data")


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
    assert len(rows_of(by_text)) == len(made.expected)
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
        (["--against", "small", "--pack", "p.parquet", "--policy", "drop"], 2, "leave out --policy drop"),
        (["--against", "name=p.parquet"], 2, "p.parquet has the names of its sets inside: leave out name="),
        (["--against", "p.parquet", "--qrels", "dev"], 2, "--qrels dev chooses nothing in a pack"),
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
