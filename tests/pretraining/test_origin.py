"""What a recovered model tells of where it came from, and what its run knows of that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drama_train.pretraining.texts import open_texts
from drama_train.pruning.facts import origin_of
from tests.llm.tiny_llama import one_thread, write_tiny_llama
from tests.pretraining.runs import flags_of, run_pretrain


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with one_thread():
        yield


def test_a_model_that_was_not_pruned_tells_what_it_learned_from(texts: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """In its checkpoints too, from which another run may begin before this one has ended."""
    out = tmp_path / "run"
    assert run_pretrain(*flags_of(texts, tiny_folder, out)) == 0
    run = json.loads((out / "run.json").read_text())
    assert run["best_step"] > 0
    origin = origin_of(str(out))
    assert origin is not None and (origin["id"], origin["pruned_from"]) == (tiny_folder.name, None)
    assert origin["recovery"] == {"steps": run["best_step"], "tokens": run["best_step"] * 4 * 32}
    assert origin["learned_from"] == [open_texts(str(texts)).recorded()]
    (out / "model").rename(tmp_path / "elsewhere")
    (out / "run.json").unlink()
    assert origin_of(str(out)) == origin


def test_losses_that_prune_measured_stand_for_the_source(
    texts: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where they are of the same blocks."""
    model, out = tmp_path / "model", tmp_path / "run"
    write_tiny_llama(model)
    told: dict[str, Any] = {
        "source": {"id": "tiny", "revision": "1"},
        "tokens": None,
        "texts": [open_texts(str(texts)).recorded() | {"licence": "MIT"}],
        "reading": {"length": 32, "heldout": 0.2, "limit": None},
        "losses": {"source": {"de": 1.0, "en": 0.0}, "cut": {"de": 2.0, "en": 2.0}},
    }
    (model / "pruning.json").write_text(json.dumps(told))
    flags = [flag for flag in flags_of(texts, model, out) if flag not in ("--heldout-blocks", "2")]
    flags.insert(flags.index("--evaluate-every") + 1, "2")
    assert run_pretrain(*flags) == 0
    run = json.loads((out / "run.json").read_text())
    assert {name: one["loss"] for name, one in run["losses"]["source"].items()} == {"de": 1.0, "en": 0.0}
    assert run["kept"] == {"de": 0.0, "en": 0.0} and run["lost"] == []
    assert "Which languages are lost is not told" not in capsys.readouterr().err
