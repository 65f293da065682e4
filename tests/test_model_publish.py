"""The command drama_train publish: what it refuses by itself, and a model sent to a loopback Hub and loaded from it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.export import Export
from drama_train.export import main as export
from drama_train.publish import PublishModel, main
from tests.exporting.making import tiny_retriever, write_run
from tests.hub.client import Client
from tests.hub_server import HubServer
from tests.llm.tiny_llama import one_thread


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    with one_thread():
        run = write_run(folder / "run", tiny_retriever(folder / "tiny"))
        made = export(Export(run, folder / "small", repository="me/small"))
    assert made is not None
    return made


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "small"))


def fault(model: Path, **options: Any) -> str:
    with pytest.raises(UserError) as raised, one_thread():
        main(PublishModel(model, "me/small", dry_run=True, **options))
    return str(raised.value)


def rewritten(model: Path, path: str, content: str) -> None:
    """Another text file, and a manifest that says so."""
    from builders.store.folders import bytes_and_sha256

    (model / path).write_text(content)
    manifest = json.loads((model / "manifest.json").read_text())
    for entry in manifest["files"]:
        if entry["path"] == path:
            entry |= bytes_and_sha256(model / path)
    (model / "manifest.json").write_text(json.dumps(manifest))


def test_names_and_tags_that_are_none(tmp_path: Path) -> None:
    for options, words in (({"to": "small"}, "--to"), ({"to": "me/a", "tag": "first"}, "--tag 'first' is no semantic")):
        with pytest.raises(UserError, match=words) as raised:
            PublishModel(tmp_path, **options)
        assert raised.value.exit_code == 2


def test_what_is_no_exported_model(model: Path, tmp_path: Path) -> None:
    assert fault(tmp_path).startswith(f"{tmp_path} is no exported model (it has no manifest.json): name a folder")
    (model / "README.md").write_text("another hand's")
    assert fault(model) == (
        f"{model} was changed after it was made: README.md is not what manifest.json says. Export the model again."
    )
    (model / "README.md").unlink()
    assert fault(model) == f"{model} lacks README.md, which manifest.json names: export the model again."
    (model / "manifest.json").write_text("{}")
    assert "is not the manifest of a model ('name' is a required property)" in fault(model)


def test_a_secret_stops_it(model: Path) -> None:
    rewritten(model, "run.json", json.dumps({"hardware": "hf_" + "a" * 34}))
    assert "seems to hold a secret: run.json (a Hugging Face token)" in fault(model)


def test_a_model_that_gives_other_vectors_is_not_published(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((model / "config.json").read_text())
    rewritten(model, "config.json", json.dumps(config | {"is_causal": True}))
    assert "is not what was trained, by files, sentence-transformers, transformers" in fault(model)
    told = capsys.readouterr()
    assert "it ignores is_causal" in told.err and told.out == ""


def test_a_rehearsal_without_a_token_asks_nobody(model: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("builders.hub.client.token", lambda: None)
    (model / "draft.txt").write_text("x")
    with one_thread():
        main(PublishModel(model, "me/small", dry_run=True))
    told = capsys.readouterr().err
    assert "The Hub was not asked: there is no token here" in told
    assert "not sent, because manifest.json does not name them: draft.txt" in told
    assert "  model.safetensors  1.4 MB\n" in told and "nothing was changed" in told


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HubServer, Client]]:
    folder = tmp_path_factory.mktemp("hub")
    with HubServer({}, folder / "hub", part_bytes=400_000) as hub, Client(hub, folder / "home") as client:
        yield hub, client


@pytest.mark.slow
def test_a_model_is_published_and_loaded_from_the_hub(exported: Path, model: Path, served: Any) -> None:
    hub, client = served
    ended = client("publish_retriever", [str(exported), "--to=me/small"])
    assert (ended.result, ended.out) == (0, "hf://me/small@v1.0.0\n"), ended.err
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert f"read back by v1.0.0: {len(files)} files are those of the folder" in ended.err
    repo = hub.repos["models/me/small"]
    assert repo.private and repo.tags == {"v1.0.0"}
    assert repo.files(repo.refs["v1.0.0"])["model.safetensors"] == (exported / "model.safetensors").read_bytes()
    golden = json.loads((exported / "golden.json").read_text())["rows"]
    for kind in ("query", "document"):
        rows = [row for row in golden if row["kind"] == kind]
        loaded = client("encode", "me/small", "v1.0.0", kind, [row["text"] for row in rows]).result
        np.testing.assert_allclose(loaded["vectors"], [row["vector"] for row in rows], atol=1e-5)
        assert loaded["is_causal"] is False and {ids[-1] for ids in loaded["ids"]} == {0}
    again = client("publish_retriever", [str(exported), "--to=me/small"])
    assert "already published: small v1.0.0" in again.err and len(repo.story) == 2
    rewritten(model, "README.md", (model / "README.md").read_text() + "\nmore\n")
    assert "v1.0.0 of me/small is there already, and differs in README.md, manifest.json" in (
        client("publish_retriever", [str(model), "--to=me/small"]).error
    )
    assert client("publish_retriever", [str(model), "--to=me/small", "--tag=v1.0.1"]).result == 0
    assert repo.tags == {"v1.0.0", "v1.0.1"}
