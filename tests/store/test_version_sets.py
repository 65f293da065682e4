"""A set of versions: everything behind what is named, in order, and no file that was changed by hand."""

import json
import shutil
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.store.version_sets import verify_files, version_set
from builders.store.versions import all_versions, find_version


def test_a_set_holds_all_that_is_behind_the_named_ones_and_makers_come_first(searched: Path) -> None:
    candidates = find_version(searched, "candidates")
    found = version_set([candidates])
    assert found.named == (candidates,)
    names = [str(v) for v in found.versions]
    assert len(names) == len(set(names)) >= 6
    assert {"documents", "signatures", "clusters", "chunks", "queries", "candidates"} <= {
        v.table for v in found.versions
    }
    for version in found.versions:
        for given in version.manifest["identity"]["inputs"]:
            assert names.index(f"{given['table']}/{given['version']}") < names.index(str(version))
    others = {str(v) for v in all_versions(searched)} - set(names)
    assert any(name.startswith("queries/") for name in others)  # the QGen queries, which nothing here was made from


def test_a_version_named_twice_is_there_once(searched: Path) -> None:
    candidates = find_version(searched, "candidates")
    assert version_set([candidates, candidates]) == version_set([candidates])


def test_what_is_behind_a_version(searched: Path) -> None:
    candidates = find_version(searched, "candidates")
    found = version_set([candidates])
    assert found.behind(candidates, "chunks") == found.of("chunks") != []
    assert found.behind(candidates, "candidates") == [candidates]
    assert found.behind(found.of("documents")[0], "chunks") == []


def test_a_file_changed_by_hand_is_named(searched: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(searched, tmp_path / "data"))
    version = find_version(data, "candidates")
    verify_files(version)
    shard = version.shards()[1]
    content = bytearray(shard.read_bytes())
    content[50] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(UserError, match=rf"{shard.name} of {version} was changed"):
        verify_files(version)
    shard.unlink()
    with pytest.raises(UserError, match=rf"{shard.name} of {version} is missing"):
        verify_files(version)


def test_a_version_whose_input_holds_other_rows_now_is_refused(searched: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(searched, tmp_path / "data"))
    path = find_version(data, "chunks").folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"content_hash": "0" * 32}))
    with pytest.raises(UserError, match="when that held other rows"):
        version_set([find_version(data, "candidates")])
