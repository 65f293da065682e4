"""The whole suite on a small set: what it writes, what passes, what is not run, what examined nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.cli.errors import UserError
from builders.quality.checking import check_versions, checks_hash
from builders.quality.sources import trained_on
from builders.store.schemas import arrow_schema, first_fault
from builders.store.version_sets import version_set
from builders.store.versions import Version, all_versions, find_version
from tests.making import rows_of, snapshot
from tests.quality.breaking import World, as_set, write_shard
from tests.triplet_making import write


def by_name(quality: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {check["name"]: check for check in quality["checks"]}
    assert len(found) == len(quality["checks"])
    return found


def test_nothing_is_wrong_with_what_the_stages_made(checked: Path, tmp_path: Path) -> None:
    before = snapshot(checked)
    versions = as_set(checked)
    quality = check_versions(versions, tmp_path / "checks")
    assert quality == json.loads((tmp_path / "checks" / "quality.json").read_text())
    assert first_fault("quality", quality) is None
    checks = by_name(quality)
    assert {name: c["examples"] for name, c in checks.items() if c["status"] == "failed"} == {}
    assert (quality["errors"], quality["warnings"]) == (0, 0)
    assert {name for name, c in checks.items() if c["status"] == "not_run"} == {"contaminated_rows"}
    assert checks["schema.triplet.split"]["examined"] == sum(len(rows_of(v)) for v in versions.of("triplets")) > 100
    assert checks["schema.query.text"]["tables"] == ["query_drafts", "queries"]
    assert snapshot(checked) == before
    assert {path.name for path in (tmp_path / "checks").iterdir()} <= {"quality.json", "failing"}


def test_failing_rows_are_kept_and_those_of_a_run_before_are_not(data: Path, tmp_path: Path) -> None:
    world = World(data)
    key = world.change("triplets", "sent", world.train_row("triplets", "sent")["triplet_id"], language="")
    out = tmp_path / "checks"
    (out / "failing").mkdir(parents=True)
    (out / "failing" / "old.parquet").touch()
    quality = check_versions(as_set(data), out, memory="1GB", threads=1)
    assert (quality["errors"], quality["memory"]) == (1, "1GB")
    (failed,) = [check for check in quality["checks"] if check["status"] == "failed"]
    assert (failed["name"], failed["failing"]) == ("triplets_agree_with_queries", 1)
    found = {check["name"] for check in quality["checks"] if check["failing"]}  # a threshold passes some
    assert {path.stem for path in (out / "failing").iterdir()} == found
    assert pq.read_table(out / "failing" / "triplets_agree_with_queries.parquet").to_pylist() == [
        {**failed["examples"][0], "key": key, "version": str(world.version("triplets", "sent"))}
    ]


def test_a_check_that_examines_nothing_fails(data: Path, tmp_path: Path) -> None:
    world = World(data)
    for version in world.all_of("triplets"):
        write_shard(version, arrow_schema("triplet").empty_table())
    checks = by_name(check_versions(as_set(data), tmp_path / "checks"))
    for name in (
        "unique_triplets",
        "references_triplets",
        "negative_is_positive",
        "negative_holds_query",
        "triplet_scores",
        "schema.triplet.query_id",
    ):
        assert (checks[name]["status"], checks[name]["examined"], checks[name]["examples"]) == ("failed", 0, [])
    assert checks["unique_chunks"]["status"] == "passed"


def test_findings_that_are_none_fail_nothing(data: Path, tmp_path: Path) -> None:
    write(data, "contamination", "overlap", [], (World(data).version("triplets"),))
    quality = check_versions(as_set(data), tmp_path / "checks")
    checks = by_name(quality)
    assert checks["schema.overlap.share"]["status"] == "not_run"
    assert checks["schema.overlap"]["status"] == "passed"
    assert quality["errors"] == 0


def test_chunks_alone_are_checked_alone(checked: Path, tmp_path: Path) -> None:
    chunks = World(checked).version("chunks")
    quality = check_versions(version_set([chunks]), tmp_path / "checks")
    checks = by_name(quality)
    assert quality["errors"] == 0
    assert checks["clusters_in_one_split"]["status"] == checks["references_chunks"]["status"] == "passed"
    assert checks["unique_queries"]["status"] == checks["negative_is_positive"]["status"] == "not_run"
    assert not any(name.startswith("schema.triplet") for name in checks)


def test_columns_that_are_not_the_record_s_fail_whatever_reads_them(data: Path, tmp_path: Path) -> None:
    version = World(data).version("queries", "sent")
    write_shard(version, pa.Table.from_pylist(rows_of(version), schema=arrow_schema("query")).drop_columns(["text"]))
    checks = by_name(check_versions(as_set(data), tmp_path / "checks"))
    assert checks["schema.query"]["examples"] == [{"key": "text", "detail": "00000.parquet has no column text"}]
    assert checks["unique_queries"]["status"] == checks["references_triplets"]["status"] == "failed"
    assert checks["unique_chunks"]["status"] == "passed"


def test_a_path_with_signs_that_sql_knows_is_read(checked: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(checked, tmp_path / "it's [a] *"))
    chunks = World(data).version("chunks")
    quality = check_versions(version_set([chunks]), tmp_path / "o'ut [b]")
    assert by_name(quality)["unique_chunks"]["examined"] == len(rows_of(chunks))


def test_what_was_revised_is_not_trained_on(data: Path) -> None:
    before = World(data).version("triplets", "sent")
    revised = write(data, "triplets", "triplet", rows_of(before)[1:], (before,))
    assert trained_on(version_set([revised])) == [revised]
    assert trained_on(version_set([before, revised])) == [before, revised]
    both = check_versions(version_set([before, revised]), data / "checks" / "both")
    alone = check_versions(version_set([revised]), data / "checks" / "alone")
    assert by_name(both)["unique_triplets"]["failing"] == len(rows_of(revised))
    assert by_name(alone)["unique_triplets"]["status"] == "passed"
    assert by_name(alone)["schema.triplet.split"]["examined"] == len(rows_of(before)) + len(rows_of(revised))
    assert by_name(alone)["negatives_as_promised"]["status"] == "passed"


def test_a_window_of_few_candidates_promises_fewer(checked: Path, data: Path, tmp_path: Path) -> None:
    """Rank windows are scaled to a query's candidates: what is promised is scaled with them."""
    from builders.triplets import Triplets, main

    made = main(Triplets(str(World(data).version("candidates", "sent")), data=data))
    assert made is not None and made.manifest["identity"]["config"]["deep"] == 30
    fewest = min(len(row["negative_ids"]) for row in rows_of(made))
    checks = by_name(check_versions(version_set([made]), tmp_path / "checks"))
    assert checks["negatives_as_promised"]["status"] == "passed", fewest
    write_shard(made, cut_to(made, 1))
    checks = by_name(check_versions(version_set([find_version(data, str(made))]), tmp_path / "checks"))
    assert 0 < checks["negatives_as_promised"]["failing"] <= len(rows_of(made))


def cut_to(version: Version, negatives: int) -> pa.Table:
    names = ("negative_ids", "negative_ranks", "negative_scores")
    rows = [row | {name: row[name][:negatives] for name in names} for row in rows_of(version)]
    return pa.Table.from_pylist(rows, schema=arrow_schema("triplet"))


def test_too_little_memory_is_one_sentence(checked: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not fit into 1MB: give more with --memory"):
        check_versions(as_set(checked), tmp_path / "checks", memory="1MB", threads=1)


def test_the_folder_is_named_by_versions_and_checks(
    checked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from builders.quality import headers

    versions = list(all_versions(checked))
    assert checks_hash(versions) == checks_hash(versions) != checks_hash(versions[1:])
    named = checks_hash(versions, versions[:1])
    assert named == checks_hash(versions, versions[:1]) != checks_hash(versions, versions[:2])
    before = checks_hash(versions)
    monkeypatch.setattr(headers, "HERE", tmp_path)
    assert checks_hash(versions) != before
