"""`python -m builders.tables list | show | why | diff` on real small versions, and on damaged ones."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from builders import cropped_sentences
from builders.cli.command import run
from builders.store.building import building
from builders.store.schemas import reasons
from builders.store.versions import MANIFEST, Version, all_versions, find_version, latest_version
from builders.tables import Command, main, printed
from tests.making import parquet_bytes, plan, rejected_of, rows_of
from tests.store.test_lineage import queries


@pytest.fixture
def tables(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command and returns (exit status, stdout, stderr)."""

    def call(*arguments: object, data: Path) -> tuple[int, str, str]:
        status = run(Command, main, [*map(str, arguments), f"--data={data}"])  # type: ignore[arg-type]
        return status, *capsys.readouterr()

    return call


def test_list_names_every_version_and_what_is_unfinished(built: Path, chunks: Version, tables: Any) -> None:
    versions = list(all_versions(built))
    status, out, err = tables("list", data=built)
    assert (status, err) == (0, "")
    shown = [v for v in versions if v.table in ("documents", "chunks", "queries")]
    assert [line.split()[0] for line in out.splitlines()] == [str(v) for v in shown]
    assert re.search(rf"{chunks} +100 rows +\d+ rejected", out)
    _, out, _ = tables("list", "--all", data=built)
    assert [line.split()[0] for line in out.splitlines()] == [str(v) for v in versions]
    data = chunks.folder.parent.parent
    with building(plan(), data):
        _, out, _ = tables("list", data=data)
    assert f"numbers/{plan().version()}" in out.splitlines()[-1]
    assert "unfinished" in out.splitlines()[-1]
    assert "`python -m builders.corpus` makes one" in tables("list", data=data / "none")[1]


def test_show_says_how_a_version_was_made_and_what_was_rejected(built: Path, tables: Any) -> None:
    version = queries(built, "sent")
    status, out, _ = tables("show", version, "--rows=2", data=built)
    assert status == 0
    counts = version.manifest["rows"]
    assert f"{counts['in']:,} in, {counts['out']:,} out, {counts['rejected']:,} rejected" in out
    for reason, count in counts["rejected_by_reason"].items():
        assert re.search(rf"rejected +{count}  {reason} +{re.escape(reasons()[reason])}\n", out)
    assert '"per_chunk": 1' in out
    assert [row["query_id"] for row in rows_of(version)[:2]] == re.findall(r"  query_id +(.+)\n", out)
    assert tables("show", version.name[:6], "--rows=2", data=built)[1] == out
    assert tables("show", version.folder, "--rows=2", data=Path("elsewhere"))[1] == out

    _, out, _ = tables("show", version, "--rejected=whole_chunk", data=built)
    expected = [row["row_id"] for row in rejected_of(version) if row["reason"] == "whole_chunk"][:3]
    assert re.findall(r"  row_id +(.+)\n", out) == expected
    status, _, err = tables("show", version, "--rejected=whole_chonk", data=built)
    assert status == 2
    assert "did you mean whole_chunk?" in err


def test_why_prints_a_query_its_chunk_and_its_document(built: Path, tables: Any) -> None:
    version = queries(built, "qgen")
    row = rows_of(version)[10]
    status, out, _ = tables("why", row["query_id"], data=built)
    assert status == 0
    parts = out.split("made from")
    assert [re.findall(r"a row of (\w+)/", part) for part in parts] == [["queries"], ["chunks"], ["documents"]]
    assert row["text"] in parts[0]
    assert row["chunk_id"] in parts[1]
    assert f"document_id            {row['document_id']}\n" in parts[2]
    assert "Also in query_drafts/" in out


def test_why_of_a_rejected_row_prints_its_reason(built: Path, tables: Any) -> None:
    version = queries(built, "sent")
    for row in rejected_of(version)[:3] + rejected_of(find_version(built, "documents")):
        if row["reason"] == "duplicate_id":  # the id is the row's that was kept
            continue
        status, out, _ = tables("why", row["row_id"], data=built)
        assert status == 0
        assert out.startswith("rejected from ")
        assert f"reason                 {row['reason']}\n" in out
        assert row["detail"] in out


@pytest.mark.parametrize("row_id", ["no such row", "", "' OR 1=1 --", "x" * 5000, "a\nb"])
def test_why_of_an_unknown_id_is_an_error(chunks: Version, tables: Any, row_id: str) -> None:
    status, out, err = tables("why", row_id, data=chunks.folder.parent.parent)
    assert (status, out) == (1, "")
    assert "prints rows with their ids" in err


def test_diff_prints_kinds_causes_and_reasons(chunks: Version, tables: Any) -> None:
    data = chunks.folder.parent.parent
    made = [cropped_sentences.main(cropped_sentences.CroppedSentences(data=data, min_words=words)) for words in (4, 12)]
    a, b = (v for v in made if v)
    status, out, _ = tables("diff", a, b, "--rows=2", data=data)
    assert status == 0
    before, after = ({row["query_id"]: row["text"] for row in rows_of(v)} for v in (a, b))
    lost, same = len(before.keys() - after.keys()), sum(after.get(i) == text for i, text in before.items())
    assert min(lost, same) > 5
    assert f"{same} rows are the same\n" in out
    assert f"{lost} dropped by config (rejected in {b}: {lost} too_short)\n" in out
    assert len(re.findall(r"^  notes/.*~sent0$", out, re.MULTILINE)) == 4
    assert tables("diff", b, a, data=data)[1].count(f"{lost} added by config") == 1


def test_a_name_that_fits_several_versions_or_none_is_an_error(chunks: Version, tables: Any) -> None:
    data = chunks.folder.parent.parent
    clusters = find_version(data, "clusters")
    for wanted, told in (
        ("c", f"names 2 versions ({clusters}, {chunks}): give more"),
        ("chonks", "There is no finished version chonks in"),
        ("x" * 1000, "There is no finished version xxx"),
    ):
        status, out, err = tables("show", wanted, data=data)
        assert (status, out) == (2, "")
        assert told in err
        assert err.count("\n") == 1


def test_a_copied_or_moved_version_does_not_hide_the_original(chunks: Version, tables: Any) -> None:
    data = chunks.folder.parent.parent
    copy = chunks.folder.with_name("backup")
    shutil.copytree(chunks.folder, copy)
    assert find_version(data, str(chunks)).folder == chunks.folder
    status, _, err = tables("show", chunks.name[:5], data=data)
    assert status == 2
    assert str(copy) in err
    shutil.rmtree(chunks.folder)
    moved = copy.rename(data / "chunks" / "moved")
    assert parquet_bytes(find_version(data, str(chunks)).folder) == parquet_bytes(moved)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"17", b'{"table": "chunks"}', b"\xff\xfe"])
def test_a_damaged_manifest_is_named(chunks: Version, tables: Any, damage: bytes) -> None:
    (chunks.folder / MANIFEST).write_bytes(damage)
    for command in (["list"], ["show", "chunks"], ["why", "x"], ["diff", "chunks", "chunks"]):
        status, out, err = tables(*command, data=chunks.folder.parent.parent)
        assert (status, out) == (1, "")
        assert err.startswith(f"Error: The manifest {chunks.folder / MANIFEST} is damaged (")
        assert err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"PAR1 not really PAR1"])
def test_a_missing_or_damaged_shard_is_named(chunks: Version, tables: Any, content: bytes | None) -> None:
    shard = chunks.shards()[0]
    shard.unlink()
    if content is not None:
        shard.write_bytes(content)
    for command in (["show", "chunks"], ["why", "x"]):
        status, _, err = tables(*command, data=chunks.folder.parent.parent)
        assert status == 1
        assert "missing or damaged" in err
        assert str(shard.parent) in err


def test_the_latest_version_is_the_one_finished_last(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    for name in ("000", "fff"):  # in the same second: the order in which they were written decides
        folder = data / "chunks" / name
        shutil.copytree(chunks.folder, folder, ignore=shutil.ignore_patterns(MANIFEST))
        (folder / MANIFEST).write_text(json.dumps(chunks.manifest | {"version": name}))
        assert latest_version(data, "chunks").name == name
    (data / "chunks" / "000" / MANIFEST).write_text(json.dumps(chunks.manifest | {"version": "000"}))
    assert latest_version(data, "chunks").name == find_version(data, "chunks").name == "000"


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = printed({"text": "a\x1b[2Jb\u202ec\nd", "score": 0.123456789, "long": "y" * 700})
    assert "a\\x1b[2Jb\\u202ec\n" in text
    assert "0.123457" in text
    assert "… (700 characters)" in text
    assert "\x1b" not in text
