"""What `python -m drama_train prune` refuses, in one sentence, and what it tells without doing it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from drama_train.__main__ import main
from tests.pretraining.making import write_beir
from tests.pruning.prune_runs import L0, flags_of, holds_only, one_sentence


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "importance: 1 steps of"),
        (L0, "l0: 12 steps of"),
        (["--pick", "magnitude"], "magnitude reads no text"),
        (["--vocabulary", "en"], "which stay is found by reading all texts"),
    ],
)
def test_a_dry_run_tells_and_writes_nothing(
    short: None,
    model: Path,
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    told: str,
) -> None:
    assert main([*flags_of(model, texts, tmp_path / "small", *flags), "--dry-run"]) == 0
    found = capsys.readouterr()
    assert told in found.err and "hidden          128         96" in found.err and found.out == ""
    assert holds_only(tmp_path)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (
            ["--shape", "0.1b"],
            "The shape 12x768x12x12x3072 has 12 layers, and the model has 2: pruning only takes away",
        ),
        (["--shape", "tiny"], "The shape tiny cannot be read: give 0.1b, 0.3b, demo, or layers x hidden"),
        (["--shape", "1x95x2x1x100"], "has 2 heads and 95 hidden, and transformers opens no Llama"),
        (["--shape", "1x96x3x2x100"], "3 heads do not share 2 kv heads evenly"),
        (["--pick", "l0", "--steps", "50"], "In 50 steps, 10 of them to warm up, gates do not reach their targets"),
        (["--pick", "l0", "--shape", "2x4x4x2x256"], "takes away 96.9% of hidden, and gates reach 0.2% to 95.3%"),
        (["--pick", "l0", "--shape", "2x128x4x2x256"], "takes nothing away, so that l0 has nothing to learn"),
        (["--fold"], "There are no gates to --fold with --pick importance"),
        (["--samples", "0"], "The --samples 0 is none: give 1 or more"),
        (["--hops", "2", "--hop-steps", "0"], "The --hop-steps 0 is none"),
        (["--lr", "nan"], "The --lr nan cannot be used: give more than 0"),
        (["--checkpoint-every", "0"], "The --checkpoint-every 0 cannot be used"),
        (["--sparsity-warmup", "1"], "The --sparsity-warmup 1.0 cannot be used"),
        (["--weights", "xx=1"], "No text is in the language xx"),
        (["--pick", "l0", "--device", "cuda"], "There are 0 GPUs here"),
    ],
)
def test_flags_that_cannot_be_used(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], fault: str
) -> None:
    if "cuda" in flags and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(flags_of(model, texts, tmp_path / "small", *flags)) == 2
    assert fault in one_sentence(capsys.readouterr().err)
    assert not (tmp_path / "small").exists()


def _changed(model: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(model, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model_type": "gpt2"}, "is a gpt2: give a llama, mistral or qwen3 model"),
        (
            {"quantization_config": {"quant_method": "awq"}},
            "are quantised (awq): give the model that they were made from",
        ),
        ({"num_hidden_layers": 3}, "tensors that its config.json asks for, such as model.layers.2."),
    ],
)
def test_models_that_cannot_be_cut(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], fault: str
) -> None:
    assert main(flags_of(_changed(model, tmp_path / "bad", **changes), texts, tmp_path / "small")) == 1
    assert fault in one_sentence(capsys.readouterr().err)
    assert not (tmp_path / "small").exists()


def test_biases_and_nan_are_named(model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, bad in (("biased", 0.0), ("broken", float("nan"))):
        folder = _changed(model, tmp_path / name, **({"mlp_bias": True} if name == "biased" else {}))
        weights = load_file(folder / "model.safetensors")
        if name == "biased":
            for number in range(2):
                for part, size in (("gate", 256), ("up", 256), ("down", 128)):
                    weights[f"model.layers.{number}.mlp.{part}_proj.bias"] = torch.zeros(size)
        else:
            weights["model.norm.weight"][3] = bad
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        assert main(flags_of(folder, texts, tmp_path / "small")) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert "The model has model.layers.0.mlp.gate_proj.bias, and pruning knows no biases" in told[0]
    assert "model.norm.weight of " in told[1] and "holds NaN or infinity" in told[1] and len(told) == 2


def test_texts_without_a_text_are_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write_beir(tmp_path / "empty", [{"_id": "1", "title": "", "text": "", "lang": "en"}])
    assert main(flags_of(model, empty, tmp_path / "small")) == 1
    assert "holds no text" in one_sentence(capsys.readouterr().err)
