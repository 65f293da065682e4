"""What tests of `python -m drama_train prune` share: a target, flags, and what is looked at."""

from pathlib import Path

from drama_train.pruning.shape import Shape

TARGET = Shape(1, 96, 2, 1, 100)  # of 2x128x4x2x256
READING = "--length 32 --heldout 0.2".split()
L0 = "--pick l0 --steps 12 --batch 2 --mask-lr 2.5 --sparsity-warmup 0.5 --checkpoint-every 4".split()
FILES = {"config.json", "generation_config.json", "keep.json", "model.safetensors", "pruning.json"}
FILES |= {"tokenizer.json", "tokenizer_config.json"}


def flags_of(model: Path, texts: Path, out: Path, *more: str) -> list[str]:
    given = ["prune", "--model", str(model), "--texts", str(texts), "--out", str(out), *READING]
    for flag, value in (("--shape", str(TARGET)), ("--samples", "24"), ("--device", "cpu")):
        given += [] if flag in more else [flag, value]
    return [*given, *more]


def files_of(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def holds_only(parent: Path, *names: str) -> bool:
    return {one.name for one in parent.iterdir()} == set(names)


def one_sentence(told: str) -> str:
    """The last line: other commands' progress stands before it."""
    assert "Traceback" not in told
    sentence = told.strip().splitlines()[-1]
    assert sentence.startswith("Error: ") and sentence.endswith(".")
    return sentence
