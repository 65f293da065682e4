"""Held-out losses of the model that was pruned, beside which those of a run stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.llm.weights import COMMIT, FOLDER_HASH
from builders.releases.manifests import write_json
from drama_train.language_model import LanguageModel, load_language_model
from drama_train.loading import named_model
from drama_train.pretraining.perplexity import HELDOUT_BLOCKS, Known, LanguageLoss, heldout_losses, known
from drama_train.pretraining.teacher import Teacher, source_numbers
from drama_train.training import processes

if TYPE_CHECKING:
    from drama_train.pretrain import Pretrain
    from drama_train.pretraining.plan import Plan
    from drama_train.pretraining.texts import Texts
    from drama_train.pretraining.tokens import Tokens

SOURCE = "source.json"
OF_PRUNING = "source"  # what --compare calls the model that pruning.json names


@dataclass(frozen=True)
class Comparing:
    """What is needed to measure the source on the run's held-out blocks."""

    config: "Pretrain"
    plan: "Plan"
    texts: "Sequence[Texts]"
    tokens: "Tokens"
    student: LanguageModel
    pruning: Mapping[str, Any] | None
    teacher: Teacher | None


def what_is_known(of: Comparing) -> Known | None:
    """By --compare, by the teacher, or as pruning.json tells it of the same blocks; None where nothing is.

    The losses are kept in the run's folder, and all processes must ask. UserError where the model has other tokens.
    """
    path = of.config.out / SOURCE
    told = _named(of)
    kept = _kept(path, told) if path.is_file() else None
    processes.wait_for_all()  # none looks for the file while it is being written
    if kept is not None:
        return known(kept, of.tokens, of.config.reading.by_language())
    found = _measured(of) if told["model"] else _of_pruning(of)
    if found is None:
        processes.tell("Which languages are lost is not told: give --compare with the model that was pruned.")
        return None
    if processes.rank() == 0:
        write_json(path, {**told, "losses": {name: asdict(one) for name, one in found.items()}})
    return known(found, of.tokens, of.config.reading.by_language())


def _named(of: Comparing) -> dict[str, Any]:
    """Which model is measured, and on what."""
    model = of.config.compare or of.config.distilling.distil_from
    if model == OF_PRUNING:
        if of.pruning is None:
            raise UserError(
                f"--compare {OF_PRUNING} asks for the model that pruning.json names, and {of.config.model} has none: "
                "name the model.",
                exit_code=2,
            )
        model = _of_its_own(of.pruning["source"])
    return {"model": model, "tokens_key": of.tokens.key, "blocks": of.plan.heldout_blocks}


def _of_its_own(source: Mapping[str, Any]) -> str:
    """The name of the model that pruning.json tells. UserError where its place is not known, or another is there."""
    name, revision = str(source["id"]), str(source["revision"])
    was_folder = revision.startswith(FOLDER_HASH)
    if was_folder and not Path(name).expanduser().is_dir():
        raise UserError(
            f"pruning.json names the folder {name}, which is not here: give --compare with the place of that folder.",
            exit_code=2,
        )
    if COMMIT.fullmatch(revision):
        return f"{name}@{revision}"
    if (found := named_model(name).revision) != revision:
        raise UserError(
            f"The model {name} is {found}, and the one that was pruned {revision}: give --compare with the place of "
            "that one.",
            exit_code=2,
        )
    return name


def _measured(of: Comparing) -> dict[str, LanguageLoss]:
    name = _named(of)["model"]
    teacher = of.config.distilling.distil_from
    if of.teacher is not None and teacher is not None and named_model(name) == named_model(teacher):
        model, numbers = of.teacher.model, of.teacher.numbers
    else:
        source = load_language_model(name, device=str(of.student.model.device))
        model, numbers = source.model, source_numbers(source, name, of.student, of.pruning)
    processes.tell(f"held-out losses of {name}:")
    return heldout_losses(model, of.tokens, blocks=of.plan.heldout_blocks, batch=of.plan.micro_batch, numbers=numbers)


def _of_pruning(of: Comparing) -> dict[str, LanguageLoss] | None:
    """What prune measured, where it was of the same texts, cut into the same blocks."""
    reading = of.config.reading
    mine = {"length": reading.length, "heldout": reading.heldout, "limit": reading.limit}
    told = of.pruning or {}
    theirs = {name: told.get("reading", {}).get(name) for name in mine}
    texts = [(one["name"], one["content_hash"]) for one in told.get("texts", [])]
    is_same = texts == [(one.name, one.content_hash) for one in of.texts] and theirs == mine
    if not is_same or of.plan.heldout_blocks != HELDOUT_BLOCKS:
        return None
    losses: Mapping[str, float] = told.get("losses", {}).get("source", {})
    sizes = {name: len(one.heldout[:HELDOUT_BLOCKS]) for name, one in of.tokens.languages.items()}
    return {
        name: LanguageLoss(float(losses[name]), count * (of.tokens.block - 1))
        for name, count in sizes.items()
        if count and name in losses
    }


def _kept(path: Path, told: Mapping[str, Any]) -> dict[str, LanguageLoss] | None:
    """None where the file is of another model or of other blocks. UserError where it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if any(found[name] != value for name, value in told.items()):
            return None
        return {name: LanguageLoss(**one) for name, one in found["losses"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UserError(f"{path} is damaged ({fault}): delete it, and it is made again.") from None
