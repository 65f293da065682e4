"""What a run is and what came of it, as config.json and run.json tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.releases.manifests import write_json
from builders.store.provenance import provenance
from drama_train.loading import named_model
from drama_train.pruning.facts import origin_of
from drama_train.training.processes import hardware
from drama_train.training.run_folder import RUN

if TYPE_CHECKING:
    from drama_train.retriever import Retriever
    from drama_train.train import Train
    from drama_train.training.checkpoints import Progress
    from drama_train.training.plan import Plan
    from drama_train.training.releases import Release
    from drama_train.training.streams import KindStream


def run_facts(
    config: "Train",
    plan: "Plan",
    retriever: "Retriever",
    releases: "Sequence[Release]",
    streams: "Sequence[KindStream]",
) -> dict[str, Any]:
    """What the run is: what its weights depend on, and nothing else."""
    source = named_model(config.model)
    languages = {
        release.name: sorted({s.kind.language for s in streams if s.kind.release == release.name})
        for release in releases
    }
    return {
        "model": {
            "id": source.id,
            "revision": source.revision,
            "layers": config.shape.layers,
            "pruned_from": origin_of(config.model),
        },
        "settings": asdict(retriever.settings),
        "releases": [
            {
                "name": release.name,
                "repository": release.repository,
                "release": release.manifest["release"],
                "content_hash": release.content_hash,
                "licence": release.manifest["licence"],
                "languages": languages[release.name],
            }
            for release in releases
        ],
        "mixture": {
            "name": Path(config.mixing.mixture).name,
            "homogeneous": config.mixing.homogeneous,
            "streams": [
                {"name": one.stream.name, "rows": len(one.stream.rows), "weight": round(one.stream.weight, 6)}
                for one in streams
            ],
        },
        "plan": plan.facts(),
        "heldout_queries": config.heldout,
    }


def end_run(folder: Path, facts: Mapping[str, Any], progress: "Progress", device: str) -> None:
    """Write run.json, the last file of a run."""
    done = {
        "steps": progress.step,
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "best_step": progress.best_step,
        "best_score": progress.best_score,
        "hardware": hardware(device),
        "made_with": provenance(),
    }
    write_json(folder / RUN, {**facts, **done})
