"""A retriever that begins from a pruned model against one of the same shape from random weights. Run by hand:

    python -m tests.benchmarks.bench_init --pruned runs/recovered/model --release releases/pydoc-drama-v1.0.0 --out init
        [--on judged/ release:releases/pydoc-drama-v1.0.0] [--seeds 0 1 2] [--steps 40] [--batch 64] [--max-length 128]
        [--device cuda]

Both are trained by the same command on the same rows in the same order; a seed decides rows, and the random weights.
What is made stays in --out, and a second run goes on from there.
"""

import argparse
from pathlib import Path

import numpy as np

from drama_train.evaluation.intervals import Interval, bootstrap
from drama_train.evaluation.opening import Opening, named_sets
from drama_train.evaluation.running import Run, run_all
from drama_train.evaluation.specs import read_specs
from drama_train.evaluation.systems import System
from drama_train.language_model import LanguageModel, load_language_model, save_language_model
from drama_train.train import Mixing, Schedule, Shape, Train
from drama_train.train import main as train

ARMS = ("pruned", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pruned", required=True)
    parser.add_argument("--release", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--on", nargs="+", help="as of evaluate; not given: the held-out split of the releases")
    parser.add_argument("--mixture", default="rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--negatives", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--lr", type=float, nargs=2, help="of the pruned and of the random one; not given: derived")
    asked = parser.parse_args()
    specs = [f"{arm}-{seed}={_trained(asked, arm, seed)}" for seed in asked.seeds for arm in ARMS]
    specs += [f"untrained={asked.pruned}"]
    sets = named_sets(asked.on or [f"release:{one}" for one in asked.release], Opening(None, None, lambda: None))
    folder, longest = asked.out / "scores", asked.max_length
    systems = [System(spec, folder, asked.device, longest, ()) for spec in read_specs([*specs])]
    found = run_all(systems, sets, folder)
    for one in sets:
        _tell(found, one.name, asked.seeds)


def _trained(asked: argparse.Namespace, arm: str, seed: int) -> Path:
    """The run of that arm and seed."""
    out = asked.out / f"{arm}-{seed}"
    start = asked.pruned if arm == "pruned" else str(_random(asked, seed))
    rate = asked.lr and asked.lr[ARMS.index(arm)]
    schedule = Schedule(asked.batch, asked.negatives, asked.steps, lr=rate, evaluate_every=asked.steps)
    shape = Shape(max_length=asked.max_length)
    train(
        Train(tuple(asked.release), start, out, shape, Mixing(asked.mixture), schedule, seed=seed, device=asked.device)
    )
    return out / "checkpoints/last/model"  # at equal steps: the last, and not the best


def _random(asked: argparse.Namespace, seed: int) -> Path:
    """A folder with a model of the same shape and tokenizer, its weights as transformers begins."""
    import torch

    folder = asked.out / f"start-{seed}"
    if not (folder / "config.json").is_file():
        pruned = load_language_model(asked.pruned)
        torch.manual_seed(seed)
        fresh = type(pruned.model)(pruned.model.config)
        save_language_model(LanguageModel(fresh, pruned.tokenizer), folder)
    return folder


def _tell(found: Run, name: str, seeds: list[int]) -> None:
    """nDCG@10 of each run, and the difference of the arms: query by query the mean of the seeds, drawn over queries."""
    scores = {row.system: row.scores for row in found.rows if row.set == name and row.dim == _widest(found, row.system)}
    strata = scores["untrained"].languages
    for system, one in sorted(scores.items()):
        print(f"{name:28} {system:14} {_told(bootstrap(one.values['ndcg_at_10'], strata=strata))}")
    by_arm = {arm: np.mean([scores[f"{arm}-{seed}"].values["ndcg_at_10"] for seed in seeds], axis=0) for arm in ARMS}
    for arm, values in by_arm.items():
        print(f"{name:28} {arm:14} {_told(bootstrap(values, strata=strata))}")
    apart = bootstrap(by_arm["pruned"] - by_arm["random"], strata=strata)
    print(f"{name:28} pruned - random {_told(apart)}{'' if apart.is_resolved else ', not resolved at this size'}")


def _told(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _widest(found: Run, system: str) -> int | None:
    return max((row.dim for row in found.rows if row.system == system), key=lambda dim: dim or 0)


if __name__ == "__main__":
    main()
