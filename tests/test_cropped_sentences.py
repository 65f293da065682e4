"""chunks -> queries (Sent): what is drawn, that it stands in its chunk, and what is rejected."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import corpus
from builders.cli.errors import UserError
from builders.corpus import Corpus
from builders.cropped_sentences import CroppedSentences, Crops, crop_fault, crop_spans, main
from builders.store.versions import Version, find_version
from builders.text.hashes import normalise, text_hash
from builders.text.queries import choose_sample
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot


def crop(chunks: Version, **settings: Any) -> Version:
    made = main(CroppedSentences(str(chunks), chunks.folder.parent.parent, **settings))
    assert made is not None
    return made


def test_a_crop_is_the_text_of_its_chunk_from_start_to_end(chunks: Version) -> None:
    by_id = {row["chunk_id"]: row for row in rows_of(chunks)}
    rows = rows_of(crop(chunks))
    assert len(rows) > 80
    for row in rows:
        chunk = by_id[row["chunk_id"]]
        assert row["text"] == " ".join(chunk["text"][row["start"] : row["end"]].split())
        assert row["start"] in chunk["sentence_starts"]
        assert row["end"] == len(chunk["text"]) or any(
            chunk["text"][row["end"] : s].isspace() for s in chunk["sentence_starts"]
        )
        shared = ("document_id", "source", "language", "split", "licence")
        assert [row[c] for c in shared] == [chunk[c] for c in shared]
        assert (row["chunk_text_hash"], row["text_hash"]) == (chunk["text_hash"], text_hash(row["text"]))
        assert row["query_id"] == f"{row['chunk_id']}~sent0"


def test_every_chunk_is_a_query_or_a_rejection(chunks: Version) -> None:
    made = crop(chunks)
    ids = [r["query_id"] for r in rows_of(made)] + [r["row_id"] for r in rejected_of(made)]
    assert sorted(ids) == sorted(f"{r['chunk_id']}~sent0" for r in rows_of(chunks))
    assert made.manifest["rows"]["in"] == len(ids) == 100
    kept = {r["query_id"]: r for r in rows_of(made)}
    for row in rejected_of(made):
        if row["reason"] == "duplicate":
            twin = kept[row["detail"].removeprefix("the same words as ")]
            assert normalise(twin["text"]) == normalise(row["raw"])
    assert len({r["normalised_text_hash"] for r in kept.values()}) == len(kept)


def test_several_crops_of_a_chunk_are_different_sentences(chunks: Version) -> None:
    one, three = crop(chunks), crop(chunks, per_chunk=3)
    first, more = ({r["query_id"]: r["text"] for r in rows_of(made)} for made in (one, three))
    assert len(first.keys() & more.keys()) > 80
    assert all(first[i] == more[i] for i in first.keys() & more.keys())
    starts = defaultdict(list)
    for row in rows_of(three):
        starts[row["chunk_id"]].append(row["start"])
    assert all(len(set(found)) == len(found) for found in starts.values())
    assert max(map(len, starts.values())) == 3
    sentences = {row["chunk_id"]: len(row["sentence_starts"]) for row in rows_of(chunks)}
    made = rows_of(three) + [{"chunk_id": row["row_id"].rpartition("~")[0]} for row in rejected_of(three)]
    drawn = {i: sum(row["chunk_id"] == i for row in made) for i in sentences}
    assert drawn == {i: min(3, count) for i, count in sentences.items()}


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(0, 5), st.text(max_size=5))
def test_draws_are_distinct_and_repeatable(sentences: int, seed: int, name: str) -> None:
    text = " ".join(f"Sentence {i} ends." for i in range(sentences))
    starts = [text.index(f"Sentence {i} ") for i in range(sentences)]
    chunk = {"chunk_id": name, "text": text, "sentence_starts": starts}
    spans = list(crop_spans(chunk, seed))
    assert len(set(spans)) == len(spans) == sentences
    assert spans == list(crop_spans(chunk, seed))
    assert {text[a:b] for a, b in spans} == {f"Sentence {i} ends." for i in range(sentences)}


def test_a_sentence_that_ends_as_one_is_drawn_before_a_heading() -> None:
    text = "How to begin\nPull the lever slowly. And then"
    chunk = {"chunk_id": "a", "text": text, "sentence_starts": [0, 13, 36]}
    assert {text[slice(*next(crop_spans(chunk, seed)))] for seed in range(20)} == {"Pull the lever slowly."}


def test_a_draw_that_fails_is_repeated_and_a_chunk_is_rejected_where_all_fail(chunks: Version) -> None:
    strict = crop(chunks, min_words=9)
    by_id = {row["chunk_id"]: row for row in rows_of(chunks)}
    assert strict.manifest["rows"]["out"] > 20
    assert len(rejected_of(strict)) > 5
    for row in rejected_of(strict):
        if row["reason"] == "too_short":
            chunk = by_id[row["row_id"].rpartition("~")[0]]
            cropped = [" ".join(chunk["text"][a:b].split()) for a, b in crop_spans(chunk, 0)]
            assert all(crop_fault(query, chunk["text"], 9) for query in cropped)


def test_draws_depend_on_seed_and_chunk_and_not_on_shards_or_processes(
    chunks: Version, corpus_config: Corpus, tmp_path: Path
) -> None:
    several = crop(chunks)
    one_shard = corpus.main(replace(corpus_config, data=tmp_path / "one"))
    assert one_shard is not None
    assert len(one_shard.shards()) == 1 < len(several.shards())
    by_id = {row["query_id"]: row for row in rows_of(several)}
    assert {row["query_id"]: row for row in rows_of(crop(one_shard))} == by_id
    other = {row["query_id"]: row["text"] for row in rows_of(crop(chunks, seed=1))}
    assert sum(other.get(i) == row["text"] for i, row in by_id.items()) < 60


def test_all_sentences_of_a_chunk_are_drawn_by_some_seed() -> None:
    chunk = {"chunk_id": "a", "text": "One is. Two is. Three is.", "sentence_starts": [0, 8, 16]}
    assert {next(crop_spans(chunk, seed))[0] for seed in range(40)} == {0, 8, 16}


def test_a_list_mark_is_not_part_of_the_crop() -> None:
    text = "- Pull the lever slowly.\n12) Push the other one.  "
    spans = crop_spans({"chunk_id": "a", "text": text, "sentence_starts": [0, 25]}, 0)
    assert {text[a:b] for a, b in spans} == {"Pull the lever slowly.", "Push the other one."}


LONG = "The ferry leaves at noon, and the last one back is at seven in the evening, unless the wind is high."


@pytest.mark.parametrize(
    ("query", "chunk", "reason"),
    [
        ("The ferry leaves at noon", LONG, None),
        ("The ferry leaves", LONG, "too_short"),
        ("北の川は冷", LONG, "too_short"),
        ("北の川は冷たい。雪", LONG, None),
        ("12 + 13 = 25, 7 * 8 = 56", LONG, "not_text"),
        ("", LONG, "not_text"),
        ("= = = =", LONG, "not_text"),
        (LONG, f"  {LONG}\n", "whole_chunk"),
        (LONG[:-1], LONG, "whole_chunk"),
    ],
)
def test_a_crop_that_is_no_query_has_a_named_reason(query: str, chunk: str, reason: str | None) -> None:
    fault = crop_fault(query, chunk, 4)
    assert (fault and fault[0]) == reason
    assert fault is None or fault[1]


def test_a_sample_is_part_of_a_larger_one_and_a_limit_above_the_rows_is_all(chunks: Version) -> None:
    five, ten, all_of_them, beyond = (
        {row["query_id"] for row in rows_of(crop(chunks, limit=limit))} for limit in (5, 10, None, 10**6)
    )
    assert five < ten < all_of_them == beyond
    assert five
    chosen = [i for i in {r["chunk_id"] for r in rows_of(chunks)} if i in choose_sample(chunks, 5, 0)]
    assert len(chosen) == 5


def test_a_dry_run_shows_crops_and_writes_nothing(chunks: Version, capsys: pytest.CaptureFixture[str]) -> None:
    data = chunks.folder.parent.parent
    before = snapshot(data)
    assert main(CroppedSentences(data=data, dry_run=True)) is None
    assert capsys.readouterr().err.count("~sent0\n") == 5
    assert snapshot(data) == before


def test_interrupted_is_uninterrupted(chunks: Version, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def breaking(self: Crops, shard: int, real: Any = Crops.__call__) -> Any:
        calls.append(shard)
        if calls == [0, 1, 2]:
            raise RuntimeError("broken off")
        return real(self, shard)

    monkeypatch.setattr(Crops, "__call__", breaking)
    with pytest.raises(RuntimeError, match="broken off"):
        crop(chunks)
    made = crop(chunks)
    assert calls == [0, 1, 2, 2, 3, 4]
    assert parquet_bytes(made.folder) == parquet_bytes(built / "queries" / made.name)


def test_no_chunk_and_no_good_crop_are_versions_of_no_rows(
    chunks: Version, corpus_config: Corpus, tmp_path: Path
) -> None:
    made = crop(chunks, min_words=1000)
    assert rows_of(made) == []
    assert set(made.manifest["rows"]["rejected_by_reason"]) == {"too_short"}
    assert made.manifest["rows"]["rejected"] == 100
    (tmp_path / "digits.jsonl").write_text(json.dumps({"text": "12 " * 50}))
    empty = corpus.main(replace(corpus_config, data=tmp_path / "empty", source=str(tmp_path / "digits.jsonl")))
    assert empty is not None
    nothing = crop(empty, limit=3)
    assert nothing.manifest["rows"] == {"in": 0, "out": 0, "rejected": 0, "rejected_by_reason": {}}
    assert rows_of(nothing) == []


@pytest.mark.parametrize("name", ["per_chunk", "min_words", "limit", "processes"])
def test_a_setting_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} 0 leaves nothing") as told:
        CroppedSentences(**{name: 0})  # type: ignore[arg-type]
    assert told.value.exit_code == 2


def test_wrong_chunks_are_named(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    documents = find_version(data, "documents")
    for wrong, told in (
        ("chunks/nothing", r"no finished version chunks/nothing in .*there are chunks/"),
        (str(documents), "is a version of documents, and chunks is needed"),
        ("x" * 5000, "There is no finished version xxx"),
        ("nul \0", "There is no finished version nul"),
    ):
        with pytest.raises(UserError, match=told) as fault:
            main(CroppedSentences(wrong, data))
        assert fault.value.exit_code == 2
    with pytest.raises(UserError, match=r"no finished version of chunks .*build one first"):
        main(CroppedSentences(data=data / "nowhere"))
