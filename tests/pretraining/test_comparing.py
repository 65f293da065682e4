"""--compare source measures the model that was pruned, and no other of its name."""

from pathlib import Path

import pytest

from builders.cli.errors import UserError
from drama_train.loading import named_model
from drama_train.pretraining.comparing import _of_its_own
from drama_train.training.run_folder import check_folder
from tests.llm.tiny_llama import write_tiny_llama


def test_the_folder_that_pruning_names_is_the_one_that_was_pruned(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"id": tiny_folder.name, "revision": named_model(str(tiny_folder)).revision}
    monkeypatch.chdir(tiny_folder.parent)
    assert _of_its_own(told) == tiny_folder.name
    monkeypatch.chdir(tmp_path)  # never a model of the Hub that has this name
    with pytest.raises(UserError, match=r"names the folder model, which is not here: give --compare"):
        _of_its_own(told)
    write_tiny_llama(tmp_path / tiny_folder.name, seed=1)
    with pytest.raises(UserError, match=f"and the one that was pruned {told['revision']}"):
        _of_its_own(told)


def test_smollm2_is_known_by_its_name() -> None:
    told = named_model("smollm2")
    assert _of_its_own({"id": told.id, "revision": told.revision}) == "smollm2"


def test_a_model_of_the_hub_is_asked_for_at_its_commit() -> None:
    """And not at the one that its branch is at by now."""
    assert _of_its_own({"id": "owner/name", "revision": "ab" * 20}) == f"owner/name@{'ab' * 20}"


def test_nothing_is_written_into_what_is_no_run(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds something else than such a run: name another --out"):
        check_folder(tiny_folder, besides=("tokens",), told="tokens_key")  # a model's config.json
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check_folder(tmp_path / "file")
    (tmp_path / "run").mkdir()
    check_folder(tmp_path / "run", told="tokens_key")
    (tmp_path / "run" / "config.json").write_text('{"tokens_key": "a"}')
    check_folder(tmp_path / "run", told="tokens_key")
    check_folder(tmp_path / "nowhere", told="tokens_key")
