"""Every target is read back by the fields that its tool documents, to the very texts that were put in."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.export import TARGETS, Export, export
from builders.exports import files, rows, writing
from builders.store.versions import Version
from builders.text.documents import Document
from builders.text.readers import open_source
from tests.exports.making import hostile
from tests.making import rows_of

# (query, positives, negatives), texts or ids
Row = tuple[str, list[str], list[str]]


@pytest.fixture(scope="module")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return hostile(tmp_path_factory.mktemp("hostile") / "data")


def exported(triplets: Version, out: Path, to: Any, **options: Any) -> Path:
    made = export(Export((str(triplets),), to, out, triplets.folder.parent.parent, **options))
    assert made == out
    return out


def expected(triplets: Version, split: str, *, texts: bool) -> list[Row]:
    """The rows of a split as they stand in the tables, their ids replaced by their texts where `texts`."""
    known: dict[str, str] = {}
    for version in triplets.inputs():
        known |= {row.get("query_id") or row["chunk_id"]: row["text"] for row in rows_of(version)}
    of = known.__getitem__ if texts else str
    return [
        (of(row["query_id"]), [of(i) for i in row["positive_ids"]], [of(i) for i in row["negative_ids"]])
        for row in rows_of(triplets)
        if row["split"] == split
    ]


def json_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("heldout", "test")])
def test_flagembedding_has_its_texts_in_lists(triplets: Version, tmp_path: Path, split: Any, name: str) -> None:
    out = exported(triplets, tmp_path / "out", "flagembedding", split=split)
    read = json_lines(out / name / "rows.jsonl")
    assert [(row["query"], row["pos"], row["neg"]) for row in read] == expected(triplets, split, texts=True)
    assert {tuple(row) for row in read} == {("query", "pos", "neg")}
    # given a folder, it takes all of its .json and .jsonl for training data
    assert [path.name for path in (out / name).iterdir()] == ["rows.jsonl"]


def test_flagembedding_has_scores_and_a_prompt_where_they_are_asked_for(triplets: Version, tmp_path: Path) -> None:
    out = exported(triplets, tmp_path / "out", "flagembedding", scores=True, query_prefix="Query: ")
    read = json_lines(out / "train" / "rows.jsonl")
    kept = [row for row in rows_of(triplets) if row["split"] == "train"]
    assert [row["pos_scores"] for row in read] == [row["positive_scores"] for row in kept]
    assert [row["neg_scores"] for row in read] == [row["negative_scores"] for row in kept]
    assert {row["prompt"] for row in read} == {"Query: "}
    assert [row["query"] for row in read] == [row[0] for row in expected(triplets, "train", texts=True)]


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("heldout", "test")])
@pytest.mark.parametrize("prefix", ["", 'Query:\t"'])
def test_tevatron_has_ids_and_a_corpus(triplets: Version, tmp_path: Path, split: Any, name: str, prefix: str) -> None:
    out = exported(triplets, tmp_path / "out", "tevatron", split=split, query_prefix=prefix)
    read = json_lines(out / f"{name}.jsonl")
    corpus = {row["docid"]: row["text"] for row in json_lines(out / "corpus.jsonl")}
    kinds = ("positive_document_ids", "negative_document_ids")
    found = [(row["query_id"], row[kinds[0]], row[kinds[1]]) for row in read]
    assert found == expected(triplets, split, texts=False)
    by_text = [(row["query_text"], *([corpus[i] for i in row[kind]] for kind in kinds)) for row in read]
    assert by_text == [(prefix + query, *rest) for query, *rest in expected(triplets, split, texts=True)]
    assert corpus.keys() == {i for row in found for ids in row[1:] for i in ids}


def test_automodel_has_ids_a_corpus_and_its_metadata(triplets: Version, tmp_path: Path) -> None:
    out = exported(triplets, tmp_path / "out", "automodel", split="all")
    for split, name in (("train", "train"), ("heldout", "test")):
        whole = json.loads((out / f"{name}.json").read_bytes())
        folder = out / whole["corpus"][0]["path"]
        metadata = json.loads((folder / "merlin_metadata.json").read_bytes())
        assert metadata["class"] == "TextQADataset"
        assert {row["corpus_id"] for row in whole["data"]} == {metadata["corpus_id"]}
        corpus = {row["id"]: row["text"] for row in pq.read_table(folder / "train-00000.parquet").to_pylist()}
        kinds = ("pos_doc", "neg_doc")
        found = [(r["question_id"], *([one["id"] for one in r[kind]] for kind in kinds)) for r in whole["data"]]
        assert found == expected(triplets, split, texts=False)
        by_text = [(r["question"], *([corpus[one["id"]] for one in r[kind]] for kind in kinds)) for r in whole["data"]]
        assert by_text == expected(triplets, split, texts=True)


def test_beir_has_all_chunks_both_splits_and_positives_only(triplets: Version, tmp_path: Path) -> None:
    out = exported(triplets, tmp_path / "out", "beir")
    chunks = {row["chunk_id"]: row for row in rows_of(triplets.inputs()[0])}
    corpus = json_lines(out / "corpus.jsonl")
    fields = ("text", "title", "language")
    assert [(row["_id"], *map(row.get, fields)) for row in corpus] == [
        (i, *map(row.get, fields)) for i, row in chunks.items()
    ]
    queries = {row["_id"]: row["text"] for row in json_lines(out / "queries.jsonl")}
    assert queries == {row["query_id"]: row["text"] for row in rows_of(triplets.inputs()[1])}
    for split, name in (("train", "train"), ("heldout", "test")):
        with (out / "qrels" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        assert header == ["query-id", "corpus-id", "score"]
        pairs = [
            [query, chunk, "1"] for query, positives, _ in expected(triplets, split, texts=False) for chunk in positives
        ]
        assert lines == pairs


def test_our_own_reader_reads_the_corpus_of_beir(triplets: Version, tmp_path: Path) -> None:
    out = exported(triplets, tmp_path / "out", "beir")
    read = [row for row in open_source(str(out)).read() if isinstance(row, Document)]
    chunks = rows_of(triplets.inputs()[0])
    assert {(row.id, row.text, row.title, row.language) for row in read} == {
        (row["chunk_id"], row["text"], row["title"].strip(), row["language"]) for row in chunks
    }
    assert len(read) == len(chunks)


@pytest.mark.parametrize("to", TARGETS)
def test_the_size_of_batches_changes_no_row(
    triplets: Version, tmp_path: Path, to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(folder: Path) -> dict[str, Any]:
        parquet = sorted(folder.rglob("*.parquet"))
        tables = {
            name: [r for p in parquet if p.name.startswith(name) for r in pq.read_table(p).to_pylist()]
            for name in ("train", "test")
        }
        plain = {
            p.name: p.read_bytes()
            for p in folder.rglob("*")
            if p.suffix in (".jsonl", ".json", ".tsv") and p.name != "export.json"
        }
        return tables | plain

    whole = contents(exported(triplets, tmp_path / "whole", to, split="all"))
    monkeypatch.setattr(rows, "BATCH", 7)
    monkeypatch.setattr(writing, "TEXTS", 12)
    monkeypatch.setattr(files, "PARQUET_ROWS", 5)
    parts = exported(triplets, tmp_path / "parts", to, split="all")
    assert contents(parts) == whole
    if to == "sentence-transformers":
        assert len(list(parts.glob("train-*.parquet"))) == 4


@settings(deadline=None, max_examples=25)
@given(texts=st.lists(st.text(), min_size=1, max_size=4), lists=st.lists(st.lists(st.text(max_size=3)), min_size=1))
def test_any_text_comes_back_from_json_and_lists(
    texts: list[str], lists: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import polars as pl

    folder = tmp_path_factory.mktemp("any")
    frame = pl.DataFrame({"text": texts, "list": [lists[i % len(lists)] for i in range(len(texts))]})
    again = frame.with_columns(list=rows.list_of(rows.flat(frame["list"]), frame["list"]))
    assert again["list"].to_list() == frame["list"].to_list()
    lines, array = (
        files.JsonLines(folder / "a.jsonl", lambda part: part),
        files.JsonArray(folder / "a.json", '{"a": 1', lambda part: part),
    )
    for writer in (lines, array):
        for part in frame.iter_slices(2):
            writer.write(part)
        writer.close()
    assert json_lines(folder / "a.jsonl") == frame.to_dicts()
    assert json.loads((folder / "a.json").read_bytes()) == {"a": 1, "data": frame.to_dicts()}
