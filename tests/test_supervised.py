"""judged data -> queries and judgements: what they hold, what is left out and why, and what a broken run leaves."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import supervised
from builders.cli.command import guarded
from builders.cli.errors import UserError
from builders.store.building import Building, ShardResult
from builders.store.lineage import chain, find_row
from builders.store.versions import Version, all_versions, find_version
from builders.supervised import Supervised
from builders.text.judged import drafts, joining
from tests import judged_sets
from tests.judged_sets import DOCUMENTS, EXPECTED, FORMS, JUDGED, QUERIES, fields, lines
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot

TABLES = ["documents", "signatures", "clusters", "chunks", "judged_rows", "queries", "judgements"]


@pytest.fixture
def config(tmp_path: Path, tokenizer_file: Path) -> Supervised:
    """A BEIR folder with all faults that there are."""
    folder = judged_sets.beir(tmp_path / "sea")
    more = [
        {"_id": "d7", "title": "Winds", "text": "The wind turns to the north before the rain comes.", "lang": "en"},
        {"_id": "digits", "text": "0123456789 " * 30},
        {"_id": "void", "text": "\x07"},
    ]
    append(folder / "corpus.jsonl", more)
    append(
        folder / "queries.jsonl",
        [
            {"_id": "q1", "text": "another text of q1"},
            {"_id": "q5", "text": "When does the FERRY leave?", "lang": "en"},
            {"_id": "mute", "text": "?!"},
            {"_id": "lost", "text": "what do the digits say"},
            {"_id": "against", "text": "is there no answer"},
            {"_id": "elsewhere", "text": "asked in another split"},
            {"_id": "a#b=c", "text": "which way does the wind turn", "lang": "en"},
            {"text": "no id"},
        ],
    )
    with (folder / "qrels" / "train.tsv").open("a") as file:
        for judged in (
            ("q1", "d1", 0),  # judged 1 above
            ("q5", "d1", 1),
            ("q5", "d7", 2),
            ("q5", "d9", 1),
            ("nobody", "d1", 1),
            ("mute", "d1", 1),
            ("lost", "digits", 1),
            ("lost", "void", 1),
            ("against", "d2", 0),
            ("a#b=c", "d7", 1),
            ("q1", "d2", "much"),
        ):
            file.write("\t".join(map(str, judged)) + "\n")
    return Supervised(str(folder), data=tmp_path / "data", tokenizer=str(tokenizer_file))


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def make(config: Supervised, **changes: Any) -> Version:
    made = supervised.main(replace(config, **changes))
    assert made is not None
    return made


def said(judgements: Version) -> set[tuple[str, str, int]]:
    queries, chunks = (find_version(judgements.folder.parent.parent, str(v)) for v in judgements.inputs()[:2])
    asked = {row["query_id"]: row["text"] for row in rows_of(queries)}
    texts = {row["chunk_id"]: row["text"] for row in rows_of(chunks)}
    return {(asked[r["query_id"]], texts[r["chunk_id"]], r["relevance"]) for r in rows_of(judgements)}


@pytest.mark.parametrize("form", ["trec", "passages", "numbered", "triples of texts"])
def test_every_form_makes_the_same_judgements(form: str, tmp_path: Path, tokenizer_file: Path) -> None:
    (tmp_path / "sea").mkdir()
    path = FORMS[form](tmp_path / "sea")
    made = make(Supervised(str(path), name="sea", data=tmp_path / "data", tokenizer=str(tokenizer_file)))
    assert said(made) == EXPECTED
    queries = rows_of(made.inputs()[0])
    assert {row["method"] for row in queries} == {"supervised"}
    first = {QUERIES[q]: DOCUMENTS[min(positives)] for q, (positives, _) in JUDGED.items()}
    texts = {row["chunk_id"]: row["text"] for row in rows_of(made.inputs()[1])}
    if form in ("trec", "passages"):  # the ids are those of the data set
        assert {row["text"]: texts[row["chunk_id"]] for row in queries} == first
        assert {row["query_id"] for row in queries} == {f"sea/{q}~supervised0" for q in QUERIES}
    assert made.manifest["rows"]["rejected"] == 0


def test_rows_are_whole_and_say_what_they_are_of(config: Supervised) -> None:
    made = make(config)
    queries = {row["query_id"]: row for row in rows_of(made.inputs()[0])}
    chunks = {row["chunk_id"]: row for row in rows_of(made.inputs()[1])}
    judged = {row["judgement_id"]: row for row in rows_of(made)}
    assert len(judged) == len(EXPECTED) + 3
    for id_, row in judged.items():
        assert id_ == f"{row['query_id']}={row['chunk_id']}"
        assert chunks[row["chunk_id"]]["document_id"] == row["document_id"]
    assert all(id_.endswith("#0000") for id_ in chunks)
    q5 = queries["sea/q5~supervised0"]
    assert (q5["chunk_id"], q5["split"], q5["language"]) == ("sea/d7#0000", "train", "en"), "the highest judged"
    assert q5["chunk_text_hash"] == chunks["sea/d7#0000"]["text_hash"]
    assert chunks["sea/d7#0000"]["title"] == "Winds"
    assert judged["sea/q1~supervised0=sea/d1#0000"]["relevance"] == 1, "the highest of two that disagree"
    assert made.manifest["counts"] == {"negatives": 6, "positives": 9, "relevance_disagreed": 1}
    assert queries["sea/q1~supervised0"]["text"] == QUERIES["q1"], "the first of two"
    assert queries["sea/q3~supervised0"]["language"] == "fr"
    assert "sea/a%23b%3Dc~supervised0" in queries


def test_what_was_left_out_is_kept_with_its_reason(config: Supervised, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(config)
    queries = made.inputs()[0]
    left_out = {(row["row_id"], row["reason"]): row["detail"] for row in rejected_of(queries)}
    assert set(left_out) == {
        ("sea/mute~supervised0", "empty"),
        ("sea/lost~supervised0", "no_positive"),
        ("sea/against~supervised0", "no_positive"),
        ("sea/q1~supervised0", "duplicate_id"),
        ("sea/queries.jsonl row 12", "invalid_row"),
        ("sea/qrels/train.tsv row 24", "invalid_row"),
    }
    assert left_out["sea/lost~supervised0", "no_positive"] == "none of the 2 documents judged to answer it is left"
    assert queries.manifest["counts"]["queries_without_judgement"] == 1
    assert {row["row_id"]: row["reason"] for row in rejected_of(made)} == {
        "sea/q5~supervised0=sea/d9#0000": "unknown_id",
        "sea/nobody~supervised0=sea/d1#0000": "unknown_id",
        "sea/mute~supervised0=sea/d1#0000": "empty",
        "sea/lost~supervised0=sea/digits#0000": "not_text",
        "sea/lost~supervised0=sea/void#0000": "empty",
        "sea/against~supervised0=sea/d2#0000": "no_positive",
    }
    read, kept = made.manifest["rows"]["in"], made.manifest["rows"]["out"]
    assert read == kept + made.manifest["rows"]["rejected"] == len(EXPECTED) + 9
    told = capsys.readouterr().err
    assert "6 queries with 9 positives (1.50 a query) and 6 judged not relevant (1.00 a query)" in told
    assert "1 queries have the words of another, and are kept" in told
    assert "1 queries have no judgement here, and are left out" in told
    assert "2 judgements name an unknown id, first: the data set holds no query sea/nobody~supervised0" in told


def test_a_passage_is_one_chunk_however_long(tmp_path: Path, tokenizer_file: Path) -> None:
    long = " ".join(f"Boat {n} came in at noon with fish and left again." for n in range(900))
    path = lines(tmp_path / "rows.jsonl", [{"query": "when did the boats come", "positive": long}])
    made = make(Supervised(str(path), data=tmp_path / "data", tokenizer=str(tokenizer_file)))
    (chunk,) = rows_of(made.inputs()[1])
    assert chunk["text"] == long
    assert chunk["tokens"] > 5000


def test_a_row_leads_to_its_query_its_chunk_and_its_document(config: Supervised) -> None:
    data = make(config).folder.parent.parent
    for row_id, tables in (
        ("sea/a%23b%3Dc~supervised0=sea/d7#0000", ["judgements", "queries", "chunks", "documents"]),
        ("sea/a%23b%3Dc~supervised0", ["queries", "chunks", "documents"]),
        ("sea/against~supervised0=sea/d2#0000", ["judgements", "chunks", "documents"]),
        ("sea/q5~supervised0=sea/d9#0000", ["judgements", "queries"]),
        ("sea/lost~supervised0", ["queries"]),
    ):
        assert [link.version.table for link in chain(find_row(data, row_id)[0])] == tables, row_id


def test_a_second_run_finds_all_built_and_writes_nothing(
    config: Supervised, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(config)
    assert [v.table for v in all_versions(config.data)] == TABLES
    before = snapshot(config.data)
    capsys.readouterr()
    assert guarded(lambda: make(config)) == 0
    told = capsys.readouterr()
    assert told.out == f"{made.folder}\n"
    assert told.err.count("already built: ") == len(TABLES)
    assert snapshot(config.data) == before
    assert supervised.main(replace(config, dry_run=True)) is None
    assert snapshot(config.data) == before
    told = capsys.readouterr()
    assert f"query q1: {QUERIES['q1']}" in told.err
    assert f"--- answers, d1 (1): {DOCUMENTS['d1']}" in told.err
    assert "--- does not, d2 (0)" in told.err
    assert told.out == ""


def test_other_qrels_leave_the_chunks_as_they_are(config: Supervised) -> None:
    first = make(config)
    fields(Path(config.source) / "qrels" / "test.tsv", [("elsewhere", "d7", 1)])
    other = make(config, qrels="test")
    assert other.name != first.name
    assert other.inputs()[1].name == first.inputs()[1].name
    assert [row["judgement_id"] for row in rows_of(other)] == ["sea/elsewhere~supervised0=sea/d7#0000"]


def test_smaller_shards_make_the_same_rows(config: Supervised, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(config)
    monkeypatch.setattr(drafts, "SHARD_ROWS", 5)
    monkeypatch.setattr(joining, "SHARD_ROWS", 4)
    parts = make(config, data=tmp_path / "parts")
    assert len(parts.shards()) > 4 > len(whole.shards())
    for a, b in ((whole, parts), (whole.inputs()[0], parts.inputs()[0])):
        assert rows_of(a) == rows_of(b)
        assert sorted(map(str, rejected_of(a))) == sorted(map(str, rejected_of(b)))


@pytest.mark.slow
def test_a_run_that_broke_off_at_every_shard_ends_as_one_that_did_not(
    config: Supervised, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "SHARD_ROWS", 5)
    monkeypatch.setattr(joining, "SHARD_ROWS", 4)
    whole = make(config, data=tmp_path / "whole")
    written, real = Counter[tuple[str, int]](), Building.write

    def breaking(self: Building, shard: int, result: ShardResult, seconds: float) -> None:
        if (self.table, shard) not in written:
            written[self.table, shard] = 0
            raise RuntimeError("broken off")
        written[self.table, shard] += 1
        real(self, shard, result, seconds)

    monkeypatch.setattr(Building, "write", breaking)
    made = None
    for _ in range(100):
        try:
            made = make(config)
            break
        except RuntimeError:
            continue
    assert made is not None
    assert made.name == whole.name
    assert len(written) > 20
    assert set(written.values()) == {1}, "no shard is written twice"
    assert parquet_bytes(config.data) == parquet_bytes(tmp_path / "whole")


def test_a_rehearsal_is_a_version_of_its_own(config: Supervised) -> None:
    whole, few = make(config), make(config, limit=2)
    assert {row["query_id"] for row in rows_of(few)} == {"sea/q1~supervised0", "sea/q2~supervised0"}
    assert {row["document_id"] for row in rows_of(few.inputs()[1])} == {f"sea/d{n}" for n in (1, 2, 4, 5)}
    assert said(few) == {one for one in said(whole) if one[0] in (QUERIES["q1"], QUERIES["q2"])}


def test_language_and_licence_are_for_what_declares_none(config: Supervised) -> None:
    made = make(config, language="is", licence="CC0-1.0")
    documents = {row["document_id"]: row for row in rows_of(find_version(config.data, "documents"))}
    assert (documents["sea/d1"]["language"], documents["sea/d7"]["language"]) == ("is", "en")
    assert {row["licence"] for row in documents.values()} == {"CC0-1.0"}
    languages = {row["query_id"]: row["language"] for row in rows_of(made.inputs()[0])}
    assert (languages["sea/q1~supervised0"], languages["sea/q5~supervised0"]) == ("is", "en")


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"limit": 0}, 2, "--limit 0 reads nothing"),
        ({"format": "bier"}, 2, r"--format bier is not one of beir, columns, msmarco \(did you mean beir\?\)"),
        ({"language": "??"}, 2, r"--language '\?\?' is no language"),
        ({"name": "a\nb"}, 2, "cannot stand in an id"),
        ({"qrels": "test"}, 2, "it has train: choose one with --qrels"),
    ],
)
def test_a_wrong_setting_is_one_sentence(config: Supervised, changes: dict[str, Any], status: int, told: str) -> None:
    with pytest.raises(UserError, match=told) as fault:
        make(config, **changes)
    assert fault.value.exit_code == status
    assert not config.data.exists()


def test_a_set_that_judges_nothing_says_what_was_wrong_with_it(tmp_path: Path, tokenizer_file: Path) -> None:
    rows = [{"query": "a", "positive": "The boat is in.", "label": 0.4}]
    path = lines(tmp_path / "rows.jsonl", rows)
    config = Supervised(str(path), data=tmp_path / "data", tokenizer=str(tokenizer_file))
    with pytest.raises(UserError, match=r"rows has no usable document: .*the label 0.4 is not a whole number"):
        make(config)
    lines(path, [{"query": "a", "pos": [], "neg": ["The boat is out."]}])
    with pytest.raises(UserError, match=r"No judgement is left \(1 no_positive\): look with"):
        make(config)
