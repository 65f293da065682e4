"""From a row to its document, through the very versions that it was made from."""

import json
import shutil
from pathlib import Path

import pytest

from builders import corpus, cropped_sentences
from builders.cli.errors import UserError
from builders.store.lineage import chain, find_row, parents
from builders.store.versions import Version, find_version
from tests.corpora import documents
from tests.making import rejected_of, rows_of


def queries(data: Path, method: str) -> Version:
    stage = {"sent": "builders.cropped_sentences", "qgen": "builders.synthetic_queries"}[method]
    (name,) = [p.parent for p in data.glob("queries/*/manifest.json") if json.loads(p.read_text())["stage"] == stage]
    return find_version(data, str(name))


@pytest.mark.parametrize("method", ["sent", "qgen"])
def test_every_query_leads_to_its_chunk_and_its_document(built: Path, method: str) -> None:
    chunks = {row["chunk_id"]: row for row in rows_of(find_version(built, "chunks"))}
    texts = {row["document_id"]: row for row in rows_of(find_version(built, "documents"))}
    rows = rows_of(queries(built, method))
    assert len(rows) > 60
    for row in rows[::15]:
        found = find_row(built, row["query_id"])
        assert [link.version.table for link in found] == ["queries", "query_drafts"]
        links = chain(found[0])
        assert [link.row for link in links] == [row, chunks[row["chunk_id"]], texts[row["document_id"]]]
        assert [link.version.table for link in links] == ["queries", "chunks", "documents"]
        assert texts[row["document_id"]]["text"][links[1].row["start"] : links[1].row["end"]] == links[1].row["text"]


def test_a_rejected_row_is_found_with_its_reason(built: Path) -> None:
    version = queries(built, "sent")
    rows = rejected_of(version)
    assert {row["reason"] for row in rows} >= {"duplicate", "whole_chunk"}
    for row in rows:
        found = find_row(built, row["row_id"])[0]
        assert (str(found.version), found.row, found.rejected) == (str(version), row, True)
        links = chain(found)
        assert [link.version.table for link in links] == ["queries", "chunks", "documents"]
        assert row["raw"] in " ".join(links[1].row["text"].split())


def test_a_row_is_taken_from_the_inputs_of_its_own_version(chunks: Version) -> None:
    """A second version of the same chunks is newer, and is not what the query was made from."""
    data = chunks.folder.parent.parent
    sent = cropped_sentences.main(cropped_sentences.CroppedSentences(data=data))
    newer = data / "chunks" / "000"
    shutil.copytree(chunks.folder, newer)
    manifest = json.loads((newer / "manifest.json").read_text())
    (newer / "manifest.json").write_text(json.dumps(manifest | {"version": "000", "finished": "2999-01-01T00:00:00Z"}))
    assert sent is not None
    row = rows_of(sent)[0]
    assert str(find_row(data, row["chunk_id"])[0].version) == "chunks/000"
    assert str(chain(find_row(data, row["query_id"])[0])[1].version) == str(chunks)


def test_a_deleted_input_is_passed_over_and_an_unknown_id_is_nowhere(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    row = rows_of(chunks)[0]
    assert len(chain(find_row(data, row["chunk_id"])[0])) == 2
    shutil.rmtree(data / "documents")
    found = find_row(data, row["chunk_id"])[0]
    assert list(parents(found)) == [("documents", row["document_id"])]
    assert [link.row for link in chain(found)] == [row]
    assert find_row(data, "no such row") == []


def test_a_missing_shard_is_one_sentence(chunks: Version) -> None:
    chunks.shards()[2].unlink()
    with pytest.raises(UserError, match=r"missing or damaged.*delete the version's folder"):
        find_row(chunks.folder.parent.parent, "no such row")


ODD = [
    "a'b",
    'a"b',
    "a/../b",
    "a#0000",
    "%s {x}",
    "北の川",
    "-",
    "x" * 1000,
    "a~sent0",
    "\\N",
    "$id",
    "; DROP TABLE chunks",
]


def test_ids_of_odd_characters_are_followed_like_others(tmp_path: Path, tokenizer_file: Path) -> None:
    rows = [row | {"id": odd} for row, odd in zip(documents(len(ODD)), ODD, strict=True)]
    rows += [rows[0] | {"id": "two\nlines\t\u202e"}]
    (tmp_path / "odd.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = tmp_path / "data"
    corpus.main(corpus.Corpus(str(tmp_path / "odd.jsonl"), data=data, tokenizer=str(tokenizer_file), heldout=0))
    for odd in [*ODD, "two lines"]:
        document_id = f"odd/{odd.replace('#', '%23')}"
        found = find_row(data, f"{document_id}#0000")
        assert [link.row["document_id"] for link in chain(found[0])] == [document_id] * 2
        assert not found[0].rejected
