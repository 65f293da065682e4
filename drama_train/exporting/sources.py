"""What is exported: a finished run with its facts and its curve, or a folder that `save_retriever` wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.llm.weights import pinned_model
from builders.releases.manifests import write_json
from builders.releases.redaction import redacted
from builders.store.folders import bytes_and_sha256
from builders.store.schemas import first_fault
from drama_train.retriever import Retriever, check_lengths, load_retriever

Checkpoint = Literal["best", "last"]
CONFIG, LOG, FACTS = "config.json", "log.jsonl", "run.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


@dataclass(frozen=True)
class Source:
    """A folder with a model, and what its run tells of it; nothing where it was no run."""

    name: str
    model: Path
    checkpoint: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    log: tuple[Mapping[str, Any], ...] = ()


def open_source(folder: Path, checkpoint: Checkpoint | None) -> Source:
    """A run (it has checkpoints/ or log.jsonl) or a model's folder. UserError where it is neither or is unfinished.

    checkpoint: of the run; None for best, or last where nothing was held out to choose a best one by.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: name a run of `python -m drama_train`, or a model's folder.")
    name = folder.resolve().name
    if not (folder / "checkpoints").is_dir() and not (folder / LOG).is_file():
        _check_model(folder, f"{folder} is neither a run (it has no checkpoints) nor a model")
        if checkpoint is not None:
            raise UserError(
                f"--checkpoint {checkpoint} is of a run, and {folder} is a model's folder: leave it out, or name "
                "the run.",
                exit_code=2,
            )
        return Source(name, folder)
    chosen = checkpoint or ("best" if (folder / "checkpoints/best").is_dir() else "last")
    model = folder / "checkpoints" / chosen / "model"
    if not (folder / FACTS).is_file():
        hint = f", or export {model} as it is" if (model / "config.json").is_file() else ""
        raise UserError(f"The run {folder} is not finished (it has no {FACTS}): run it again, which resumes it{hint}.")
    _check_model(model, f"The run {folder} has no checkpoint {chosen} that can be exported")
    facts = _read(folder / FACTS)
    if (fault := first_fault("run", facts)) is not None:
        raise UserError(f"{folder / FACTS} does not follow run.schema.json ({fault}): was it written by another drama?")
    return Source(name, model, chosen, _read(folder / CONFIG), facts, _read_log(folder / LOG))


def _check_model(folder: Path, sentence: str) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"{sentence}: there is no {folder / 'config.json'}.")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{sentence}: {folder} holds no weights in safetensors, the only form that is read.")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise UserError(
            f"{folder} has no tokenizer ({_TOKENIZERS[0]}): save the one that the model was trained with there."
        )


def _read(path: Path) -> dict[str, Any]:
    """A JSON object. UserError where there is none."""
    if not path.is_file():
        raise UserError(f"There is no {path}, which every run writes: run it again.")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}): run it again.") from None
    if not isinstance(told, dict):
        raise UserError(f"{path} is damaged (it is no JSON object): run it again.")
    return told


def _read_log(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The lines of log.jsonl. UserError names the first that is none."""
    if not path.is_file():
        raise UserError(f"There is no {path}, which every run writes: run it again.")
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(line)
        except ValueError as fault:
            raise UserError(f"Line {number} of {path} is damaged ({fault}): take it out, then export again.") from None
        if not isinstance(told, dict) or not isinstance(told.get("step"), int):
            raise UserError(f"Line {number} of {path} names no step: take it out, then export again.")
        if any(not 0 <= score <= 1 for score in told.get("heldout", {}).values()):
            raise UserError(f"Line {number} of {path} holds a score that is not from 0 to 1: run it again.")
        found.append(told)
    return tuple(found)


def load_source(source: Source, max_length: int | None) -> Retriever:
    """In float32, reading `max_length` tokens of a text where given. UserError where the model has fewer positions."""
    retriever = load_retriever(str(source.model))
    longest = max_length or retriever.settings.max_length
    check_lengths(retriever, longest)
    return replace(retriever, settings=replace(retriever.settings, max_length=longest))


def revisions_of(source: Source) -> frozenset[str]:
    """Hashes by which an evaluation may know these weights: that of the checkpoint's folder, and that of the model
    exported into the run, RUN/model, where its weights are the checkpoint's bit for bit."""
    folders = [source.model]
    if source.checkpoint is not None:
        exported = source.model.parents[2] / "model"
        if (exported / "config.json").is_file() and _weights(exported) == _weights(source.model):
            folders.append(exported)
    return frozenset(pinned_model(str(folder), None).revision for folder in folders)


def _weights(folder: Path) -> list[str]:
    return [str(bytes_and_sha256(path)["sha256"]) for path in sorted(folder.glob("*.safetensors"))]


def write_run(source: Source, folder: Path) -> None:
    """run.json, without paths of the machine and secrets, where the source is a run."""
    if source.facts:
        write_json(folder / FACTS, redacted(dict(source.facts)))
