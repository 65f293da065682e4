"""What changed since the release before: counted by brute force, told in CHANGELOG.md, and the version that it asks for."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.releases.changelog import cell
from builders.releases.changes import version_changes
from builders.releases.previous import read_previous
from builders.store.schemas import key_column
from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet, written
from tests.making import rows_of
from tests.releases.making import manifest_of, released, rows_in, small


def grown(data: Path) -> Version:
    """`small` with a chunk more and one less, a query more, and another negative for q1."""
    chunks = written(data, "chunks", "chunk", [[chunk(i, f"text {i}") for i in "bcdefghijklm"]])
    asked = [query(f"q{n}", f"asks {n}", "train" if n else "heldout") for n in range(4)]
    queries = written(data, "queries", "query", [asked], [chunks])
    lists = ["efghijk", "bfghijk", "bc", "efghijklm"]
    rows = [triplet(f"q{n}", ["d"], list(ids), split="train" if n else "heldout") for n, ids in enumerate(lists)]
    return written(data, "triplets", "triplet", [rows], [chunks, queries])


def told(folder: Path) -> str:
    return (folder / "CHANGELOG.md").read_text()


def brute_force(before: Path, after: Path, config: str, kind: str) -> list[str]:
    """Lines of the table, from the rows themselves."""
    key = key_column(manifest_of(after)["configs"][config]["record"])
    old, new = (
        {row[key]: row for split in about(f, config) for row in rows_in(f, config, split)} for f in (before, after)
    )
    both = old.keys() & new.keys()
    counts = [len(new.keys() - both), len(old.keys() - both), sum(old[i] != new[i] for i in both)]
    counts.append(len(both) - counts[-1])
    return [f"| {config} | {kind} | " + " | ".join(map(str, counts)) + " |"]


def about(folder: Path, config: str) -> list[str]:
    return list(manifest_of(folder)["configs"][config]["splits"])


def test_the_first_release_says_what_it_holds(tmp_path: Path) -> None:
    version = small(tmp_path / "data")
    folder = released([version], tmp_path / "out")
    assert manifest_of(folder)["release"] == "v1.0.0"
    assert manifest_of(folder)["previous"] is None
    text = told(folder)
    assert text.startswith("# Changes of small\n\n## v1.0.0, 20")
    for config in ("corpus", "queries", "triplets", "pairs"):
        for split in about(folder, config):
            assert f"| {config} | {split} | {len(rows_in(folder, config, split))} |\n" in text
    assert f"- `{version}`, made by tests\n" in text


def test_rows_added_dropped_and_changed_are_counted_by_config_and_method(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = released([small(data)], tmp_path / "a")
    after = released([grown(data)], tmp_path / "b", previous=before)
    manifest = manifest_of(after)
    assert manifest["release"] == "v1.1.0"
    assert manifest["previous"] == {"release": "v1.0.0", "content_hash": manifest_of(before)["content_hash"]}
    text = told(after)
    for config, kind in (("corpus", "s"), ("queries", "sent"), ("triplets", "sent")):
        (line,) = brute_force(before, after, config, kind)
        assert line in text.splitlines()
    assert "| triplets | sent | 1 | 0 | 2 | 1 |" in text
    assert "`pairs` has 3 rows; before it had 2." in text
    assert text.count("\n## ") == 2
    assert text.endswith(told(before)[told(before).index("## v1.0.0") :])
    assert "# Changes of small" not in text[5:]


@pytest.mark.parametrize("release", ["v1.0.0", "v0.9.9"])
def test_a_release_is_above_the_one_before(tmp_path: Path, release: str) -> None:
    version = small(tmp_path / "data")
    before = released([version], tmp_path / "a")
    with pytest.raises(UserError, match=rf"^--release {release} is not above v1.0.0, .*: give v1.0.1 or leave it out"):
        released([version], tmp_path / "b", previous=before, release=release)
    assert manifest_of(released([version], tmp_path / "c", previous=before, release="v3.0.0"))["release"] == "v3.0.0"


def test_the_same_rows_are_a_patch_and_other_columns_a_major_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    version = small(data)
    before = released([version], tmp_path / "a")
    patch = released([version], tmp_path / "b", previous=before, description="Said better.")
    assert manifest_of(patch)["release"] == "v1.0.1"
    assert manifest_of(patch)["content_hash"] == manifest_of(before)["content_hash"]
    assert "No row of corpus, queries or triplets was added, dropped or changed." in told(patch)
    fewer = released([version], tmp_path / "c", previous=before, negatives=2)
    assert manifest_of(fewer)["release"] == "v2.0.0"
    assert "a major change: a column or config went, or came to mean something else." in told(fewer)
    path = before / "manifest.json"
    path.write_text(path.read_text().replace(manifest_of(before)["configs"]["queries"]["schema"], "0" * 16))
    assert manifest_of(released([version], tmp_path / "d", previous=before))["release"] == "v2.0.0"


def test_a_version_stands_beside_the_one_that_it_takes_the_place_of(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = small(data)
    before = released([first], tmp_path / "a")
    second = grown(data)
    after = released([second], tmp_path / "b", previous=before)
    old, new = ({v.table: v for v in (one, *one.inputs())} for one in (first, second))
    text = told(after)
    assert f"| `{old['chunks']}` | `{new['chunks']}` | config |" in text
    assert f"| `{old['triplets']}` | `{new['triplets']}` | config+input |" in text


def changed(version: Version, name: str, **identity: Any) -> Version:
    manifest = version.manifest | {"version": name, "identity": version.manifest["identity"] | identity}
    return Version(version.folder, manifest)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"prompt": {"name": "p", "version": "p-2"}}, "prompt"),
        ({"model": {"id": "m", "revision": "2"}, "seed": 4}, "config+model"),
        ({"revision": 2}, "code"),
        ({"inputs": []}, "input"),
        ({"inputs": [], "prompt": {"name": "p", "version": "p-2"}}, "input+prompt"),
    ],
)
def test_causes_are_told_by_the_plans(tmp_path: Path, change: dict[str, Any], cause: str) -> None:
    data = tmp_path / "data"
    version = small(data)
    before = read_previous(released([version], tmp_path / "a"), "small")
    (found,) = version_changes(before, [*version.inputs(), changed(version, "0123456789ab", **change)])
    assert (found.before, found.after, found.cause) == (str(version), "triplets/0123456789ab", cause)


def test_the_nearest_plan_is_the_one_before_and_the_rest_came_or_went(tmp_path: Path) -> None:
    data = tmp_path / "data"
    one, two = small(data), small(data, method="qgen")
    before = read_previous(released([one, two], tmp_path / "a"), "small")
    kept = list(one.inputs())
    near = changed(two, "0123456789ab", seed=1)
    found = version_changes(before, [*kept, near])
    assert [(v.before, v.after) for v in found] == [(str(two), str(near)), (str(one), None)]
    found = version_changes(before, [*kept, one, two, changed(two, "a", stage="other")])
    assert [(v.before, v.after, v.cause) for v in found] == [(None, "triplets/a", None)]
    assert version_changes(before, [*kept, one, two]) == []


def test_a_revision_stands_beside_what_it_revises(tmp_path: Path) -> None:
    before = small(tmp_path / "data")
    previous = read_previous(released([before], tmp_path / "one"), "small")
    revised = written(tmp_path / "data", "triplets", "triplet", [rows_of(before)[1:]], [before])
    path = revised.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["stage"] = manifest["identity"]["stage"] = "builders.audit"
    manifest["identity"]["config"] = {"policy": "drop", "least": 1}
    path.write_text(json.dumps(manifest))
    (change,) = version_changes(previous, [*before.inputs(), before, Version(revised.folder, manifest)])
    assert (change.before, change.after, change.cause) == (str(before), str(revised), "audit drop")


def test_checks_that_changed_status_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = small(tmp_path / "data")
    before = released([version], tmp_path / "a")
    quality = json.loads((before / "quality.json").read_bytes())
    checks = {"ids_unique": "not_run", "new": "passed", "new.failed": "failed"}
    quality["checks"] = [quality["checks"][0] | {"name": name, "status": status} for name, status in checks.items()]
    monkeypatch.setattr(sys.modules["builders.quality.checking"], "check_versions", lambda *_, **__: quality)
    text = told(released([version], tmp_path / "b", previous=before))
    assert "| `ids_unique` | passed | not run |\n| `new.failed` | no such check | failed |" in text
    assert "`new`" not in text


def test_a_previous_release_that_is_none_or_was_changed_is_named(tmp_path: Path) -> None:
    version = small(tmp_path / "data")
    before = released([version], tmp_path / "a")

    def fault(previous: Path, **options: Any) -> str:
        with pytest.raises(UserError) as refused:
            released([version], tmp_path / "b", previous=previous, **options)
        assert not (tmp_path / "b").exists()
        return str(refused.value)

    assert fault(tmp_path).startswith(f"{tmp_path} is no release (it has no manifest.json)")
    assert fault(before, name="other").startswith(f"--previous {before} is a release of small, not of other")
    path = before / "queries" / "train" / "00000.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    assert fault(before).startswith(f"{path} of the release before is missing, or was changed")
    (before / "manifest.json").write_text('{"name": "small"}')
    assert "is not the manifest of a release (" in fault(before)
    (before / "manifest.json").write_text("{")
    assert "is not the manifest of a release (" in fault(before)


def test_a_name_cannot_break_out_of_its_cell() -> None:
    assert cell("a|b\n<img>`x` [y]*") == "a&#124;b &#60;img&#62;&#96;x&#96; &#91;y&#93;&#42;"
    assert cell("pydoc") == "pydoc"
