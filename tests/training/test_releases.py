"""A release opened for training: what is refused, and rows by id equal to those of its Parquet files."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.cli.errors import UserError
from drama_train.training.releases import Rows, open_release
from tests.release_making import expected_rows, write_release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release") / "notes")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def _changed(made: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    shutil.copytree(made, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_rows_by_id_are_those_of_the_files(made: Path) -> None:
    release = open_release(str(made))
    assert release.title == "notes v1.0.0"
    rows = Rows([release], "corpus", "chunk_id")
    expected = [row for split in ("train", "heldout") for row in expected_rows(made, "corpus", split)]
    draw = np.random.default_rng(0).permutation(len(expected))[:30]
    wanted = [expected[at] for at in draw]
    numbers = rows.numbers([row["chunk_id"] for row in wanted])
    assert rows.column("text", numbers) == [row["text"] for row in wanted]
    assert rows.column("cluster_id", numbers) == [row["cluster_id"] for row in wanted]
    with pytest.raises(UserError, match="nowhere#0000 is not among the corpus"):
        rows.numbers([wanted[0]["chunk_id"], "nowhere#0000"])


def test_files_of_a_split(made: Path) -> None:
    release = open_release(str(made))
    assert len(release.files("corpus", "train")) == 2
    assert release.files("corpus") == [*release.files("corpus", "train"), *release.files("corpus", "heldout")]
    assert release.files("corpus", "test") == []


def test_what_is_no_release_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no release \(it has no manifest.json\)"):
        open_release(str(tmp_path))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        open_release(str(tmp_path))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"does not follow release.schema.json \(.*is a required property"):
        open_release(str(tmp_path))
    with pytest.raises(UserError, match="names no data set: write hf://owner/name"):
        open_release("hf://nobody")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda m: m["configs"].pop("corpus"), "has no corpus"),
        (lambda m: m["configs"]["queries"].update(splits={}), "has no queries"),
        (lambda m: m["configs"]["triplets"].update(schema="0" * 16), "follow another version of triplet.schema.json"),
        (
            lambda m: m["configs"]["corpus"]["splits"]["train"]["files"][0].update(sha256="0" * 64),
            "corpus/train/00000.parquet of .* is not what its manifest says",
        ),
        (
            lambda m: m["configs"]["queries"]["splits"]["train"]["files"][0].update(path="queries/train/9.parquet"),
            "lacks queries/train/9.parquet",
        ),
    ],
)
def test_a_release_that_is_not_whole_is_named(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], fault: str
) -> None:
    with pytest.raises(UserError, match=fault):
        open_release(str(_changed(made, tmp_path / "copy", change)))


def _rewritten(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """The first file of the table's train split, and a manifest that says so."""
    manifest = json.loads((folder / "manifest.json").read_text())
    file = manifest["configs"][table]["splits"]["train"]["files"][0]
    pq.write_table(change(pq.read_table(folder / file["path"])), folder / file["path"])
    file["sha256"] = hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.drop_columns("cluster_id"), "corpus/train/00000.parquet of .* has no column cluster_id"),
        (
            lambda t: t.set_column(t.column_names.index("text"), "text", pa.array([1] * len(t))),
            "The column text of .* is int64 and no string",
        ),
    ],
)
def test_a_file_of_other_columns_is_named(
    made: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], fault: str
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    _rewritten(folder, "corpus", change)
    with pytest.raises(UserError, match=fault):
        open_release(str(folder))


def test_a_file_that_is_no_parquet_is_named(made: Path, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"xx").hexdigest()
    folder = _changed(
        made, tmp_path / "copy", lambda m: m["configs"]["corpus"]["splits"]["train"]["files"][0].update(sha256=sha256)
    )
    (folder / "corpus/train/00000.parquet").write_bytes(b"xx")
    with pytest.raises(UserError, match=r"corpus/train/00000.parquet of .* is no Parquet file"):
        open_release(str(folder))


def test_a_file_without_rows_is_passed_over(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    _rewritten(folder, "corpus", lambda table: table.slice(0, 0))
    release = open_release(str(folder))
    assert len(Rows([release], "corpus", "chunk_id").table) == sum(
        len(pq.read_table(path)) for path in release.files("corpus")[1:]
    )
    for path in release.files("corpus"):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(UserError, match=r"The corpus of notes v1.0.0 have no row"):
        Rows([release], "corpus", "chunk_id")


def test_another_release_in_the_same_place_and_of_the_same_time_is_read_anew(tmp_path: Path) -> None:
    """As archives are unpacked that set every file's time to the same moment."""
    texts = []
    for seed in (0, 1):
        folder = write_release(tmp_path / "notes", seed=seed)
        for path in folder.rglob("*.parquet"):
            os.utime(path, (1e9, 1e9))
        rows = Rows([open_release(str(folder))], "corpus", "chunk_id")
        texts.append(rows.column("text", np.arange(len(rows.table))))
        assert sorted(texts[-1]) == sorted(
            row["text"] for split in ("train", "heldout") for row in expected_rows(folder, "corpus", split)
        )
        shutil.rmtree(folder)
    assert not set(texts[0]) & set(texts[1])


def test_a_cache_that_cannot_be_written_is_named(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    (tmp_path / "file").write_text("")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "file" / "cache")
    with pytest.raises(UserError, match=r"The corpus of notes v1.0.0 cannot be written into .*file/cache \(.*\): make"):
        Rows([open_release(str(made))], "corpus", "chunk_id")
