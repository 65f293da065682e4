"""The rows of a release are those of its versions: each once, in files of bounded size, and never two under one key."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.cli.errors import UserError
from builders.releases import shards
from builders.releases.making import refuse_shapes
from builders.releases.manifests import parquet_files
from builders.releases.shards import Shards
from builders.store.content import content_hash
from builders.store.schemas import arrow_schema, columns
from builders.store.versions import Version
from tests.exports.making import chunk, hostile, query, triplet, written
from tests.making import rows_of
from tests.releases.making import manifest_of, released, rows_in, small


def both_splits(folder: Path, config: str) -> list[dict[str, Any]]:
    splits = manifest_of(folder)["configs"][config]["splits"]
    return [row for split in splits for row in rows_in(folder, config, split)]


def by_split(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for split in ("train", "heldout") for row in rows if row["split"] == split]


def test_rows_are_those_of_the_versions_in_their_order(tmp_path: Path) -> None:
    triplets = hostile(tmp_path / "data")
    folder = released([triplets], tmp_path / "out")
    inputs = {v.table: v for v in triplets.inputs()}
    for config, version in (("corpus", inputs["chunks"]), ("queries", inputs["queries"]), ("triplets", triplets)):
        assert both_splits(folder, config) == by_split(rows_of(version)) != []
        for split in manifest_of(folder)["configs"][config]["splits"]:
            assert {row["split"] for row in rows_in(folder, config, split)} == {split}


def test_a_split_without_rows_is_left_out(tmp_path: Path) -> None:
    folder = released([hostile(tmp_path / "data")], tmp_path / "out")
    configs = manifest_of(folder)["configs"]
    assert [list(about["splits"]) for about in configs.values()] == [["train"], *[["train", "heldout"]] * 3]
    assert not (folder / "corpus" / "heldout").exists()


def test_what_the_manifest_says_of_a_file_is_so(tmp_path: Path) -> None:
    folder = released([small(tmp_path / "data")], tmp_path / "out")
    manifest = manifest_of(folder)
    files = parquet_files(manifest["configs"])
    assert [f["path"] for f in files] == sorted(
        (p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")),
        key=[f["path"] for f in files].index,
    )
    digest = blake2b(digest_size=16)
    for file in sorted(files, key=lambda file: file["path"]):
        table = pq.read_table(folder / file["path"])
        assert (file["rows"], file["content_hash"]) == (len(table), content_hash(table))
        digest.update(f"{file['path']}\0{file['content_hash']}\n".encode())
    assert manifest["content_hash"] == digest.hexdigest()
    for config, record in (("corpus", "chunk"), ("queries", "query"), ("triplets", "triplet")):
        path = manifest["configs"][config]["splits"]["train"]["files"][0]["path"]
        assert pq.read_schema(folder / path).remove_metadata() == arrow_schema(record)
        assert pq.read_schema(folder / path).names == columns(record)


def test_what_several_versions_share_is_there_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = small(data)
    shared = [chunk(i, f"text {i}") for i in "defm"]
    chunks = written(data, "chunks", "chunk", [shared])
    queries = written(data, "queries", "query", [[query("r", "asks r"), query("q1", "asks 1")]], [chunks])
    second = written(data, "triplets", "triplet", [[triplet("r", ["d"], ["e", "m"])]], [chunks, queries])
    folder = released([first, second], tmp_path / "out")
    assert sorted(row["chunk_id"] for row in both_splits(folder, "corpus")) == list("abcdefghijklm")
    assert sorted(row["query_id"] for row in both_splits(folder, "queries")) == ["q0", "q1", "q2", "r"]
    assert len(both_splits(folder, "triplets")) == 4
    again = released([second, first], tmp_path / "again")  # the order of names in a command is no input
    assert manifest_of(again)["content_hash"] == manifest_of(folder)["content_hash"]


@pytest.mark.parametrize(("change", "column"), [({"text": "other"}, "text"), ({"split": "heldout"}, "split")])
def test_two_rows_under_one_key_do_not_belong_together(tmp_path: Path, change: dict[str, str], column: str) -> None:
    data = tmp_path / "data"
    versions = [small(data), small(data, **change)]
    chunks = sorted(str(next(v for v in one.inputs() if v.table == "chunks")) for one in versions)
    with pytest.raises(UserError) as refused:
        released(versions, tmp_path / "out")
    told = str(refused.value)
    assert told.startswith("a has one") if column == "text" else " has one split in chunks/" in told
    assert f"has one {column} in chunks/" in told and all(name in told for name in chunks)
    assert told.endswith("release one without the other, or make both again from the same versions.")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_two_windows_over_one_query_do_not_belong_together(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = small(data)
    second = written(data, "triplets", "triplet", [[triplet("q1", ["d"], ["g"])]], first.inputs())
    with pytest.raises(UserError, match=r"^q1\+sent has one negative_ids in triplets/\w+ and another in triplets/\w+:"):
        released([first, second], tmp_path / "out")


def test_a_model_that_a_server_knows_by_a_path_is_told_by_its_last_part(tmp_path: Path) -> None:
    data = tmp_path / "data"
    chunks = written(data, "chunks", "chunk", [[chunk(i, f"text {i}") for i in "abc"]])
    asked = [query("q", "asks q") | {"model": "/srv/quintessa/llama@1"}, query("r", "asks r") | {"model": "org/m@1"}]
    queries = written(data, "queries", "query", [asked], [chunks])
    row = triplet("q", ["a"], ["b"]) | {"retriever": "/srv/x/m@1+bm25", "judge": "listwise /srv/quintessa/llama@1 p"}
    folder = released([written(data, "triplets", "triplet", [[row]], [queries])], tmp_path / "out")
    assert [r["model"] for r in rows_in(folder, "queries")] == ["llama@1", "org/m@1"]
    (told,) = rows_in(folder, "triplets")
    assert told == row | {"retriever": "m@1+bm25", "judge": "listwise llama@1 p"}


def test_files_are_cut_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"text": [f"{'x' * 96}{n:04d}" for n in range(1000)]})

    def cut(rows: int, size: int) -> list[int]:
        monkeypatch.setattr(shards, "ROWS", rows)
        monkeypatch.setattr(shards, "BYTES", size)
        made = Shards(tmp_path / f"{rows}-{size}", "corpus", "train")
        for start in range(0, 1000, 30):
            made.write(table.slice(start, 30))
        made.close()
        read = [pq.read_table(tmp_path / f"{rows}-{size}" / file["path"]) for file in made.files]
        assert pa.concat_tables(read).equals(table)
        assert [f["path"] for f in made.files] == [f"corpus/train/{n:05d}.parquet" for n in range(len(read))]
        return [f["rows"] for f in made.files]

    assert cut(400, 10**9) == [400, 400, 200]
    assert cut(10**9, 104 * 300) == [300, 300, 300, 100]
    monkeypatch.setattr(shards, "GROUP_BYTES", 104 * 50)
    cut(1000, 10**9)
    file = pq.ParquetFile(tmp_path / "1000-1000000000" / "corpus/train/00000.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(20)] == [50] * 20


def test_a_version_of_other_columns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = small(tmp_path / "data")
    monkeypatch.setattr("builders.releases.choice.schema_hash", lambda record: "0" * 16)
    with pytest.raises(UserError, match=r"^chunks/\w+ was made when a row of chunks had other columns: make it again"):
        released([version], tmp_path / "out")


def test_opinions_of_other_columns_are_refused(tmp_path: Path) -> None:
    version = small(tmp_path / "data")
    opinions = written(tmp_path / "data", "opinions", "opinion", [[]], [version])
    path = opinions.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["identity"]["schema"] = "0" * 16
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"^opinions/\w+ was made when a row of opinions had other columns"):
        released([version, opinions], tmp_path / "out")


def test_triplets_without_a_row_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    version = small(tmp_path / "data", negatives=())
    with pytest.raises(UserError, match=rf"^{version} hold no row: `python -m builders.tables show {version}`"):
        released([version], tmp_path / "out")


def test_a_table_that_lacks_a_column_is_no_release_and_no_traceback(tmp_path: Path) -> None:
    shape = {"name": "schema.candidates", "status": "failed", "tables": ["candidates"]}
    fault = {"key": "own_rank", "detail": "00000.parquet has no column own_rank"}
    passed = {"name": "schema.candidates.own_rank", "status": "failed", "tables": ["candidates"], "examples": [fault]}
    refuse_shapes({"checks": [passed, shape | {"examples": []}]})
    with pytest.raises(UserError, match=r"^candidates cannot be released, since 00000\.parquet has no column own_rank"):
        refuse_shapes({"checks": [passed, shape | {"examples": [fault]}]})


def test_a_table_edited_by_hand_is_named_by_its_file(tmp_path: Path) -> None:
    version = small(tmp_path / "data")
    queries: Version = next(v for v in version.inputs() if v.table == "queries")
    (shard,) = queries.shards()
    pq.write_table(pq.read_table(shard).set_column(5, "text", [["asks 0", "asks 9", "asks 2"]]), shard)
    with pytest.raises(UserError, match=rf"^{shard} of {queries} was changed after it was written"):
        released([version], tmp_path / "out")
