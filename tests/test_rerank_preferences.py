"""Rerank: what becomes a preference, what is rejected and why, what is asked, and what a killed run repeats."""

import json
import re
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import Reply
from builders.relevance.agreement import kendall_tau
from builders.rerank_preferences import RerankPreferences, main
from builders.store.schemas import first_fault
from builders.store.versions import find_version
from tests.making import FakeEngine, rejected_of, rows_of
from tests.relevance.judges import (
    LISTWISE,
    by_text,
    copy_queries,
    judged,
    passages_of,
    score,
    texts_in,
    write_candidates,
)


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    return copy_queries(built, tmp_path / "data")


def test_every_query_is_a_row_in_the_judges_order(data: Path) -> None:
    candidates = write_candidates(data, 6)
    version = judged(candidates, FakeEngine(by_text), k=5)
    texts, given = texts_in(data), {row["query_id"]: row for row in rows_of(candidates)}
    rows = rows_of(version)
    assert len(rows) == len(given) > 20
    assert [s.name for s in version.shards()] == [s.name for s in candidates.shards()]
    for row in rows:
        assert first_fault("preference", row) is None
        mine = given[row["query_id"]]
        assert sorted(row["chunk_ids"]) == sorted(mine["chunk_ids"][:5])
        marked = [re.sub(r"\[(\d+)\]", r"(\1)", texts[chunk]) for chunk in row["chunk_ids"]]
        assert marked == sorted(marked)
        assert [mine["chunk_ids"][rank - 1] for rank in row["retriever_ranks"]] == row["chunk_ids"]
        assert [mine["scores"][rank - 1] for rank in row["retriever_ranks"]] == row["retriever_scores"]
        own = mine["chunk_id"]
        assert row["own_rank"] == (row["chunk_ids"].index(own) + 1 if own in row["chunk_ids"] else None)
        assert (row["preference_method"], row["parse"], row["model"]) == ("listwise", "complete", "fake@1")
        assert row["rank_agreement"] is row["first_agreement"] is row["judge_scores"] is None
        assert len(row["replies"]) == 1
    assert {row["split"] for row in rows} == {"train", "heldout"}
    assert version.manifest["counts"]["reply:complete"] == len(rows)


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("[2] > [1]", "stop", "partial_ranking"),
        ("[2] > [1] > [3] > [4] > 5", "length", "partial_ranking"),
        ("I cannot.", "stop", "unparsable"),
        (" ", "stop", "empty"),
        ("", "refusal", "refusal"),
        ("", "context_too_long", "context_too_long"),
        ("", "failed", "request_failed"),
    ],
)
def test_a_reply_that_is_no_whole_ranking_is_rejected_by_name(
    data: Path, text: str, finish: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine(lambda request: Reply(request.key, text, finish, "why", 100, 10, 0.1))
    version = judged(write_candidates(data, 5), engine, limit=3)
    assert version.manifest["rows"]["rejected_by_reason"] == {reason: 3}
    assert version.manifest["rows"]["out"] == 0
    assert {row["raw"] for row in rejected_of(version)} == {text}
    assert "Warning: 100.0% of the replies are no whole ranking" in capsys.readouterr().err


def test_a_repaired_ranking_is_a_row_and_says_so(data: Path) -> None:
    version = judged(
        write_candidates(data, 5), FakeEngine(lambda request: by_text(request).replace(" >", ",")), limit=4
    )
    assert {row["parse"] for row in rows_of(version)} == {"repaired"}
    assert version.manifest["counts"]["reply:repaired"] == 4


def test_fewer_than_two_candidates_are_no_question(data: Path) -> None:
    candidates = write_candidates(data, 5, few={0: 1, 2: 0, 3: 2})
    engine = FakeEngine(by_text)
    version = judged(candidates, engine)
    assert version.manifest["rows"]["rejected_by_reason"] == {"no_candidates": 2}
    assert len(engine.asked) == len(rows_of(candidates)) - 2
    assert sorted(len(row["chunk_ids"]) for row in rows_of(version))[:2] == [2, 5]


def test_windows_carry_the_best_from_the_end_to_the_start(data: Path) -> None:
    candidates = write_candidates(data, 12)
    engine = FakeEngine(by_text)
    version = judged(candidates, engine, k=12, window=5, step=3, limit=6)
    texts = texts_in(data)
    for row in rows_of(version):
        # 7..11, 4..8, 1..5, 0..4
        assert len(row["replies"]) == 4
        lines = [re.sub(r"\[(\d+)\]", r"(\1)", texts[chunk]) for chunk in row["chunk_ids"]]
        assert lines[0] == min(lines)
        assert lines[1] == sorted(lines)[1]
        assert sorted(row["retriever_ranks"]) == list(range(1, 13))
    assert all(len(passages_of(request)) == 5 for request in engine.asked)


def test_shuffles_are_merged_by_mean_rank_and_show_what_places_do(data: Path, capsys: Any) -> None:
    candidates = write_candidates(data, 5)
    steady = judged(candidates, FakeEngine(by_text), shuffles=3)
    texts = texts_in(data)
    # Two chunks of one text are told apart by no judge.
    distinct = [row for row in rows_of(steady) if len({texts[chunk] for chunk in row["chunk_ids"]}) == 5]
    assert len(distinct) > 60
    for row in distinct:
        assert (row["rank_agreement"], row["first_agreement"], len(row["replies"])) == (1, 1, 4)
    assert steady.manifest["counts"]["shuffled:005:replies"] == 3 * len(rows_of(steady))
    capsys.readouterr()
    shutil.rmtree(data / "journals")  # else the retriever's order is not asked about again
    lazy = judged(candidates, FakeEngine(lambda _: "[1] > [2] > [3] > [4] > [5]"), shuffles=3, seed=1)
    told = capsys.readouterr().err
    assert "Warning: 100%" in told and "order in which the passages were shown" in told
    assert "tau of the order shown and the order given: 1.00" in told
    for row in rows_of(lazy):
        assert row["rank_agreement"] < 0.8
    assert sorted(kendall_tau(row["retriever_ranks"], range(1, 6)) for row in rows_of(lazy))[0] < 1


def test_one_unusable_reply_of_several_rejects_the_row_and_keeps_them_all(data: Path) -> None:
    numbers = count()
    engine = FakeEngine(lambda request: "none" if next(numbers) == 1 else by_text(request))
    version = judged(write_candidates(data, 5), engine, shuffles=2, limit=3)
    (rejected,) = rejected_of(version)
    assert rejected["reason"] == "unparsable"
    assert rejected["detail"].startswith("reply 2 of 3")
    assert json.loads(rejected["raw"])[1] == "none" and len(json.loads(rejected["raw"])) == 3


def test_the_order_of_an_example_of_as_many_is_a_copy_and_the_example_is_reported(
    data: Path, tmp_path: Path, capsys: Any
) -> None:
    from builders.store.resources import folder

    text = (folder("prompts") / "listwise_ranking.toml").read_text()
    text = text.replace(
        'ripens."""\nranking = "[3] > [1] > [2]"',
        'ripens.\n\n[4] Snow.\n\n[5] Ice."""\nranking = "[3] > [1] > [5] > [2] > [4]"',
    )
    (tmp_path / "mine.toml").write_text(text)
    settings = {"prompt": str(tmp_path / "mine.toml")}
    version = judged(write_candidates(data, 5), FakeEngine(lambda _: "[3] > [1] > [5] > [2] > [4]"), **settings)
    assert set(version.manifest["rows"]["rejected_by_reason"]) == {"copy_of_example"}
    assert "begin with the order of an example" in capsys.readouterr().err


def test_likelihood_orders_by_score(data: Path) -> None:
    candidates = write_candidates(data, 6)
    engine = FakeEngine(score)
    version = judged(candidates, engine, method="likelihood", k=4, llm=EngineOptions())
    rows = rows_of(version)
    lengths = {row["chunk_id"]: len(row["text"]) for row in rows_of(find_version(data, "chunks"))}
    assert len(rows) == len(rows_of(candidates))
    for row in rows:
        assert first_fault("preference", row) is None
        assert row["judge_scores"] == sorted(row["judge_scores"], reverse=True)
        assert [lengths[c] for c in row["chunk_ids"]] == sorted((lengths[c] for c in row["chunk_ids"]), reverse=True)
        assert (row["preference_method"], row["parse"], row["replies"]) == ("likelihood", None, [])
    assert all(request.messages[-1]["role"] == "assistant" for request in engine.asked)
    assert not any(key.startswith("reply:") for key in version.manifest["counts"])


def test_a_candidate_without_a_likelihood_rejects_its_row(data: Path) -> None:
    candidates = write_candidates(data, 4)
    answers = {"nan": "unparsable", "": "empty", "-1.5 or so": "unparsable"}
    for seed, (text, reason) in enumerate(answers.items()):
        numbers = count()
        engine = FakeEngine(lambda request: text if next(numbers) == 2 else score(request))  # noqa: B023
        settings: dict[str, Any] = {"method": "likelihood", "limit": 2, "llm": EngineOptions(), "seed": 40 + seed}
        version = judged(candidates, engine, **settings)
        assert version.manifest["rows"]["rejected_by_reason"] == {reason: 1}
        assert rejected_of(version)[0]["detail"].endswith("the reply is no number")
        shutil.rmtree(data / "journals")


def test_a_dry_run_asks_nobody_and_shows_the_request(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates = write_candidates(data, 12)
    options = EngineOptions(engine="openai", model="fake", price=(1.0, 2.0))
    config = RerankPreferences(
        str(candidates), data, k=12, window=5, step=3, shuffles=1, limit=5, llm=options, dry_run=True
    )
    assert main(config) is None
    shown = capsys.readouterr().err
    assert "at most 40 requests" in shown and "in money" in shown
    assert "<passages>\n[1] " in shown
    assert not (data / "preferences").exists() and not list((data / "journals").glob("*"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"k": 1}, "--k 1"),
        ({"step": 30}, "--step 30"),
        ({"shuffles": -1}, "--shuffles -1"),
        ({"limit": 0}, "--limit 0"),
        ({"method": "likelihood", "shuffles": 2}, "--shuffles"),
        ({"method": "likelihood", "llm": LISTWISE}, "--engine local or --engine vllm"),
    ],
)
def test_wrong_arguments_say_what_to_do(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        RerankPreferences(**settings)


@pytest.mark.parametrize(
    ("method", "prompt"),
    [("listwise", "query_likelihood"), ("likelihood", "listwise_ranking"), ("listwise", "synthetic_query")],
)
def test_a_prompt_for_something_else_is_refused(data: Path, method: Any, prompt: str) -> None:
    with pytest.raises(UserError, match=f"--prompt {prompt} cannot serve --method {method}"):
        judged(write_candidates(data, 4), FakeEngine(by_text), method=method, prompt=prompt, llm=EngineOptions())
