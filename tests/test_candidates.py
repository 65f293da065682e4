"""queries x chunks -> candidates: the ranking is brute force's, nothing is encoded twice, nothing held out leaks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.candidates import Candidates, main
from builders.cli.errors import UserError
from builders.retrieval import mining
from builders.retrieval.encoders import EncoderOptions
from builders.retrieval.mining_statistics import round_trips, scores_by_rank
from builders.retrieval.rankings import Ranking
from builders.retrieval.retrievers import Batch, Fused
from builders.retrieval.terms import terms
from builders.store.versions import Version, all_versions, find_version
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot
from tests.retrieval.making import HashEncoder, vector_of

K = 7


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    """The small corpus with its Sent and QGen queries, to write to."""
    return Path(shutil.copytree(built, tmp_path / "data"))


def search(data: Path, encoder: HashEncoder | None = None, method: str = "sent", **settings: Any) -> Version:
    queries = next(v for v in all_versions(data) if v.table == "queries" and method in str(rows_of(v)[0]["query_id"]))
    made = main(Candidates(str(queries), data, **({"k": K} | settings)), encoder or HashEncoder())
    assert made is not None
    return made


def stored(text: str) -> Any:
    """The vector of a text as it is kept: unit length, float16."""
    vector = vector_of(text).astype(np.float64)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit.astype(np.float16).astype(np.float64)


def brute_force(data: Path, made: Version, within: str | None) -> dict[str, list[tuple[str, float]]]:
    queries, chunks = (rows_of(v) for v in made.inputs())
    by_id = {row["chunk_id"]: row for row in chunks}
    found = {}
    for query in queries:
        own = by_id[query["chunk_id"]]
        reach = [c for c in chunks if c["split"] == "train" or query["split"] == "heldout"]
        reach = [c for c in reach if within is None or c[within] == own[within]]
        scores = [(-round(float(stored(query["text"]) @ stored(c["text"])), 6), c["chunk_id"]) for c in reach]
        found[query["query_id"]] = [(chunk_id, -score) for score, chunk_id in sorted(scores)[:K]]
    return found


@pytest.mark.parametrize("within", [None, "language"])
def test_the_ranking_is_brute_force_among_what_is_in_reach(data: Path, within: Any) -> None:
    made = search(data, within=within)
    expected = brute_force(data, made, within)
    rows = {row["query_id"]: row for row in rows_of(made)}
    assert set(rows) == set(expected) and len(rows) > 80
    for query_id, row in rows.items():
        ids, scores = zip(*expected[query_id], strict=True)
        assert row["scores"] == pytest.approx(scores, abs=2e-6)
        # the order of scores that differ in the last decimal alone may differ
        assert set(row["chunk_ids"][:-1]) <= {i for i, _ in expected[query_id]}
        assert row["own_rank"] == (ids.index(row["chunk_id"]) + 1 if row["chunk_id"] in ids else None)
        assert row["retriever"] == "hash@1"


def test_a_train_query_is_given_no_held_out_chunk_and_a_held_out_one_is_given_all(data: Path) -> None:
    made = search(data, k=200)
    split = {row["chunk_id"]: row["split"] for row in rows_of(find_version(data, "chunks"))}
    train = {i for i, value in split.items() if value == "train"}
    seen = set()
    for row in rows_of(made):
        assert set(row["chunk_ids"]) == (train if row["split"] == "train" else set(split))
        seen.add(row["split"])
    assert seen == {"train", "heldout"} and len(train) < len(split)
    assert made.manifest["counts"]["in_reach_of_fewer"] == len(rows_of(made))


def test_shards_searched_together_are_as_one_by_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    together = search(data)
    monkeypatch.setattr(mining, "AT_ONCE", 1)
    assert parquet_bytes(search(other).folder) == parquet_bytes(together.folder)
    assert len(together.shards()) == 5


def test_a_run_that_ends_midway_is_gone_on_with(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search(Path(shutil.copytree(data, tmp_path / "whole")))
    monkeypatch.setattr(mining, "AT_ONCE", 1)
    searched: list[int] = []

    def fails(self: Any, *arguments: Any, search: Any = mining.Mining._search) -> Any:
        searched.append(1)
        if len(searched) == 3:
            raise KeyboardInterrupt
        return search(self, *arguments)

    monkeypatch.setattr(mining.Mining, "_search", fails)
    with pytest.raises(KeyboardInterrupt):
        search(data)
    second = HashEncoder(fails_at=rows_of(find_version(data, "chunks"))[0]["text"])
    resumed = search(data, second)
    assert second.asked == []
    assert len(searched) == 6  # two that were finished, the one that failed, three more
    assert parquet_bytes(resumed.folder) == parquet_bytes(whole.folder)
    before = snapshot(data)
    assert str(search(data)) == str(whole)
    assert snapshot(data).keys() == before.keys()


def test_a_sample_has_the_rows_of_the_whole_and_encodes_no_other_query(data: Path) -> None:
    sampled = HashEncoder()
    some = search(data, sampled, limit=9)
    assert len(rows_of(some)) == 9
    queries, chunks = some.inputs()
    texts = {row["text"] for row in rows_of(chunks)} | {q["text"] for q in rows_of(queries)}
    assert len(sampled.asked) <= 9 + len({row["text"] for row in rows_of(chunks)}) < len(texts)
    whole = {row["query_id"]: row for row in rows_of(search(data))}
    assert [whole[row["query_id"]] for row in rows_of(some)] == rows_of(some)


def test_words_rank_by_what_they_share_and_a_fusion_names_both(data: Path) -> None:
    made = search(data, retriever="bm25", k=100)
    by_id = {row["chunk_id"]: row["text"] for row in rows_of(find_version(data, "chunks"))}
    queries = {row["query_id"]: row["text"] for row in rows_of(made.inputs()[0])}
    for row in rows_of(made):
        own = set(terms(queries[row["query_id"]]))
        assert row["retriever"] == "bm25-lucene-1.2-0.75" and row["chunk_ids"][row["own_rank"] - 1] == row["chunk_id"]
        assert all(own & set(terms(by_id[i])) for i in row["chunk_ids"])
        assert row["scores"] == sorted(row["scores"], reverse=True)
    fused = search(data, retriever="fused")
    assert {row["retriever"] for row in rows_of(fused)} == {"hash@1+bm25-lucene-1.2-0.75"}
    first = {row["query_id"]: row["chunk_ids"][0] for row in rows_of(made)}
    dense = {row["query_id"]: row["chunk_ids"][0] for row in rows_of(search(data))}
    agreed = [i for i in first if first[i] == dense[i]]
    assert agreed
    fused_first = {row["query_id"]: row["chunk_ids"][0] for row in rows_of(fused)}
    assert all(fused_first[i] == first[i] for i in agreed)


@pytest.mark.slow
@pytest.mark.parametrize("within", [None, "language"])
def test_an_index_that_looks_everywhere_finds_what_an_exact_search_finds(
    data: Path, within: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = {row["query_id"]: row["scores"] for row in rows_of(search(data, within=within))}
    made = search(data, within=within, ann="hnsw", effort=500)
    assert made.manifest["usage"]["recall"] == 1.0
    said = capsys.readouterr().err
    assert "ann: recall 1.0000 of the exact top 7" in said and ("lowest in " in said) is (within is not None)
    for row in rows_of(made):  # not the ids: of two chunks of the same text the index may give either
        assert row["scores"] == pytest.approx(exact[row["query_id"]], abs=2e-6)


def test_a_query_that_nothing_matches_is_rejected(data: Path) -> None:
    made = search(data, method="qgen", retriever="bm25")  # "topic 123…", words that no chunk holds
    reasons = {row["reason"] for row in rejected_of(made)}
    assert reasons == {"no_candidates"}
    assert made.manifest["rows"]["in"] == made.manifest["rows"]["out"] + made.manifest["rows"]["rejected"]


def test_a_title_is_part_of_the_text_when_it_is_asked_for(data: Path) -> None:
    encoder = HashEncoder()
    search(data, encoder, titles=True)
    chunk = rows_of(find_version(data, "chunks"))[0]
    assert f"{chunk['title']}\n{chunk['text']}" in encoder.asked and chunk["text"] not in encoder.asked


def test_what_determines_the_rows_names_the_version(data: Path) -> None:
    names = {
        str(search(data, **settings))
        for settings in ({}, {"k": 8}, {"within": "source"}, {"titles": True}, {"retriever": "bm25"}, {"limit": 500})
    }
    names.add(str(search(data, HashEncoder(revision="2"))))
    assert len(names) == 7
    assert str(search(data, memory=0.5)) in names


def test_candidates_of_another_version_of_the_chunks_are_refused(data: Path) -> None:
    chunks = find_version(data, "chunks")
    manifest = json.loads((chunks.folder / "manifest.json").read_text())
    (chunks.folder / "manifest.json").write_text(json.dumps(manifest | {"content_hash": "0" * 32}))
    with pytest.raises(UserError, match=rf"was made from {chunks} when that held other rows .* build queries again"):
        search(data)


def test_vectors_that_are_no_numbers_stop_the_run_by_name(data: Path) -> None:
    chunk = rows_of(find_version(data, "chunks"))[0]
    with pytest.raises(UserError, match=rf"hold NaN or infinity.*{chunk['chunk_id']}"):
        search(data, HashEncoder(bad=chunk["text"]))
    assert search(data).manifest["rows"]["out"] > 80


def test_texts_longer_than_the_model_reads_are_counted_and_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = search(data)
    longer = len({row["text"] for row in rows_of(find_version(data, "chunks")) if len(row["text"]) > 200})
    assert made.manifest["usage"]["chunks_truncated"] == longer > 0
    assert f"{longer} of " in capsys.readouterr().err


def test_a_dry_run_writes_and_encodes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, encoder = snapshot(data), HashEncoder()
    assert main(Candidates(None, data, dry_run=True), encoder) is None
    assert snapshot(data) == before and encoder.asked == []
    assert "by hash@1, 50 candidates a query" in capsys.readouterr().err


def test_the_statistics_are_those_of_the_rows(data: Path) -> None:
    made = search(data, retriever="bm25", within="language")
    rows = rows_of(made)
    for row in round_trips(made).iter_rows(named=True):
        mine = [r for r in rows if r["language"] == row["language"]]
        assert row["queries"] == len(mine)
        assert row["own_first"] == pytest.approx(sum(r["own_rank"] == 1 for r in mine) / len(mine))
        assert row["own_found"] == pytest.approx(sum(r["own_rank"] is not None for r in mine) / len(mine))
    second = next(row for row in scores_by_rank(made) if row["rank"] == 2)
    reached = [r["scores"][1] for r in rows if len(r["scores"]) > 1]
    assert (second["queries"], second["mean"]) == (len(reached), pytest.approx(sum(reached) / len(reached)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"k": 0}, "--k 0 finds nothing"),
        ({"memory": 0.0}, "--memory 0 is too little"),
        ({"ann": "hnsw", "retriever": "bm25"}, "--ann is not used by --retriever bm25"),
    ],
)
def test_impossible_options_are_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Candidates(**settings)
    with pytest.raises(UserError, match="needs --model"):
        replace(EncoderOptions(), encoder="openai")


def test_a_fusion_asks_each_retriever_for_more_than_it_returns() -> None:
    asked = []

    class Asked:
        def search(self, batch: Batch, k: int, restriction: Any) -> Ranking:
            asked.append(k)
            second = [[1, 5], [3, 5]][len(asked) - 1]
            return Ranking(np.array([[0.9, 0.8]], np.float32), np.array([second]))

    found = Fused((Asked(), Asked())).search(Batch(["a"], None), 1, None)
    assert asked == [2, 2] and found.indices.tolist() == [[5]]  # second for both, and no first is for both
