"""What is said of a model that cannot be pinned."""

from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from builders.cli.errors import UserError
from builders.llm.weights import pinned_model


@pytest.mark.parametrize(
    "fault",
    [
        httpx2.ConnectError("no route"),
        httpx2.ReadTimeout("slow"),
        httpx2.ProxyError("proxy"),
        OfflineModeIsEnabled("offline"),
        OSError("disk"),
    ],
)
def test_without_the_hub_one_true_sentence_is_said(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def model_info(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(UserError) as caught:
        pinned_model("someone/model", None)
    sentence = str(caught.value)
    assert sentence.startswith("The model someone/model is no folder here ")
    assert f"could not be looked up on the Hub ({type(fault).__name__})" in sentence
    assert "not found" not in sentence
    assert sentence.endswith("downloaded.")


def test_a_folder_changed_in_place_is_another_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"first")
    first = pinned_model(str(tmp_path), None)
    assert pinned_model(str(tmp_path), None) == first
    (tmp_path / "model.safetensors").write_bytes(b"other")  # as long as before
    other = pinned_model(str(tmp_path), None)
    assert other.id == first.id and other.revision != first.revision
    (tmp_path / "model.safetensors").write_bytes(b"first")
    assert pinned_model(str(tmp_path), None) == first


def test_a_name_that_the_hub_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="HFValidationError"):
        pinned_model("a/b/c", None)
