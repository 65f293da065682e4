"""Which weights a name means to drama_train: a run, a folder, a Hub id at a revision; and what is said where none."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from builders.cli.errors import UserError
from builders.llm.requests import Model
from drama_train.loading import fetched, named_model

COMMIT = "0123456789" * 4


def test_a_revision_stands_after_an_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def download(model_id: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((model_id, revision))
        return "there"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert named_model(f"owner/name@{COMMIT}") == Model("owner/name", COMMIT)
    assert fetched(f"owner/name@{COMMIT}") == ("there", COMMIT) and asked == [("owner/name", COMMIT)]


@pytest.mark.parametrize("place", ["smollm2@main", "owner/name@", "folder@main"])
def test_what_has_no_revision_is_given_none(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"The model {place} has no revision '(main)?': give the name alone"):
        named_model(place)


@pytest.mark.parametrize(
    "fault", [LocalEntryNotFoundError("no network"), HFValidationError("a/b/c is no id")], ids=["offline", "id"]
)
def test_what_the_hub_does_not_give_is_said(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> str:
        raise fault

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(
        UserError, match=rf"^The model owner/name@{COMMIT} is not downloaded, .*\({type(fault).__name__}\)"
    ):
        fetched(f"owner/name@{COMMIT}")


def test_a_full_disk_is_no_fault_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(OSError, match="No space left"):
        fetched(f"owner/name@{COMMIT}")
