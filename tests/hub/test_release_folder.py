"""What is wrong with a release folder is found before anything is sent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.hub.files import size, some
from builders.hub.release_folder import check_quality, read_release
from builders.hub.secrets import PATTERNS, secrets_in
from tests.release_making import manifest_of, quality, rewrite, write_manifest

PARQUET = "pairs/train/00000.parquet"


def fault(folder: Path, check: Callable[[Path], Any] = read_release) -> str:
    with pytest.raises(UserError) as raised:
        check(folder)
    return str(raised.value)


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = manifest_of(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def files(manifest: dict[str, Any], config: str = "pairs", split: str = "train") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["configs"][config]["splits"][split]["files"]
    return found


def test_all_files_of_a_release(release: Path) -> None:
    found = read_release(release)
    assert [file.path for file in found.files] == sorted(
        path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()
    )
    assert (found.name, found.release, len(found.parquet)) == ("notes", "v1.0.0", 9)
    check_quality(found)


def test_what_the_manifest_does_not_name_is_told(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("draft.txt", "corpus/train/old.parquet"):
        (release / path).write_text("x")
    found = read_release(release)
    assert not {"draft.txt", "corpus/train/old.parquet"} & {file.path for file in found.files}
    assert "not sent, because manifest.json does not name them: corpus/train/old.parquet, draft.txt" in (
        capsys.readouterr().err
    )


def test_no_release(tmp_path: Path) -> None:
    assert fault(tmp_path) == (
        f"{tmp_path} is no release (it has no manifest.json): name a folder that builders.release made."
    )
    assert "it has no manifest.json" in fault(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("licence"), "('licence' is a required property)"),
        (lambda m: m.update(release="1.0"), "(release: '1.0' does not match"),
        (lambda m: m["files"].append(m["files"][0]), "names CHANGELOG.md twice"),
        (lambda m: m["files"][0].update(path="../CHANGELOG.md"), "names '../CHANGELOG.md', which is no file below"),
        (lambda m: m["files"][0].update(path="/etc/hostname"), "names '/etc/hostname', which is no file below"),
        (lambda m: m["files"][0].update(path=".git/config"), "names '.git/config', which is no file below"),
        (lambda m: m["files"][0].update(path="prompts//a"), "names 'prompts//a', which is no file below"),
        (lambda m: m["files"].pop(1), "names no README.md"),
        (
            lambda m: m["configs"]["pairs"]["splits"]["train"].update(rows=61),
            "gives pairs/train 61 rows, and its files 60",
        ),
        (lambda m: files(m)[0].update(rows=61), f"{PARQUET} has 60 rows and not 61"),
        (lambda m: m.update(content_hash="0" * 32), "manifest.json has not the content hash of its files"),
        (lambda m: files(m)[0].update(content_hash="0" * 32), f"and not {'0' * 32}, as manifest.json says"),
    ],
)
def test_a_manifest_that_is_wrong(release: Path, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    edit(release, change)
    assert words in fault(release)


def test_a_manifest_that_is_no_json(release: Path) -> None:
    (release / "manifest.json").write_text("{")
    assert f"{release / 'manifest.json'} is not the manifest of a release (Expecting" in fault(release)


def test_a_link_that_leads_out_of_the_release(release: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (release / "facts.json").unlink()
    (release / "facts.json").symlink_to(tmp_path / "secret")
    assert "names 'facts.json', which is no file below" in fault(release)


def test_files_that_were_changed_are_named(release: Path) -> None:
    content = bytearray((release / PARQUET).read_bytes())
    content[len(content) // 2] ^= 1
    (release / PARQUET).write_bytes(content)
    assert fault(release) == (
        f"{release} was changed after it was made: {PARQUET} is not what manifest.json says. Make the release again."
    )
    (release / "README.md").write_text("a hand's work")
    assert f"README.md, {PARQUET} are not what" in fault(release)
    (release / "facts.json").unlink()
    assert fault(release) == f"{release} lacks facts.json, which manifest.json names: make the release again."


def test_checks_that_failed_are_named(release: Path) -> None:
    rewrite(release, "quality.json", json.dumps(quality(["no_positive", "unresolved"], "error")))
    told = manifest_of(release)
    write_manifest(release, told["name"], told["release"], told["configs"], errors=2, warnings=0)
    assert fault(release, lambda folder: check_quality(read_release(folder))) == (
        f"{release} is not published, because 2 checks of severity error failed: no_positive, unresolved. quality.json "
        "names the rows; mend them and make the release again."
    )
    edit(release, lambda m: m["quality"].update(errors=0))
    assert "manifest.json and quality.json disagree on how many checks of severity error failed" in fault(
        release, lambda folder: check_quality(read_release(folder))
    )


def test_checks_that_cannot_be_read(release: Path) -> None:
    rewrite(release, "quality.json", "{}")
    assert "does not have its form" in fault(release, lambda folder: check_quality(read_release(folder)))


SECRETS = {
    "a Hugging Face token": "hf_" + "aB3" * 12,
    "an OpenAI key": "sk-proj-" + "a1B" * 12,
    "an Anthropic key": "sk-ant-" + "a1B" * 12,
    "a GitHub token": "ghp_" + "a" * 36,
    "an AWS key": "AKIA" + "A1" * 8,
    "a Google key": "AIza" + "b" * 35,
    "a Slack token": "xoxb-" + "1" * 24,
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("what", PATTERNS)
def test_a_secret_is_found(release: Path, what: str) -> None:
    rewrite(release, "prompts/mine.toml", f'key = "{SECRETS[what]}"\n')
    found = list(secrets_in(release, read_release(release).files, None))
    assert ("prompts/mine.toml", what) in found
    assert {path for path, _ in found} == {"prompts/mine.toml"}


def test_the_own_token_is_found_on_the_page_too(release: Path) -> None:
    files = read_release(release).files
    assert list(secrets_in(release, files, None)) == []
    assert list(secrets_in(release, files, "a row tells")) == [("report.html", "your token of the Hub")]


def test_words_for_sizes_and_lists() -> None:
    assert [size(n) for n in (0, 999, 1_000, 1_234_567, 2_500_000_000)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "2.5 GB",
    ]
    assert some(list("ab")) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
