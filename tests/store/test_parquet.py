"""One Parquet file: the same rows are the same bytes, whole or not there."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.store.building import rejection
from builders.store.content import content_hash
from builders.store.parquet import sorted_table, storable, write_bytes, write_parquet
from builders.store.versions import all_versions, read_rows, read_table
from tests.making import rows_of

ODD_IDS = ["", "a\nb", "quote \" and '", "slash/../../up", "nul \0", "x" * 1000, "北#0001~sent0", "\u202e", "-rf", "🎉"]
ROWS = [rejection(i, "empty", f"row {n}", "raw") for n, i in enumerate(ODD_IDS)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.lists(TEXTS, unique=True, min_size=2, max_size=8))
def test_rows_in_another_order_are_the_same_bytes(tmp_path_factory: Any, data: st.DataObject, ids: list[str]) -> None:
    folder = tmp_path_factory.mktemp("order")
    rows = [rejection(i, "empty", i[::-1], i) for i in ids]
    one = write_parquet(folder / "one", rows, "rejection")
    two = write_parquet(folder / "two", data.draw(st.permutations(rows)), "rejection")
    assert one == two
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    assert read_rows(folder / "one") == sorted(rows, key=lambda row: row["row_id"])


def test_odd_ids_come_back_as_they_went(tmp_path: Path) -> None:
    facts = write_parquet(tmp_path / "odd.parquet", ROWS, "rejection")
    assert {r["row_id"] for r in read_rows(tmp_path / "odd.parquet")} == set(ODD_IDS)
    assert facts["rows"] == len(ODD_IDS)
    assert facts["sha256"] == sha256((tmp_path / "odd.parquet").read_bytes()).hexdigest()
    assert facts["bytes"] == (tmp_path / "odd.parquet").stat().st_size


def test_the_content_hash_is_of_the_rows_and_not_of_the_file(built: Path, tmp_path: Path) -> None:
    chunks = next(v for v in all_versions(built) if v.table == "chunks")
    rows = sorted(rows_of(chunks), key=lambda row: row["chunk_id"])
    facts = write_parquet(tmp_path / "ours", rows, "chunk")
    other: dict[str, Any] = {"compression": "snappy", "row_group_size": 7, "use_dictionary": False, "version": "1.0"}
    pq.write_table(pq.read_table(tmp_path / "ours"), tmp_path / "other", **other)
    assert (tmp_path / "ours").read_bytes() != (tmp_path / "other").read_bytes()
    ours = sorted_table(rows, "chunk")
    assert facts["content_hash"] == content_hash(read_table(tmp_path / "other")) == content_hash(ours)
    rows[3] = rows[3] | {"language_confidence": rows[3]["language_confidence"] / 2 + 0.1}
    assert content_hash(sorted_table(rows, "chunk")) != facts["content_hash"]


def test_the_file_in_a_manifest_has_the_hash_that_is_said(built: Path) -> None:
    versions = list(all_versions(built))
    for version in versions:
        for file in version.manifest["files"]:
            content = (version.folder / file["path"]).read_bytes()
            assert file["sha256"] == sha256(content).hexdigest()
            assert file["content_hash"] == content_hash(read_table(version.folder / file["path"]))
    assert len(versions) >= 7


@pytest.mark.parametrize("before", [None, b"the file of an earlier run"])
def test_a_failure_in_the_middle_leaves_nothing_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    def half(table: pa.Table, where: Path, **_: Any) -> None:
        where.write_bytes(b"PAR1 half of it")
        raise OSError(28, "No space left on device")

    path = tmp_path / "rows.parquet"
    if before:
        path.write_bytes(before)
    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(OSError, match="No space"):
        write_parquet(path, ROWS, "rejection")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize("value", [None, 3, "lone \ud800 surrogate"])
def test_a_value_that_the_column_cannot_hold_is_not_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises((pa.ArrowException, ValueError, TypeError)):
        write_parquet(tmp_path / "rows.parquet", [ROWS[0] | {"detail": value}], "rejection")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def noted(handle: int, fsync: Any = os.fsync) -> None:
        seen.append((Path(os.readlink(f"/proc/self/fd/{handle}")).name, (tmp_path / "facts.json").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_bytes(tmp_path / "facts.json", b"{}")
    (temporary, named_before), (parent, named_after) = seen
    assert temporary.startswith(".facts.json.")
    assert (named_before, parent, named_after) == (False, tmp_path.name, True)


@given(st.text())
def test_a_storable_text_is_utf8_and_only_surrogates_change(text: str) -> None:
    kept = storable(text)
    assert kept.encode().decode() == kept
    surrogates = any(0xD800 <= ord(c) < 0xE000 for c in text)
    assert (kept != text) is surrogates
