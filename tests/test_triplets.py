"""candidates -> triplets: the windows, the invariants on every row, and where rows come from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.store.lineage import chain, find_row
from builders.store.versions import find_version
from builders.tables import List, list_versions
from builders.triplets import Triplets, main
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot
from tests.triplet_making import WINDOWS, make, write


@pytest.fixture
def data(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "data"))


def test_a_triplet_holds_the_windows_of_its_candidates(data: Path) -> None:
    made = make(data)
    candidates = {row["query_id"]: row for row in rows_of(find_version(data, "candidates"))}
    rows = rows_of(made)
    assert len(rows) > 60
    for row in rows:
        ranked = candidates[row["query_id"]]
        assert (row["positive_ids"], row["positive_ranks"]) == (ranked["chunk_ids"][:3], [1, 2, 3])
        assert row["positive_scores"] == ranked["scores"][:3]
        for chunk_id, rank, score in zip(*(row[f"negative_{n}"] for n in ("ids", "ranks", "scores")), strict=True):
            assert 6 <= rank <= 12 and ranked["chunk_ids"][rank - 1] == chunk_id and ranked["scores"][rank - 1] == score
        assert row["negative_ranks"] == sorted(row["negative_ranks"])
        assert row["triplet_id"] == f"{row['query_id']}+sent" and row["ranking"] == str(
            find_version(data, "candidates")
        )


def test_the_invariants_hold_on_every_row_and_every_query_is_a_row_or_a_rejection(data: Path) -> None:
    made = make(data)
    chunks = {row["chunk_id"]: row for row in rows_of(find_version(data, "chunks"))}
    for row in rows_of(made):
        positives = [chunks[i] for i in [*row["positive_ids"], row["chunk_id"]]]
        negatives = [chunks[i] for i in row["negative_ids"]]
        for what in ("chunk_id", "text_hash", "normalised_text_hash", "cluster_id", "document_id"):
            assert not {c[what] for c in positives} & {c[what] for c in negatives}
        assert len({c["normalised_text_hash"] for c in negatives}) == len(negatives) >= 3
        if row["split"] == "train":
            assert {c["split"] for c in [*positives, *negatives]} == {"train"}
    ids = [row["triplet_id"] for row in rows_of(made)] + [row["row_id"] for row in rejected_of(made)]
    assert sorted(ids) == sorted(f"{row['query_id']}+sent" for row in rows_of(find_version(data, "candidates")))
    dropped = made.manifest["counts"]
    assert dropped["dropped:same_document"] > 10  # three chunks of a document, so there is something to drop
    assert {row["reason"] for row in rejected_of(make(data, least=7))} == {"too_few_negatives"}


def test_a_rejected_row_says_what_was_dropped_and_is_followed_to_its_document(data: Path) -> None:
    made = make(data, least=7)
    row = rejected_of(made)[0]
    assert "at least 7 are asked for; dropped: " in row["detail"]
    links = chain(find_row(data, row["row_id"])[0])
    assert [link.version.table for link in links] == ["triplets", "candidates", "queries", "chunks", "documents"]


def test_a_triplet_is_followed_to_its_document(data: Path) -> None:
    row = rows_of(make(data))[0]
    links = chain(find_row(data, row["triplet_id"])[0])
    assert [link.version.table for link in links] == ["triplets", "candidates", "queries", "chunks", "documents"]
    assert [link.row["document_id"] for link in links] == [row["document_id"]] * 5


@pytest.mark.parametrize("last", [1, 3, 10])
def test_the_own_chunk_is_the_first_positive_where_that_is_asked_for(data: Path, last: int) -> None:
    candidates = {row["query_id"]: row for row in rows_of(find_version(data, "candidates"))}
    made = make(data, positives=(1, last), negatives=(11, 12), least=1, own=True)
    places = set()
    for row in rows_of(made):
        ranked = candidates[row["query_id"]]
        own, rank = ranked["chunk_id"], ranked["own_rank"]
        others = [i for i in ranked["chunk_ids"] if i != own][: last - 1]
        assert row["positive_ids"] == [own, *others]
        scores = dict(zip(ranked["chunk_ids"], ranked["scores"], strict=True))
        assert row["positive_ranks"] == [rank, *(ranked["chunk_ids"].index(i) + 1 for i in others)]
        assert row["positive_scores"] == [scores.get(i) for i in row["positive_ids"]]
        places.add("none" if rank is None else "inside" if rank <= last else "below")
    assert places >= ({"none", "below"} if last == 1 else {"none", "inside"})


def test_every_table_is_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(data)
    list_versions(List(data))
    listed = capsys.readouterr().out
    assert f"{made} " in listed and "candidates from queries/" in listed and "with hash@1\n" in listed


def test_queries_of_the_same_words_spare_each_other_s_positives(data: Path) -> None:
    candidates = find_version(data, "candidates")
    alone = {row["query_id"]: row for row in rows_of(make(data, str(candidates), least=1))}
    rows = [row for row in rows_of(candidates) if row["split"] == "train" and row["query_id"] in alone]
    one, two = next((a, b) for a in rows for b in rows if b["chunk_ids"][0] in alone[a["query_id"]]["negative_ids"])
    same = [row | {"normalised_text_hash": one["normalised_text_hash"]} for row in (one, two)]
    twins = write(data, "candidates", "candidates", same, tuple(candidates.inputs()))
    together = {row["query_id"]: row for row in rows_of(make(data, str(twins), least=1, window="paper"))}
    negatives = together[one["query_id"]]["negative_ids"]
    assert negatives and two["chunk_ids"][0] not in negatives
    assert set(negatives) < set(alone[one["query_id"]]["negative_ids"])


def test_processes_change_nothing_and_a_second_run_writes_nothing(data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    one = make(data)
    assert parquet_bytes(make(other, processes=2).folder) == parquet_bytes(one.folder)
    before = snapshot(data)
    assert str(make(data)) == str(one)
    assert snapshot(data).keys() == before.keys()


def test_a_killed_run_is_gone_on_with(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from builders.relevance.training_rows import TrainingRows

    whole = make(Path(shutil.copytree(data, tmp_path / "whole")))
    calls: list[int] = []

    def fails(self: TrainingRows, shard: int, rows: Any = TrainingRows.__call__) -> Any:
        calls.append(shard)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return rows(self, shard)

    monkeypatch.setattr(TrainingRows, "__call__", fails)
    with pytest.raises(KeyboardInterrupt):
        make(data)
    assert parquet_bytes(make(data).folder) == parquet_bytes(whole.folder)
    assert calls == [0, 1, 2, 2, 3, 4]


def test_windows_are_said_and_the_paper_s_warn_where_they_clip(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auto = make(data, positives=None, negatives=None, least=None)
    said = capsys.readouterr().err
    assert "windows: positives 1..1, the query's own chunk first, negatives 5..12, at least 7 of them a row" in said
    assert "fewer than 30 candidates: their ranks are in proportion" in said and "of DRAMA's 10 positives 1: 92" in said
    assert auto.manifest["identity"]["config"]["least"] == 7
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"negatives": (9, 3)}, "no window"),
        ({"ratio": float("nan")}, "--ratio nan is not a share"),
        ({"ratio": 5.0}, "--ratio 5 is not a share"),
        ({"margin": float("inf")}, "--margin inf is no score"),
        ({"max_score": float("nan")}, "--max-score nan is no score"),
    ]
    for settings, sentence in wrong:
        with pytest.raises(UserError, match=sentence):
            make(data, **settings)
    paper = make(data, window="paper", positives=None, negatives=None, least=1)
    assert "fewer than 50 candidates: their windows are cut short" in capsys.readouterr().err
    assert paper.manifest["rows"]["out"] == 0


def test_a_dry_run_writes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(data)
    assert main(replace(Triplets(data=data, dry_run=True), **WINDOWS)) is None
    assert snapshot(data) == before and "shard 0 of 5" in capsys.readouterr().err


def test_what_cannot_be_chosen_from_is_one_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a version of queries: name one of candidates, preferences, judgements"):
        make(data, "queries")
    with pytest.raises(UserError, match="no candidates, preferences or judgements"):
        make(tmp_path / "empty")
    with pytest.raises(UserError, match="--candidates is not used with candidates"):
        make(data, "candidates", candidates="candidates")
    chunks = find_version(data, "chunks")
    manifest = json.loads((chunks.folder / "manifest.json").read_text())
    (chunks.folder / "manifest.json").write_text(json.dumps(manifest | {"content_hash": "0" * 32}))
    with pytest.raises(UserError, match="held other rows"):
        make(data)
