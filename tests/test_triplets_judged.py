"""preferences | judgements -> triplets: whose ranks, whose scores, and what is mined beside what was judged."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.store.lineage import chain, find_row
from builders.store.versions import Version, find_version
from tests.making import rejected_of, rows_of
from tests.triplet_making import NO_WINDOWS, make, write


@pytest.fixture
def data(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "data"))


def test_a_query_that_lost_its_own_chunk_is_rejected_when_that_is_asked_for(data: Path) -> None:
    ranks = {row["query_id"]: row["own_rank"] for row in rows_of(find_version(data, "candidates"))}
    made = make(data, least=1, round_trip=4)
    lost = {row["row_id"]: row["detail"] for row in rejected_of(made) if row["reason"] == "own_chunk_lost"}
    found = {i for i, rank in ranks.items() if rank is not None and rank <= 4}
    assert set(lost) == {f"{i}+sent" for i in set(ranks) - found} and 0 < len(found) < len(ranks)
    assert {row["query_id"] for row in rows_of(made)} <= found
    assert set(lost.values()) >= {"rank none of its own chunk"}
    judged = str(judgements(data))
    unused: list[dict[str, Any]] = [{"round_trip": 4}, {"own": True}, {"positives": (1, 3)}, {"ratio": 0.9}]
    for flag in unused:
        with pytest.raises(UserError, match=r"is not used with judgements (whose|without)"):
            make(data, judged, **(NO_WINDOWS | flag))


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
    plain = make(data, str(judged), **NO_WINDOWS)
    mined = make(data, str(judged), candidates="candidates", positives=None, least=1)
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
