"""What a pre-training run is and what came of it, as config.json and run.json tell it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.releases.manifests import write_json
from builders.store.provenance import provenance
from drama_train.loading import named_model
from drama_train.training.processes import hardware
from drama_train.training.run_folder import RUN

if TYPE_CHECKING:
    from drama_train.pretrain import Pretrain
    from drama_train.pretraining.plan import Plan
    from drama_train.pretraining.summary import Summary
    from drama_train.pretraining.texts import Texts
    from drama_train.pretraining.tokens import Tokens
    from drama_train.training.checkpoints import Progress
    from drama_train.training.mixture import Stream


def run_facts(
    config: "Pretrain", plan: "Plan", texts: "Sequence[Texts]", tokens: "Tokens", streams: "Sequence[Stream]"
) -> dict[str, Any]:
    """What the run is: what its weights depend on, and nothing else."""
    reading, teacher = config.reading, config.distilling.distil_from
    distillation = teacher and {
        **model_told(teacher),
        "weight": config.distilling.distil_weight,
        "temperature": config.distilling.distil_temperature,
    }
    return {
        "model": model_told(config.model),
        "texts": [one.told() for one in texts],
        "reading": {"length": reading.length, "heldout": reading.heldout, "limit": reading.limit},
        "tokens_key": tokens.key,
        "streams": [{"name": one.name, "blocks": len(one.rows), "weight": round(one.weight, 6)} for one in streams],
        "plan": plan.facts(),
        "distillation": distillation,
    }


def model_told(name: str) -> dict[str, Any]:
    model = named_model(name)
    return {"id": model.id, "revision": model.revision}


def end_run(folder: Path, facts: Mapping[str, Any], progress: "Progress", summary: "Summary", device: str) -> None:
    """Write run.json, the last file of a run."""
    done = {
        "steps": progress.step,
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "best_step": progress.best_step,
        "best_loss": progress.best_score,
        **summary.facts(),
        "hardware": hardware(device),
        "made_with": provenance(),
    }
    write_json(folder / RUN, {**facts, **done})
