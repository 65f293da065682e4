"""candidates | preferences | judgements -> triplets: the windows, the invariants on every row, and where rows come from."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.candidates import Candidates
from builders.candidates import main as search
from builders.cli.errors import UserError
from builders.store.building import ShardResult, build
from builders.store.lineage import chain, find_row
from builders.store.plans import Plan
from builders.store.versions import Version, all_versions, find_version
from builders.triplets import Triplets, main
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot
from tests.retrieval.making import HashEncoder

WINDOWS: dict[str, Any] = {"positives": (1, 3), "negatives": (6, 12), "least": 3}


@pytest.fixture(scope="module")
def searched(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small corpus with candidates of its Sent queries."""
    data = Path(shutil.copytree(built, tmp_path_factory.mktemp("searched") / "data"))
    queries = next(v for v in all_versions(data) if v.table == "queries" and "sent" in str(rows_of(v)[0]["query_id"]))
    assert search(Candidates(str(queries), data, k=12), HashEncoder()) is not None
    return data


@pytest.fixture
def data(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "data"))


def make(data: Path, ranked: str | None = None, **settings: Any) -> Version:
    made = main(Triplets(ranked, data=data, **({**WINDOWS} | settings)))
    assert made is not None
    return made


def write(data: Path, table: str, record: str, rows: list[dict[str, Any]], inputs: tuple[Version, ...]) -> Version:
    def work(made: Any) -> tuple[int, dict[str, Any]]:
        made.write(0, ShardResult(rows, rows_in=len(rows)), 0.0)
        return 1, {}

    return build(Plan(table, record, "tests", 1, {"within": None}, inputs=inputs), data, work)


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


def test_a_query_that_lost_its_own_chunk_is_rejected_when_that_is_asked_for(data: Path) -> None:
    ranks = {row["query_id"]: row["own_rank"] for row in rows_of(find_version(data, "candidates"))}
    made = make(data, least=1, round_trip=4)
    lost = {row["row_id"]: row["detail"] for row in rejected_of(made) if row["reason"] == "own_chunk_lost"}
    found = {i for i, rank in ranks.items() if rank is not None and rank <= 4}
    assert set(lost) == {f"{i}+sent" for i in set(ranks) - found} and 0 < len(found) < len(ranks)
    assert {row["query_id"] for row in rows_of(made)} <= found
    assert set(lost.values()) >= {"rank none of its own chunk"}
    judged = judgements(data)
    assert str(make(data, str(judged), round_trip=4)) == str(make(data, str(judged)))


def preference(row: dict[str, Any]) -> dict[str, Any]:
    """The judge turns the retriever's order around."""
    given = {k: v for k, v in row.items() if k not in ("chunk_ids", "scores")}
    return given | {
        "preference_method": "listwise",
        "model": "judge@1",
        "prompt_version": "listwise_ranking-1",
        "parse": "complete",
        "chunk_ids": row["chunk_ids"][::-1],
        "judge_scores": None,
        "retriever_ranks": list(range(len(row["chunk_ids"]), 0, -1)),
        "retriever_scores": row["scores"][::-1],
        "rank_agreement": None,
        "first_agreement": None,
        "replies": ["..."],
    }


def test_a_preference_gives_the_judge_s_ranks_and_the_retriever_s_scores(data: Path) -> None:
    candidates = find_version(data, "candidates")
    rows = rows_of(candidates)
    judged = write(
        data, "preferences", "preference", [preference(row) for row in rows], (candidates, *candidates.inputs())
    )
    made = make(data, positives=None, negatives=None, least=None)  # the latest ranking: the preferences
    by_id = {row["query_id"]: row for row in rows}
    chosen = {"positives": [1, 1], "negatives": [11, 20], "deep": 20}  # of 12: 7..12
    assert made.manifest["identity"]["config"].items() >= chosen.items()
    for row in rows_of(made):
        ranked = by_id[row["query_id"]]
        assert (row["positive_ids"], row["positive_scores"]) == ([ranked["chunk_ids"][-1]], [ranked["scores"][-1]])
        assert row["negative_ranks"] and set(row["negative_ranks"]) <= set(range(7, 13))
        assert (row["method"], row["judge"]) == ("rerank", "listwise judge@1 listwise_ranking-1")
        assert row["triplet_id"].endswith("~sent0+rerank") and row["ranking"] == str(judged)
    links = chain(find_row(data, rows_of(made)[0]["triplet_id"])[0])
    assert [link.version.table for link in links][:3] == ["triplets", "preferences", "candidates"]


Judge = Callable[[str, str, int], dict[str, Any]]


def judgements(data: Path) -> Version:
    """For each query: its own chunk (1), the next chunk but one of the corpus (0), and twice as relevant a third (2)."""
    queries, chunks = find_version(data, "candidates").inputs()
    of_train = [row for row in rows_of(chunks) if row["split"] == "train"]
    rows = []
    for at, query in enumerate(q for q in rows_of(queries) if q["split"] == "train"):
        for chunk_id, relevance in (
            (query["chunk_id"], 1),
            (of_train[(at * 7 + 40) % len(of_train)]["chunk_id"], 2),
            (of_train[(at * 11 + 70) % len(of_train)]["chunk_id"], 0),
        ):
            key = f"{query['query_id']}={chunk_id}"
            document = chunk_id.rpartition("#")[0]
            row = {"judgement_id": key, "query_id": query["query_id"], "chunk_id": chunk_id}
            rows.append(row | {"document_id": document, "relevance": relevance})
    unique = {row["judgement_id"]: row for row in rows}
    return write(data, "judgements", "judgement", list(unique.values()), (queries, chunks))


def test_judged_chunks_are_positives_and_negatives_and_mined_ones_follow(data: Path) -> None:
    judged = judgements(data)
    said: dict[str, dict[str, int]] = {}
    for row in rows_of(judged):
        said.setdefault(row["query_id"], {})[row["chunk_id"]] = row["relevance"]
    plain, mined = make(data, str(judged), least=None), make(data, str(judged), candidates="candidates", least=1)
    found = {row["query_id"]: row for row in rows_of(find_version(data, "candidates"))}
    for row in rows_of(plain):
        mine = said[row["query_id"]]
        positives = sorted((i for i, r in mine.items() if r > 0), key=lambda i: (-mine[i], i))
        assert row["positive_ids"] == positives
        assert row["negative_ids"] == [i for i, r in mine.items() if r == 0]
        assert set(row["positive_ranks"]) == {None} and row["ranking"] is None and row["retriever"] is None
    assert len(rows_of(mined)) > len(rows_of(plain)) > 20
    for row in rows_of(mined):
        ranked = found[row["query_id"]]
        for side in ("positive", "negative"):
            for chunk_id, rank, score in zip(*(row[f"{side}_{n}"] for n in ("ids", "ranks", "scores")), strict=True):
                if rank is None:
                    assert chunk_id in said[row["query_id"]] and score is None
                else:
                    assert (ranked["chunk_ids"][rank - 1], ranked["scores"][rank - 1]) == (chunk_id, score)
        unjudged = [
            r for i, r in zip(row["negative_ids"], row["negative_ranks"], strict=True) if i not in said[row["query_id"]]
        ]
        assert unjudged == sorted(unjudged) and set(unjudged) <= set(range(6, 13))
    unknown = {row["row_id"] for row in rejected_of(plain) if row["reason"] == "no_positive"}
    assert unknown  # held-out queries were not judged


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
    with pytest.raises(UserError, match="no window"):
        make(data, negatives=(9, 3))
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
