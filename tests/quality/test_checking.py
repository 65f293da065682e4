"""The whole suite on a small set: what it writes, what passes, what is not run, what examined nothing."""

import json
from pathlib import Path

from builders.quality.checking import check_versions
from builders.store.schemas import first_fault
from builders.store.version_sets import version_set
from builders.store.versions import all_versions
from tests.making import snapshot


def test_nothing_is_wrong_with_what_the_stages_made(checked: Path, tmp_path: Path) -> None:
    before = snapshot(checked)
    versions = version_set([v for v in all_versions(checked) if v.table == "triplets"])
    quality = check_versions(versions, tmp_path / "checks")
    assert quality == json.loads((tmp_path / "checks" / "quality.json").read_text())
    assert first_fault("quality", quality) is None
    bad = {c["name"]: c["examples"] for c in quality["checks"] if c["status"] == "failed"}
    assert bad == {}
