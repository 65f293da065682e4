"""`prune` on models, flags and folders that cannot be: one sentence, and nothing that a later run trips over."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drama_train.prune import command
from tests.llm.tiny_llama import one_thread, write_tiny_llama

WORDS = {"en": "the river is cold and the mountain is high", "de": "der Fluss ist kalt und der Berg ist hoch"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BEIR corpus of two languages."""
    path = tmp_path_factory.mktemp("notes") / "corpus.jsonl"
    rows = [
        {"_id": f"{language}{number}", "title": "", "text": f"{words} {number}. " * 6, "lang": language}
        for number in range(40)
        for language, words in WORDS.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prune(model: Path, texts: Path, out: Path, *more: str) -> int:
    given = ["--model", str(model), "--texts", str(texts), "--out", str(out), "--length", "32", "--heldout", "0.2"]
    shape = [] if "--shape" in more else ["--shape", "1x64x2x2x128"]
    with one_thread():
        return command([*given, *shape, "--samples", "8", "--device", "cpu", *more])


def test_two_hops_write_the_target(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """Halfway are 3 heads, which do not divide the geometric mean of the hidden dimensions, 91."""
    assert prune(tiny, notes, tmp_path / "out", "--hops", "2", "--hop-steps", "2") == 0
    told = json.loads((tmp_path / "out" / "pruning.json").read_text())
    assert told["target_shape"] == "1x64x2x2x128"
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_mistake_leaves_nothing_that_the_mended_command_trips_over(
    tiny: Path, notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune(tiny, notes, tmp_path / "out", "--vocabulary", "dee") == 2
    assert "No text is in the language dee (did you mean de?)" in capsys.readouterr().err
    assert prune(tiny, notes, tmp_path / "out", "--vocabulary", "de", "--limit", "30") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_losses_of_the_source_are_on_the_tokens_of_the_smaller_vocabulary(
    tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """English is cut into more tokens then, and its loss in each is another."""
    from drama_train.language_model import load_language_model
    from drama_train.pretraining.perplexity import HELDOUT_BLOCKS, heldout_losses
    from drama_train.pretraining.reading import Reading, read_tokens

    assert prune(tiny, notes, tmp_path / "cut", "--vocabulary", "de") == 0
    told = json.loads((tmp_path / "cut" / "pruning.json").read_text())
    source, cut = load_language_model(str(tiny)), load_language_model(str(tmp_path / "cut"))
    reading = Reading((str(notes),), length=32, heldout=0.2)
    numbers = torch.tensor(told["tokens"])
    assert 0 < len(numbers) < 512
    found = {}
    for name, tokenizer, mapped in (("whole", source.tokenizer, None), ("cut", cut.tokenizer, numbers)):
        tokens = read_tokens(reading, tmp_path / f"tokens-{name}", tokenizer)
        found[name] = heldout_losses(source.model, tokens, blocks=HELDOUT_BLOCKS, batch=4, numbers=mapped)
    assert told["losses"]["source"] == pytest.approx({n: one.loss for n, one in found["cut"].items()}, abs=1e-5)
    assert abs(found["whole"]["en"].loss - found["cut"]["en"].loss) > 0.01


def test_a_model_that_overflows_is_refused(
    tiny: Path, notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    huge = Path(shutil.copytree(tiny, tmp_path / "huge"))
    weights = load_file(huge / "model.safetensors")
    for name in ("gate_proj", "up_proj"):
        weights[f"model.layers.1.mlp.{name}.weight"] *= 1e38
    save_file(weights, huge / "model.safetensors", {"format": "pt"})
    assert prune(huge, notes, tmp_path / "out", "--pick", "random") == 1
    assert "The held-out loss of de, en is no number" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
