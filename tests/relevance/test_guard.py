"""No negative shares anything with a positive: by hand for each reason, and against a search of all pairs."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cli.errors import UserError
from builders.relevance.guard import REASONS, guard
from builders.relevance.selection import ScoreRules
from tests.relevance.making import drafts_of, facts_of

NO_RULES = ScoreRules()
CHUNKS = [
    {"chunk_id": "own", "document": "d0"},
    {"chunk_id": "positive", "text": "t1", "cluster": "c1", "document": "d1"},
    {"chunk_id": "text", "text": "t1", "cluster": "c9"},
    {"chunk_id": "cluster", "cluster": "c1"},
    {"chunk_id": "document", "document": "d1"},
    {"chunk_id": "sibling", "document": "d0"},
    {"chunk_id": "held", "split": "heldout"},
    {"chunk_id": "fine"},
    {"chunk_id": "again", "text": "fine"},
    {"chunk_id": "near"},
]


def guarded(folder: Path, row: dict[str, Any], rules: ScoreRules = NO_RULES, known: Any = None) -> tuple[Any, Any]:
    result = guard(drafts_of([row]), known, facts_of(folder, CHUNKS), rules)
    return result.drafts.row(0, named=True), result.counts


def draft(*negatives: str, **changes: Any) -> dict[str, Any]:
    given = {"query_id": "q", "chunk_id": "own", "positives": [("positive", 0.8)]}
    return given | {"negatives": [(name, 0.5 if name != "near" else 0.79) for name in negatives]} | changes


@pytest.mark.parametrize(
    ("negative", "reason"),
    [
        ("positive", "same_chunk"),
        ("own", "same_chunk"),
        ("text", "same_text"),
        ("cluster", "same_cluster"),
        ("document", "same_document"),
        ("sibling", "same_document"),
        ("held", "held_out"),
        ("again", "repeated"),
        ("near", "too_near"),
    ],
)
def test_each_reason_drops_its_negative_and_no_other(tmp_path: Path, negative: str, reason: str) -> None:
    row, counts = guarded(tmp_path, draft("fine", negative), ScoreRules(ratio=0.95))
    assert (row["negative_ids"], row["negative_ranks"], row["negative_scores"]) == (["fine"], [1], [0.5])
    assert counts == Counter({f"dropped:{reason}": 1}) and row["dropped"] == f"1 {reason}"
    assert reason in REASONS


def test_a_held_out_row_may_hold_held_out_chunks_and_a_train_row_loses_a_held_out_positive(tmp_path: Path) -> None:
    row, counts = guarded(tmp_path, draft("held", split="heldout"))
    assert row["negative_ids"] == ["held"] and not counts
    row, _ = guarded(tmp_path, draft("fine", positives=[("held", 0.9), ("positive", 0.8)]))
    assert (row["positive_ids"], row["positive_ranks"], row["positive_scores"]) == (["positive"], [2], [0.8])


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (ScoreRules(), [0.9, 0.6, 0.57, 0.3]),
        (ScoreRules(ratio=0.95), [0.3]),  # of the lowest positive, 0.6: below 0.57
        (ScoreRules(margin=0.02), [0.57, 0.3]),
        (ScoreRules(maximum=0.6), [0.57, 0.3]),
        (ScoreRules(ratio=0.99, margin=0.1, maximum=0.9), [0.3]),
    ],
)
def test_score_rules_keep_what_is_below_every_limit(tmp_path: Path, rules: ScoreRules, kept: list[float]) -> None:
    scores = [0.9, 0.6, 0.57, 0.3]
    facts = facts_of(tmp_path, [{"chunk_id": name} for name in ("p", "o", "own", "a", "b", "c", "d")])
    row = {"query_id": "q", "chunk_id": "own", "positives": [("p", 0.7), ("o", 0.6)]}
    drafts = drafts_of([row | {"negatives": list(zip("abcd", scores, strict=True))}])
    assert guard(drafts, None, facts, rules).drafts["negative_scores"].to_list() == [kept]


def test_the_ratio_means_the_same_below_zero_and_no_score_has_no_rule(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, [{"chunk_id": name} for name in ("p", "a", "b", "c")])
    row = {"query_id": "q", "chunk_id": "p", "positives": [("p", -1.0)]}
    below = drafts_of([row | {"negatives": [("a", -1.0), ("b", -1.04), ("c", -1.06)]}])
    assert guard(below, None, facts, ScoreRules(ratio=0.95)).drafts["negative_ids"].to_list() == [["c"]]
    unscored = row | {"positives": [("p", None)], "negatives": [("a", None), ("b", 3.0)]}
    for retriever, kept in ((None, ["a", "b"]), ("r@1", ["a"])):  # nothing was searched; the search did not find p
        drafts = drafts_of([unscored | {"retriever": retriever}])
        assert guard(drafts, None, facts, ScoreRules(ratio=0.95)).drafts["negative_ids"].to_list() == [kept]
    above = drafts_of([unscored | {"retriever": "r@1", "positives": [("p", None), ("c", 4.0)]}])
    assert guard(above, None, facts, ScoreRules(margin=0.1)).drafts["negative_ids"].to_list() == [["a"]]


def test_positives_of_the_same_words_count_for_every_row_of_them(tmp_path: Path) -> None:
    known = pl.DataFrame({"normalised_text_hash": ["same"], "chunk_id": ["cluster"]})
    row, counts = guarded(
        tmp_path, draft("fine", "positive", positives=[("near", 0.8)], normalised_text_hash="same"), known=known
    )
    assert row["negative_ids"] == ["fine"] and counts == Counter({"dropped:same_cluster": 1})
    row, counts = guarded(tmp_path, draft("fine", "positive", positives=[("near", 0.8)]), known=known)
    assert row["negative_ids"] == ["fine", "positive"] and not counts


def test_an_id_of_another_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 ids are of no chunk of chunks/made \(the first: elsewhere\)"):
        guarded(tmp_path, draft("fine", "elsewhere"))
    assert guarded(tmp_path, draft())[0]["negative_ids"] == []


NAMES = [f"k{i}" for i in range(9)]
FEW = st.integers(0, 3).map(str)
ROW = st.fixed_dictionaries(
    {
        "chunk_id": st.sampled_from(NAMES),
        "normalised_text_hash": st.sampled_from("xyz"),
        "split": st.sampled_from(["train", "heldout"]),
        "positives": st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1)), max_size=3),
        "negatives": st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1)), max_size=8),
    }
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(FEW, FEW, FEW, st.booleans()), min_size=9, max_size=9),
    st.lists(ROW, max_size=5),
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(NAMES)), unique=True, max_size=4),
    st.none() | st.floats(0.5, 1),
)
def test_the_joins_find_what_a_search_of_all_pairs_finds(
    tmp_path_factory: Any,
    chunks: list[tuple[str, str, str, bool]],
    rows: list[dict[str, Any]],
    known: list[tuple[str, str]],
    ratio: float | None,
) -> None:
    facts = {
        name: {"chunk_id": name, "text": t, "cluster": c, "document": d, "split": "heldout" if held else "train"}
        for name, (t, c, d, held) in zip(NAMES, chunks, strict=True)
    }
    rows = [row | {"query_id": f"q{i}"} for i, row in enumerate(rows)]
    frame = pl.DataFrame(known, schema={"normalised_text_hash": pl.String, "chunk_id": pl.String}, orient="row")
    made = guard(
        drafts_of(rows),
        None if frame.is_empty() else frame,
        facts_of(tmp_path_factory.mktemp("facts"), list(facts.values())),
        ScoreRules(ratio=ratio),
    )
    for row, kept in zip(rows, made.drafts.iter_rows(named=True), strict=True):
        positives, negatives = search_of_all_pairs(row, facts, known, ratio)
        assert list(zip(kept["positive_ids"], kept["positive_scores"], strict=True)) == positives
        assert list(zip(kept["negative_ids"], kept["negative_scores"], strict=True)) == negatives
    given = sum(len(row["negatives"]) for row in rows)
    assert sum(made.counts.values()) + sum(len(i) for i in made.drafts["negative_ids"]) == given


def search_of_all_pairs(row: dict[str, Any], facts: Any, known: Any, ratio: float | None) -> tuple[Any, Any]:
    leaks = {name for name, fact in facts.items() if row["split"] == "train" and fact["split"] == "heldout"}
    positives = [(name, score) for name, score in row["positives"] if name not in leaks]
    compared = [name for name, _ in positives] + [row["chunk_id"]]
    compared += [name for text, name in known if text == row["normalised_text_hash"]]
    limit = min((s for _, s in positives), default=None)
    kept: list[tuple[str, float]] = []
    for name, score in row["negatives"]:
        shares = any(facts[name][what] == facts[p][what] for p in compared for what in ("text", "cluster", "document"))
        near = ratio is not None and limit is not None and score >= limit - (1 - ratio) * abs(limit)
        repeats = any(facts[name]["text"] == facts[other]["text"] for other, _ in kept)
        if not (shares or name in leaks or near or repeats):
            kept.append((name, score))
    return positives, kept
