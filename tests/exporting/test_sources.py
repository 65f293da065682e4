"""What is exported: a finished run, a model's folder, and what neither is, named in one sentence."""

import json
import shutil
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from drama_train.exporting.sources import load_source, open_source
from drama_train.retriever import Retriever


def fault(folder: Path, checkpoint: str | None = None) -> str:
    with pytest.raises(UserError) as raised:
        open_source(folder, checkpoint)  # type: ignore[arg-type]
    return str(raised.value)


def test_a_run(run: Path) -> None:
    best, last = open_source(run, None), open_source(run, "last")
    assert (best.name, best.checkpoint, last.checkpoint) == ("notes", "best", "last")
    assert best.facts["steps"] == 40 and best.config["plan"]["batch"] == 64
    assert len([line for line in best.log if "loss" in line]) == 40
    assert load_source(best, None).settings.max_length == 96
    assert load_source(last, None).settings.max_length == 32
    assert load_source(last, 50).settings.max_length == 50
    with pytest.raises(UserError, match="has 256 positions, and 300 tokens"):
        load_source(best, 300)


def test_a_run_that_held_nothing_out_has_its_last_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints/best")
    assert open_source(run, None).checkpoint == "last"
    assert "has no checkpoint best that can be exported" in fault(run, "best")


def test_a_models_folder(run: Path) -> None:
    found = open_source(run / "checkpoints/best/model", None)
    assert (found.name, found.checkpoint, found.facts, found.log) == ("model", None, {}, ())
    model = run / "checkpoints/best/model"
    assert fault(model, "last") == (
        f"--checkpoint last is of a run, and {model} is a model's folder: leave it out, or name the run."
    )


def test_a_run_that_is_not_finished(run: Path) -> None:
    (run / "run.json").unlink()
    assert fault(run) == (
        f"The run {run} is not finished (it has no run.json): run it again, which resumes it, or export "
        f"{run / 'checkpoints/best/model'} as it is."
    )
    shutil.rmtree(run / "checkpoints")
    assert fault(run).endswith("(it has no run.json): run it again, which resumes it.")


def test_what_is_no_run(tmp_path: Path) -> None:
    assert fault(tmp_path / "nowhere").startswith(f"There is no folder {tmp_path / 'nowhere'}: name a run")
    assert "is neither a run (it has no checkpoints) nor a model: there is no" in fault(tmp_path)


def test_a_model_without_its_tokenizer_or_its_weights(run: Path) -> None:
    model = run / "checkpoints/best/model"
    for path in model.glob("tokenizer*"):
        path.unlink()
    assert fault(run).startswith(f"{model} has no tokenizer (tokenizer.json): save the one")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "holds no weights in safetensors, the only form that is read" in fault(run)


def test_facts_and_logs_that_are_damaged(run: Path) -> None:
    told = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(told | {"stepz": 3}))
    assert "does not follow run.schema.json (Additional properties are not allowed ('stepz'" in fault(run)
    release = told["releases"][0] | {"repository": "me/x](http://evil) <b>"}
    (run / "run.json").write_text(json.dumps(told | {"releases": [release]}))
    assert "does not follow run.schema.json (releases.0.repository: 'me/x](http://evil) <b>' does not match" in fault(
        run
    )
    (run / "run.json").write_text("[]")
    assert "run.json is damaged (it is no JSON object)" in fault(run)
    (run / "run.json").write_text(json.dumps(told))
    log = (run / "log.jsonl").read_text()
    (run / "log.jsonl").write_text(log + '{"step": 41, "lo')
    assert f"Line 45 of {run / 'log.jsonl'} is damaged" in fault(run)
    (run / "log.jsonl").write_text(log + "{}\n")
    assert f"Line 45 of {run / 'log.jsonl'} names no step" in fault(run)
    (run / "log.jsonl").write_text(log + '{"step": 41, "heldout": {"ndcg_at_10": 128.0}}\n')
    assert f"Line 45 of {run / 'log.jsonl'} holds a score that is not from 0 to 1" in fault(run)
    (run / "log.jsonl").unlink()
    assert fault(run) == f"There is no {run / 'log.jsonl'}, which every run writes: run it again."


def test_facts_of_which_none_is_recorded(run: Path, retriever: Retriever) -> None:
    (run / "run.json").write_text("{}")
    assert open_source(run, None).facts == {}
