"""What both query methods share: samples that hold each other, and one query kept of those that say the same."""

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.store.building import ShardResult, build, rejection
from builders.store.schemas import columns
from builders.store.versions import Version, read_rows
from builders.text.hashes import normalise
from builders.text.queries import build_queries, choose_sample, chosen_chunks, find_duplicates, query_row
from tests.making import plan, rejected_of, rows_of

CHUNKS = [f"doc{n // 3:03d}#{n % 3:04d}" for n in range(200)]


def chunk(chunk_id, split="train"):
    return {
        "chunk_id": chunk_id,
        "document_id": chunk_id.partition("#")[0],
        "source": "tests",
        "split": split,
        "licence": None,
        "text_hash": "0" * 32,
    }


def chunk_version(folder, shards):
    """A version with the ids of CHUNKS alone, in so many shards."""
    folder.mkdir()
    size = -(-len(CHUNKS) // shards)
    for n in range(shards):
        pq.write_table(pa.table({"chunk_id": CHUNKS[n * size : (n + 1) * size]}), folder / f"{n}.parquet")
    files = [{"path": f"{n}.parquet"} for n in range(shards)]
    return Version(folder, {"files": files, "identity": {"record": "chunk"}})


def chosen(version, limit, seed):
    sample = choose_sample(version, limit, seed)
    return [row["chunk_id"] for n in range(len(version.shards())) for row in chosen_chunks(version, n, sample)]


@pytest.mark.parametrize("limit", [0, 1, 7, 60, 199, 200, 500, None])
def test_a_sample_has_the_asked_size_and_does_not_depend_on_shards(tmp_path, limit):
    few, many = chunk_version(tmp_path / "few", 2), chunk_version(tmp_path / "many", 50)
    assert chosen(few, limit, 1) == chosen(many, limit, 1)
    assert len(chosen(few, limit, 1)) == (200 if limit is None else min(limit, 200))
    assert chosen(few, limit, 1) != chosen(few, limit, 2) or limit not in (1, 7, 60, 199)


def test_a_larger_sample_holds_the_smaller_one(tmp_path):
    version = chunk_version(tmp_path / "chunks", 3)
    samples = [set(chosen(version, limit, 4)) for limit in (5, 20, 80, None)]
    assert all(smaller < larger for smaller, larger in pairwise(samples))


def drafts(count=300, seed=6):
    """Rows by shard. The same words come again in other spellings, in the same shard and in others, on both sides."""
    draw = random.Random(seed)
    spellings = [str.upper, str.title, "«{}»?".format]
    rows = []
    for n in range(count):
        split = draw.choice(["train", "heldout"])
        text = draw.choice(spellings)(f"topic {draw.randrange(120)}")
        rows.append(query_row(chunk(f"doc{n:04d}#0000", split), "sent", 0, text, "en"))
    draw.shuffle(rows)
    return [rows[:1], rows[1:120], [], rows[120:]]


def expected_duplicates(rows):
    """{dropped: kept}, told row by row."""
    kept = {}
    for row in sorted(rows, key=lambda r: (r["split"] == "heldout", r["query_id"])):
        kept.setdefault(normalise(row["text"]), row["query_id"])
    found = {row["query_id"]: kept[normalise(row["text"])] for row in rows}
    return {dropped: name for dropped, name in found.items() if dropped != name}


def draft_version(data: Path, shards):
    def work(made):
        for n, rows in enumerate(shards):
            rejected = [rejection(f"bad{n}", "too_short", "it is", "x")] if n % 2 else []
            made.write(n, ShardResult(rows, rejected, rows_in=len(rows) + len(rejected)), 0.0)
        return len(shards), {"prompt_tokens": 5}

    return build(plan(table="query_drafts", record="query"), data, work)


def test_duplicates_are_those_that_comparing_row_by_row_finds(tmp_path):
    shards = drafts()
    version = draft_version(tmp_path / "data[1]=*", shards)  # a folder's name is no pattern
    expected = expected_duplicates([row for rows in shards for row in rows])
    assert len(expected) > 100
    found = find_duplicates(version.shards())
    assert {row["query_id"]: row["duplicate_of"] for row in found} == expected
    assert [row["query_id"] for row in found] == sorted(expected)


def test_every_draft_is_a_query_or_a_rejection_and_train_comes_first(tmp_path):
    shards = drafts()
    version = draft_version(tmp_path, shards)
    queries = build_queries(version, tmp_path, plan(table="queries", record="query", inputs=(version,)), 1)
    kept, rejected = rows_of(queries), rejected_of(queries)
    drafted = {row["query_id"]: row for rows in shards for row in rows}
    assert {row["query_id"] for row in kept} | {row["row_id"] for row in rejected} == {*drafted, "bad1", "bad3"}
    assert len(kept) + len(rejected) == len(drafted) + 2
    assert queries.manifest["rows"]["in"] == len(drafted) + 2
    assert queries.manifest["rows"]["rejected_by_reason"] == {"duplicate": len(rejected) - 2, "too_short": 2}
    assert len({row["normalised_text_hash"] for row in kept}) == len(kept)
    in_train = {normalise(row["text"]) for row in drafted.values() if row["split"] == "train"}
    held = [row for row in kept if row["split"] == "heldout"]
    assert held
    assert not any(normalise(row["text"]) in in_train for row in held)
    assert [len(read_rows(shard)) for shard in queries.shards()][2] == 0


def test_duplicates_do_not_depend_on_the_shards(tmp_path):
    shards = drafts()
    rows = [row for rows in shards for row in rows]
    one = draft_version(tmp_path / "one", [rows])
    many = draft_version(tmp_path / "many", [rows[n::7] for n in range(7)])
    assert find_duplicates(one.shards()) == find_duplicates(many.shards()) != []


def test_no_draft_at_all_is_no_fault(tmp_path):
    version = draft_version(tmp_path, [[]])
    assert find_duplicates(version.shards()) == []
    queries = build_queries(version, tmp_path, replace(plan(), table="queries", record="query", inputs=(version,)), 1)
    assert rows_of(queries) == []


def test_a_row_has_every_column_of_its_schema():
    row = query_row(chunk("doc#0001"), "qgen", 2, "A query", "en")
    assert list(row) == columns("query")
    assert row["query_id"] == "doc#0001~qgen2"
    assert row["normalised_text_hash"] == query_row(chunk("x#1"), "sent", 0, "«a QUERY»", "de")["normalised_text_hash"]
