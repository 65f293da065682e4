"""A recipe ends with a release of all its triplets."""

import json
from functools import partial
from pathlib import Path

import pytest

from builders import candidates
from builders.__main__ import Recipe, main
from builders.cli.command import run
from builders.corpus import Corpus
from builders.store.versions import find_version
from tests.making import snapshot
from tests.releases.making import manifest_of
from tests.releases.stand_ins import stand_in
from tests.retrieval.making import HashEncoder


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    monkeypatch.setattr(candidates, "main", partial(candidates.main, encoder=HashEncoder()))


def recipe(folder: Path, config: Corpus) -> Path:
    path = folder / "recipe.toml"
    path.write_text(
        f"""
        [corpus]
        source = {json.dumps(config.source)}
        tokenizer = {json.dumps(config.tokenizer)}
        max_tokens = 96
        heldout = 0.2
        [cropped_sentences]
        [candidates]
        k = 12
        [triplets]
        least = 1
        [release]
        name = "notes"
        licence = ["notes=CC0-1.0"]
        """
    )
    return path


def test_the_last_line_is_the_release_of_all_triplets(
    corpus_config: Corpus, tmp_path: Path, small_shards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    arguments = [str(recipe(tmp_path, corpus_config)), f"--data={data}"]
    assert run(Recipe, main, arguments) == 0
    *folders, last = capsys.readouterr().out.split()
    assert [Path(folder).parent.name for folder in folders] == ["chunks", "queries", "candidates", "triplets"]
    assert last == str(tmp_path / "releases" / "notes-v1.0.0")
    manifest = manifest_of(Path(last))
    assert [v["version"] for v in manifest["versions"] if v["is_named"]] == [str(find_version(data, "triplets"))]
    assert manifest["licence"] == "CC0-1.0"

    before = snapshot(tmp_path)
    assert run(Recipe, main, arguments) == 0
    told = capsys.readouterr()
    assert told.out.split()[-1] == last
    assert f"already released: {last}" in told.err
    assert snapshot(tmp_path) == before


def test_a_rehearsal_takes_no_whole_run_s_name(
    corpus_config: Corpus, tmp_path: Path, small_shards: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(recipe(tmp_path, corpus_config)), f"--data={tmp_path / 'data'}"]
    for more, name in (["--limit=25"], "notes-limit25"), ([], "notes"):
        assert run(Recipe, main, [*arguments, *more]) == 0
        last = capsys.readouterr().out.split()[-1]
        assert last == str(tmp_path / "releases" / f"{name}-v1.0.0")
        assert manifest_of(Path(last))["name"] == name
