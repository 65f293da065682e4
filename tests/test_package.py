"""The wheel holds the prompts, schemas and cards, and works from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=TOP,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_prompt_schema_and_card_is_in_the_wheel(installed: Path) -> None:
    for name in ("prompts", "schemas", "data_cards"):
        here = _files(TOP / name)
        assert here
        assert _files(installed / "builders/resources" / name) == here


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_parts_of_the_page_are_in_the_wheel(installed: Path) -> None:
    here = {
        str(p.relative_to(TOP))
        for p in (TOP / "builders/cards").rglob("*")
        if p.suffix in (".html", ".css", ".js", ".sql")
    }
    assert {Path(name).suffix for name in here} == {".html", ".css", ".js", ".sql"}
    assert all((installed / name).read_bytes() == (TOP / name).read_bytes() for name in here)


def test_every_check_is_in_the_wheel(installed: Path) -> None:
    checks = {p.relative_to(TOP): p.read_bytes() for p in (TOP / "builders").rglob("*.sql")}
    assert len(checks) > 60
    assert {p.relative_to(installed): p.read_bytes() for p in installed.rglob("*.sql")} == checks


def test_nothing_else_stands_at_the_top_of_the_wheel(installed: Path) -> None:
    assert {p.name.split("-")[0] for p in installed.iterdir()} == {"builders", "drama_train", "drama"}


@pytest.mark.slow
def test_an_installed_wheel_runs_from_another_folder(installed: Path, tmp_path: Path, tokenizer_file: Path) -> None:
    source = tmp_path / "notes.jsonl"
    source.write_text('{"id": "1", "text": "The first sentence is here. The second one follows it at once."}\n')
    run = ["-m", "builders.corpus", "--source", str(source), "--tokenizer", str(tokenizer_file), "--data", "out"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *run], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "manifest.json").is_file()
    where = "import builders.store.resources as r; print(r.resource('prompts', 'synthetic_query.toml'))"
    shown = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed)
