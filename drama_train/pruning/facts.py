"""What a pruned model came from: pruning.json in its folder, which travels with it through recovery."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.releases.manifests import write_json
from builders.store.schemas import first_fault
from drama_train.loading import fetched, named_model

if TYPE_CHECKING:
    from drama_train.prune import Prune

PRUNING, KEEP = "pruning.json", "keep.json"


def identity_of(config: "Prune", device: str) -> dict[str, Any]:
    """What the weights depend on: another value is another model. UserError where l0 cannot learn so."""
    from drama_train.pretraining.texts import open_texts
    from drama_train.pruning.picking import l0_plan

    reading = config.reading
    model = named_model(config.model)
    told = {
        "source": {"id": model.id, "revision": model.revision},
        "shape": config.shape.lower(),
        "pick": config.pick,
        "fold": config.fold,
        "vocabulary": sorted(config.vocabulary),
        "hops": config.hops,
        "seed": config.seed,
        "texts": [open_texts(place).told() for place in reading.texts],
        "reading": {
            "length": reading.length,
            "weights": reading.by_language(),
            "balance": reading.balance,
            "heldout": reading.heldout,
            "limit": reading.limit,
        },
    }
    if config.pick == "importance":
        told["samples"] = config.samples
    if config.pick == "l0":
        plan = l0_plan(config.learning, device, config.seed)
        names = ("steps", "batch", "lr", "mask_lr", "multiplier_lr", "sparsity_warmup")
        told["learning"] = {name: getattr(plan, name) for name in names}
    if config.hops > 1:
        told["hop_steps"] = config.hop_steps
    return told


def write_pruning(folder: Path, told: Mapping[str, Any]) -> None:
    """ValueError where it does not follow schemas/pruning.schema.json."""
    if fault := first_fault("pruning", json.loads(json.dumps(told))):
        raise ValueError(f"what pruning tells broke its schema: {fault}")
    write_json(folder / PRUNING, told)


def read_pruning(folder: Path) -> dict[str, Any] | None:
    """pruning.json of a model's folder; None where it has none. UserError where it is damaged, or another's."""
    path = folder / PRUNING
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, Mapping):
            raise ValueError("it is no JSON object")
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}): make the model again.") from None
    if wrong := first_fault("pruning", found):
        raise UserError(f"{path} does not follow pruning.schema.json ({wrong}): was it written by another drama?")
    return dict(found)


def recovered_on(
    told: Mapping[str, Any], steps: int, tokens: int, texts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """pruning.json after so many steps more of next-token training on these texts."""
    if not steps:
        return dict(told)
    before = told.get("recovery") or {"steps": 0, "tokens": 0}
    recovery = {
        "steps": before["steps"] + steps,
        "tokens": before["tokens"] + tokens,
        "texts": united(before.get("texts", []), texts),
    }
    return {**told, "recovery": recovery}


def united(*texts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each text once, by its name and content; its licence where any of them tells one."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for one in chain(*texts):
        kept = found.setdefault((one["name"], one.get("content_hash")), dict(one))
        kept["licence"] = kept.get("licence") or one.get("licence")
    return list(found.values())


def origin_of(place: str) -> dict[str, Any] | None:
    """What is recorded of a model that was pruned or recovered here, where another one is made of it; None of others.

    learned_from: the texts that its weights were trained on since they came here: by l0, between hops, in recovery.
    pruned_from: where its source was pruned or recovered here in turn.
    """
    told = read_pruning(Path(fetched(place)[0]))
    if told is None:
        return None
    learned = told.get("texts", []) if told.get("pick") == "l0" or told.get("hops", 1) > 1 else []
    recovery, before = told.get("recovery"), told.get("origin")
    return {
        **told["source"],
        **{name: told.get(name) for name in ("source_shape", "target_shape", "pick")},
        "recovery": recovery and {name: recovery[name] for name in ("steps", "tokens")},
        "learned_from": united((before or {}).get("learned_from") or [], learned, (recovery or {}).get("texts", [])),
        "pruned_from": before,
    }
