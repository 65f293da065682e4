"""Checkpoints of a run: `last`, from which it goes on, and `best`, the weights that scored highest when held out."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.releases.manifests import write_json
from drama_train.training import processes
from drama_train.training.mixture import Mixture
from drama_train.training.optimizer import load_optimizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SaveModel = Callable[[Path], object]  # into a folder that is not there yet
STATE, OPTIMIZER, MODEL = "state.json", "optimizer.safetensors", "model"


@dataclass
class Progress:
    """Where a run is, after `step` steps. best_step is 0 where nothing was evaluated yet.

    best_score: nDCG@10 of a retriever, the mean loss of a language model; of held-out rows.
    """

    step: int = 0
    mixture: dict[str, Any] = field(default_factory=dict)
    best_step: int = 0
    best_score: float | None = None
    evaluations_since: int = 0
    tokens: int = 0
    seconds: float = 0.0


def save_last(folder: Path, save_model: SaveModel, optimizer: "Mapping[str, Tensor]", progress: Progress) -> None:
    """Replace `last`. optimizer: what optimizer_tensors returned."""
    from safetensors.torch import save_file

    def write(new: Path) -> None:
        save_model(new / MODEL)
        save_file(dict(optimizer), new / OPTIMIZER)

    save_checkpoint(folder, "last", asdict(progress), write)


def save_best(folder: Path, save_model: SaveModel, progress: Progress) -> None:
    """Replace `best`, likewise; it has no optimizer."""
    save_checkpoint(folder, "best", asdict(progress), lambda new: save_model(new / MODEL))


def save_checkpoint(folder: Path, name: str, state: Mapping[str, Any], write: Callable[[Path], object]) -> None:
    """Replace the checkpoint of that name by what `write` puts into an empty folder, whole or not at all.

    A run that is killed meanwhile still has the one before or this one. state: JSON, written last. UserError where
    the disk is full.
    """
    new = _emptied(folder, name)
    with _written(new):
        write(new)
    _finish(new, state, folder / name)


def find(folder: Path, name: str) -> Path | None:
    """The checkpoint of that name, also where a kill came between two renames; None where there is none."""
    places = (folder / name, folder / f"{name}.new", folder / f"{name}.old")
    return next((place for place in places if (place / STATE).is_file()), None)


def read_progress(checkpoint: Path) -> Progress:
    """UserError where its state is damaged."""
    try:
        return Progress(**json.loads((checkpoint / STATE).read_text()))
    except (ValueError, TypeError) as fault:
        raise UserError(f"The checkpoint {checkpoint} is damaged ({fault}): remove it, or train anew.") from None


def resumed(run: Path, model: Any, optimizer: "torch.optim.AdamW", mixture: Mixture) -> Progress:
    """Where the run of that folder goes on: the optimizer and the mixture become those of `last`, if there is one.

    The model is the checkpoint's already. UserError where the checkpoint is damaged, or of another mixture.
    """
    folder = run / "checkpoints"
    checkpoint = find(folder, "last")
    if checkpoint is None:
        return Progress()
    progress = read_progress(checkpoint)
    _load_optimizer(checkpoint, model, optimizer)
    try:
        mixture.load(progress.mixture)
    except (ValueError, KeyError, TypeError) as fault:
        raise UserError(f"The checkpoint {checkpoint} is of another mixture ({fault}): name another --out.") from None
    if progress.best_score is not None and processes.rank() == 0:
        _check_best(run, checkpoint, progress)
    return progress


def _load_optimizer(checkpoint: Path, model: Any, optimizer: "torch.optim.AdamW") -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        load_optimizer(model, optimizer, load_file(checkpoint / OPTIMIZER))
    except (SafetensorError, KeyError, OSError) as fault:
        raise UserError(f"The optimizer of the checkpoint {checkpoint} cannot be read ({fault}): train anew.") from None


def _check_best(run: Path, last: Path, progress: Progress) -> None:
    """`best` is what `last` says it is; where a kill came between the two, it becomes so now."""
    best = find(last.parent, "best")
    if best is not None and read_progress(best).step == progress.best_step:
        return
    if progress.step != progress.best_step:
        raise UserError(
            f"The best checkpoint of {run}, of step {progress.best_step}, is gone or another one: name another "
            "--out to train anew."
        )
    save_best(last.parent, lambda folder: shutil.copytree(last / MODEL, folder), progress)


@contextmanager
def _written(new: Path) -> Iterator[None]:
    """safetensors words a full disk in a way of its own. UserError, as of other files."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as fault:
        raise UserError(
            f"The checkpoint {new} cannot be written ({fault}): make room there, then run this again, and it goes on "
            "from the checkpoint before."
        ) from None


def _emptied(folder: Path, name: str) -> Path:
    """The empty folder of the next checkpoint. What `find` finds has its name by then, so that it is not emptied."""
    place, new = folder / name, folder / f"{name}.new"
    found = find(folder, name)
    if found is not None and found != place:
        shutil.rmtree(place, ignore_errors=True)
        found.rename(place)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    return new


def _finish(new: Path, state: Mapping[str, Any], place: Path) -> None:
    """state.json is written last, when the others are on the disk; then the names change."""
    for path in sorted(path for path in new.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_json(new / STATE, state)
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
