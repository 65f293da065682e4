"""documents -> chunks: offsets, reasons, clusters and split, whatever the sharding, the processes, and what broke off."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from builders import corpus
from builders.cli.command import guarded
from builders.cli.errors import UserError
from builders.corpus import Corpus
from builders.store.building import Building
from builders.store.versions import Version, all_versions, find_version
from builders.text.chunk_shards import Chunks, Drafts
from builders.text.hashes import normalise, text_hash
from builders.text.tokens import load_tokenizer
from tests.making import parquet_bytes, rejected_of, rows_of, snapshot

TABLES = ("documents", "signatures", "clusters", "chunks")


def corpus_bytes(data: Path) -> dict[str, bytes]:
    """The Parquet files of the corpus's own tables."""
    return {k: v for table in TABLES for k, v in parquet_bytes(data / table).items()}


def make(config: Corpus, data: Path, **changes: Any) -> Version:
    made = corpus.main(replace(config, data=data, **changes))
    assert made is not None
    return made


def test_a_chunk_is_the_documents_text_from_start_to_end(built: Path, tokenizer_file: Path) -> None:
    texts = {row["document_id"]: row["text"] for row in rows_of(find_version(built, "documents"))}
    tokenizer = load_tokenizer(tokenizer_file)
    covered: dict[str, list[tuple[int, int]]] = defaultdict(list)
    sentences = 0
    for row in rows_of(find_version(built, "chunks")):
        assert row["text"] == texts[row["document_id"]][row["start"] : row["end"]] == row["text"].strip()
        assert row["tokens"] == len(tokenizer.encode(row["text"], add_special_tokens=False).ids) <= 96
        assert (row["text_hash"], row["normalised_text_hash"]) == (
            text_hash(row["text"]),
            text_hash(normalise(row["text"])),
        )
        assert row["sentence_starts"][0] == 0
        assert all(not row["text"][at].isspace() for at in row["sentence_starts"])
        covered[row["document_id"]].append((row["start"], row["end"]))
        sentences += len(row["sentence_starts"])
    for document_id, spans in covered.items():
        ends = [0, *(end for _, end in sorted(spans))]
        assert all(not texts[document_id][a:b].strip() for a, (b, _) in zip(ends, sorted(spans), strict=False))
        assert ends[-1] == len(texts[document_id])
    assert set(texts) - set(covered) == {"notes/digits"}
    assert sentences > 200


def test_what_was_left_out_is_kept_with_its_reason(built: Path) -> None:
    rejected = {row["detail"]: row for row in rejected_of(find_version(built, "documents"))}
    assert Counter(row["reason"] for row in rejected.values()) == {"duplicate_id": 1, "empty": 2, "invalid_row": 1}
    (twice,) = [row for row in rejected.values() if row["reason"] == "duplicate_id"]
    assert twice["row_id"] == "notes/en-00"
    assert twice["raw"].startswith("Another text stands under an id")
    (number,) = [row for row in rejected.values() if row["reason"] == "invalid_row"]
    assert "row 41: text: 17 is not of type 'string'" in number["detail"]
    assert {row["row_id"].split("#")[0] for row in rejected_of(find_version(built, "signatures"))} == {"notes/digits"}


def test_near_copies_share_a_cluster_and_a_split(built: Path) -> None:
    rows = rows_of(find_version(built, "chunks"))
    of = defaultdict(set)
    for row in rows:
        of[row["document_id"]].add((row["cluster_id"], row["split"]))
    assert of["notes/en-00"] == of["notes/exact"] == of["notes/near"]
    splits = defaultdict(set)
    for row in rows:
        splits[row["cluster_id"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "heldout"}


def test_other_shards_make_the_same_rows(corpus_config: Corpus, built: Path, tmp_path: Path) -> None:
    one_shard = make(corpus_config, tmp_path)
    several = find_version(built, "chunks")
    assert len(one_shard.shards()) == 1 < len(several.shards())
    assert rows_of(one_shard) == sorted(rows_of(several), key=lambda row: row["chunk_id"])


@pytest.mark.slow
def test_two_processes_make_the_bytes_of_one(
    corpus_config: Corpus, built: Path, tmp_path: Path, small_shards: None
) -> None:
    make(corpus_config, tmp_path, processes=2)
    assert corpus_bytes(tmp_path) == corpus_bytes(built)


def test_a_run_that_broke_off_in_every_pass_ends_as_one_that_did_not(
    corpus_config: Corpus, built: Path, tmp_path: Path, small_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Counter[tuple[str, int]]()
    for stage, real in ((Drafts, Drafts.__call__), (Chunks, Chunks.__call__)):

        def breaking(self: Any, shard: int, name: str = stage.__name__, real: Any = real) -> Any:
            calls[name, shard] += 1
            if shard == 3 and calls[name, shard] == 1:
                raise RuntimeError("broken off")
            return real(self, shard)

        monkeypatch.setattr(stage, "__call__", breaking)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken off"):
            make(corpus_config, tmp_path)
    make(corpus_config, tmp_path)
    assert corpus_bytes(tmp_path) == corpus_bytes(built)
    assert calls == {(stage, i): 1 + (i == 3) for stage in ("Drafts", "Chunks") for i in range(5)}


def test_a_second_run_says_that_all_is_built_and_writes_nothing(
    corpus_config: Corpus, chunks: Version, small_shards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = chunks.folder.parent.parent
    before = snapshot(data)
    assert make(corpus_config, data).manifest == chunks.manifest
    assert capsys.readouterr().err.count("already built: ") == 4
    assert snapshot(data) == before
    assert corpus.main(replace(corpus_config, data=data, dry_run=True, max_tokens=32)) is None
    assert "sentences" in capsys.readouterr().err
    assert snapshot(data) == before


def test_a_limit_above_the_rows_changes_no_row(
    corpus_config: Corpus, built: Path, tmp_path: Path, small_shards: None
) -> None:
    assert rows_of(make(corpus_config, tmp_path, limit=10**30)) == rows_of(find_version(built, "chunks"))
    few = make(corpus_config, tmp_path, limit=2)
    assert {row["document_id"] for row in rows_of(few)} == {"notes/en-00", "notes/de-01"}


FULL = """
import resource, sys
from builders import corpus
from builders.cli.command import run
from builders.text import ingest
ingest.SHARD_DOCUMENTS = 9
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(run(corpus.Corpus, corpus.main, sys.argv[2:]))
"""


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(
    corpus_config: Corpus, built: Path, tmp_path: Path, small_shards: None
) -> None:
    largest = max(len(content) for name, content in parquet_bytes(built / "documents").items())
    given = {k: v for k, v in asdict(corpus_config).items() if k in ("source", "tokenizer", "max_tokens", "heldout")}
    arguments = [f"--{k.replace('_', '-')}={v}" for k, v in (given | {"data": tmp_path / "data"}).items()]
    command = [sys.executable, "-c", FULL, str(largest + 200), *arguments]
    told = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}, check=False
    )
    assert told.returncode == 1, told.stderr
    assert told.stderr.splitlines()[-1].startswith("Error: Cannot write ")
    assert "larger than this system allows. What is finished is kept" in told.stderr
    assert "Traceback" not in told.stderr
    assert told.stdout == ""
    assert [v.table for v in all_versions(tmp_path / "data")] == ["documents"]
    make(corpus_config, tmp_path / "data")
    assert corpus_bytes(tmp_path / "data") == corpus_bytes(built)


def test_a_file_in_the_place_of_the_data_folder_is_one_sentence(
    corpus_config: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "documents").write_text("a file")
    for data in (tmp_path / "data", tmp_path / "below", tmp_path / ("x" * 300)):
        assert guarded(lambda data=data: make(corpus_config, data)) == 1  # type: ignore[misc]
        told = capsys.readouterr()
        assert f"Error: Cannot open {data}" in told.err
        assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_tokens": 7}, "--max-tokens 7 is too short"),
        ({"heldout": 1.0}, "--heldout 1.0 is not a share"),
        ({"heldout": float("nan")}, "--heldout nan is not a share"),
        ({"limit": 0}, "--limit 0 reads nothing"),
        ({"processes": 0}, "--processes 0 reads nothing"),
        ({"columns": {"txt": "body"}}, r"--columns: txt is not one of .*did you mean text\?"),
        ({"name": ""}, "name '' cannot stand in an id"),
        ({"name": "a\nb"}, r"name 'a\\nb' cannot stand in an id"),
        ({"tokenizer": "tests"}, "The folder tests holds no tokenizer.json"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    corpus_config: Corpus, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told) as fault:
        make(corpus_config, tmp_path, **changes)
    assert fault.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_source_of_nothing_says_what_was_wrong_with_it(corpus_config: Corpus, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": ""}\n{"text": "\\u0007"}\n')
    with pytest.raises(UserError, match=r"bad has no usable document: .*empty \(row 1: text: it is empty\)"):
        make(corpus_config, tmp_path / "data", source=str(tmp_path / "bad.jsonl"))


def test_a_file_that_is_no_tokenizer_is_named(corpus_config: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"notes\.jsonl is not a tokenizer\.json \(.+\): name one"):
        make(corpus_config, tmp_path, tokenizer=corpus_config.source)


def test_manifests_hold_no_path_of_this_machine(built: Path, corpus_config: Corpus) -> None:
    manifests = [(v.folder / "manifest.json").read_text() for v in all_versions(built)]
    assert sum('"tokenizer": "tokenizer.json"' in text for text in manifests) == 2
    for folder in (
        built,
        Path(corpus_config.source).parent,
        Path(corpus_config.tokenizer).parent,
        Path.cwd(),
        Path.home(),
    ):
        assert not any(str(folder) in text for text in manifests)


def test_a_corpus_without_a_chunk_is_a_version_of_no_rows(corpus_config: Corpus, tmp_path: Path) -> None:
    (tmp_path / "digits.jsonl").write_text('{"text": "%s"}\n' % ("12 " * 50))
    made = make(corpus_config, tmp_path / "data", source=str(tmp_path / "digits.jsonl"))
    assert rows_of(made) == []
    signatures = find_version(tmp_path / "data", "signatures")
    assert signatures.manifest["rows"]["rejected_by_reason"] == {"not_text": 2}


def test_names_that_are_not_utf8_are_spelled_out(corpus_config: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in (b"one\xff.txt", b"one\xfe.txt", b"empty\xff.txt"):
        text = "" if name.startswith(b"e") else f"A page whose name holds a byte {name!r} that no UTF-8 can hold."
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text(text)
    made = make(corpus_config, tmp_path / "data", source=str(folder))
    assert [row["document_id"] for row in rows_of(made)] == ["pages/one\\udcfe.txt", "pages/one\\udcff.txt"]
    assert rejected_of(find_version(tmp_path / "data", "documents"))[0]["row_id"] == "pages/empty\\udcff.txt"


def test_a_run_killed_between_two_shards_of_documents_goes_on(
    corpus_config: Corpus, built: Path, tmp_path: Path, small_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def breaking(made: Any, shard: int, *rest: Any, real: Any = Building.write) -> None:
        if shard == 2 and not written:
            written.append(shard)
            raise OSError(28, "No space left on device")
        real(made, shard, *rest)

    monkeypatch.setattr(Building, "write", breaking)
    assert guarded(lambda: make(corpus_config, tmp_path)) == 1
    make(corpus_config, tmp_path)
    assert corpus_bytes(tmp_path) == corpus_bytes(built)
    facts = json.loads((find_version(tmp_path, "documents").folder / "manifest.json").read_text())
    assert facts["rows"] == find_version(built, "documents").manifest["rows"]


def test_a_document_called_like_a_chunk_does_not_stand_among_its_chunks(tmp_path: Path, tokenizer_file: Path) -> None:
    rows = [
        {"id": "x", "text": "The first sentence is here.\n\nThe second one follows.\n\nThe third one ends it."},
        {"id": "x#0001", "text": "Something else is told in this one."},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = corpus.Corpus(str(tmp_path / "rows.jsonl"), data=tmp_path, tokenizer=str(tokenizer_file), max_tokens=20)
    made = corpus.main(config)
    assert made is not None
    owners = [row["document_id"] for row in rows_of(made)]
    assert owners.count("rows/x") > 1
    assert owners == sorted(owners)
    assert owners[-1] == "rows/x%230001"
