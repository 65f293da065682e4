"""The command drama_train export: a run becomes a folder, whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from builders.llm.weights import pinned_model
from drama_train.export import Export, command, main
from drama_train.exporting import layout
from drama_train.exporting.golden import read_golden
from drama_train.exporting.manifest import content_hash, read_model_folder
from drama_train.retriever import Retriever, load_retriever
from tests.exporting.making import scores_of

TOP = Path(__file__).parents[2]


def test_a_run_becomes_a_folder(run: Path, retriever: Retriever, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "models/small"
    assert command([str(run), "--out", str(out), "--name", "small"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "sentence-transformers" in told.err and "FAILED" not in told.err
    model = read_model_folder(out)
    assert [file.path for file in model.files] == sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    )
    assert {"README.md", "model.safetensors", "run.json", "plots/training.svg"} <= {file.path for file in model.files}
    assert (model.name, model.manifest["licence"]) == ("small", "CC-BY-4.0")
    golden = read_golden(out)
    wanted = [retriever.encode([text], kind)[0] for kind, text in zip(golden.kinds, golden.texts, strict=True)]
    np.testing.assert_allclose(golden.vectors, wanted, atol=1e-6)
    assert command([str(out), "--check"]) == 0
    again = load_retriever(str(out))
    assert again.settings == retriever.settings
    np.testing.assert_array_equal(again.encode(["rivers"], "query"), retriever.encode(["rivers"], "query"))
    assert command([str(run), "--out", str(out), "--name", "small"]) == 0
    assert f"already exported: {out}" in capsys.readouterr().err
    assert command([str(run), "--out", str(out), "--name", "small", "--max-length", "64"]) == 1
    assert "holds another model: give --out another name" in capsys.readouterr().err
    assert not [path for path in out.parent.iterdir() if path != out]


def test_the_folder_that_one_is_in(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out in (".", "..", "../here"):
        with pytest.raises(UserError, match=rf"--out {out} is no folder of its own: give the name"):
            main(Export(run, Path(out), name="here"))


def test_an_exported_folder_is_exported_again(run: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    main(Export(run, first, name="small", checkpoint="last"))
    main(Export(first, second, name="small"))
    read = [json.loads((folder / "golden.json").read_text()) for folder in (first, second)]
    assert read[0] == read[1] and read[0]["max_length"] == 32


@pytest.mark.slow
def test_scores_of_the_run_its_exported_model_and_of_another(run: Path, tmp_path: Path, capsys: Any) -> None:
    """The weights of RUN/model are those of the checkpoint, though its folder has another hash."""
    main(Export(run, run / "model"))
    for place, fits in ((run / "checkpoints/best/model", True), (run / "model", True), (run / "checkpoints", False)):
        revision = pinned_model(str(place), None).revision if fits else "another"
        (tmp_path / "scores.json").write_text(json.dumps(scores_of(revision)))
        capsys.readouterr()
        main(Export(run, tmp_path / place.name / str(fits), name="small", scores=tmp_path))
        assert ("scored other weights" in capsys.readouterr().err) is not fits
        card = (tmp_path / place.name / str(fits) / "README.md").read_text()
        assert "| `trained` | `guides` | 128 |" in card
        assert ("The scores are of other weights" in card) is not fits
        if fits:
            shutil.rmtree(tmp_path / place.name)


def test_what_fails_the_comparison_is_not_kept(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layout._attention
    monkeypatch.setattr(layout, "_attention", lambda *given: before(*given) | {"is_causal": True})
    with pytest.raises(UserError, match="is not what was trained, by files, sentence-transformers, transformers"):
        main(Export(run, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_folders_that_hold_something_else(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file: give --out"):
        main(Export(run, tmp_path / "file"))
    with pytest.raises(UserError, match="holds files that are no exported model"):
        main(Export(run, tmp_path))


def test_the_same_model_has_the_same_hash() -> None:
    files = [{"path": "a", "sha256": "1"}, {"path": "b", "sha256": "2"}, {"path": "README.md", "sha256": "3"}]
    assert content_hash(files) == content_hash([files[1], files[0]])
    assert content_hash(files) != content_hash([files[0] | {"sha256": "2"}, files[1]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a b"}, "--name 'a b' cannot be a name"),
        ({"repository": "notes"}, "names no owner"),
        ({"tolerance": 0.5}, "tells nothing apart"),
        ({"max_length": 3}, "leaves no room"),
        ({"licence": ("MIT",)}, "is not NAME=SPDX"),
    ],
)
def test_flags_that_cannot_be_used(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words) as raised:
        Export(tmp_path, **options)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("name", ["export", "publish"])
def test_help_has_an_example_and_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys, drama_train.__main__ as m\n"
        "try: m.main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'transformers', 'huggingface_hub', 'matplotlib', 'pyarrow'} & set(sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    done = subprocess.run(
        [sys.executable, "-c", code, name, "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"Example: python -m drama_train {name} " in " ".join(done.stdout.split())
