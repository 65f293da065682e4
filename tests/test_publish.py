"""The command builders.publish: what it refuses by itself."""

import json
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.publish import Publish, main
from tests.release_making import manifest_of, quality, rewrite, write_manifest, write_release


@pytest.mark.parametrize(
    "to",
    ["notes", "me/", "/notes", "me/notes/more", "me/a b", "me/a--b", "me/a..b", "me/a.git", "hf://me/a", "mé/a", ""],
)
def test_a_name_that_is_none(to: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--to") as raised:
        Publish(tmp_path, to)
    assert raised.value.exit_code == 2


def test_a_check_that_failed_stops_it(tmp_path: Path) -> None:
    release = write_release(tmp_path / "notes")
    rewrite(release, "quality.json", json.dumps(quality(["unique_queries"], "error")))
    told = manifest_of(release)
    write_manifest(release, told["name"], told["release"], told["configs"], errors=1, warnings=0)
    with pytest.raises(UserError, match=r"because 1 check of severity error failed: unique_queries\."):
        main(Publish(release, "me/notes", dry_run=True))


def test_a_secret_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "no token")
    release = write_release(tmp_path / "notes")
    rewrite(release, "facts.json", "hf_" + "a" * 34)
    with pytest.raises(UserError, match=r"seems to hold a secret: facts.json \(a Hugging Face token\)"):
        main(Publish(release, "me/notes", dry_run=True))
