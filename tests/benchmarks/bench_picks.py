"""Held-out loss right after the cut, and after the same recovery, of every way to pick units. Run by hand:

    python -m tests.benchmarks.bench_picks --texts releases/pydoc-drama-v1.0.0 --out picks [--seeds 0 1 2]
        [--shape 24x512x8x8x1280] [--vocabulary en] [--steps 300] [--recovery 100] [--batch 1]
        [--picks l0 importance magnitude random]

A seed decides the texts that a pick reads, its noise, and the order of the recovery's blocks. What is made stays in
--out, and a second run goes on from there.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from drama_train.pretrain import Pretrain
from drama_train.pretrain import main as pretrain
from drama_train.pretraining.plan import Schedule
from drama_train.pretraining.reading import Reading
from drama_train.prune import Prune
from drama_train.prune import main as prune
from drama_train.pruning.facts import read_pruning
from drama_train.pruning.picking import METHODS, Learning
from drama_train.training.run_folder import RUN, read_facts

T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # Student's, of n - 1 degrees of freedom
Losses = dict[str, dict[int, float]]  # of each pick, by seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--shape", default="24x512x8x8x1280")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--picks", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--steps", type=int, default=300, help="of l0")
    parser.add_argument("--vocabulary", nargs="+", default=[], help="languages whose tokens stay; none: all")
    parser.add_argument("--recovery", type=int, default=100, help="steps; 0 for none")
    parser.add_argument("--batch", type=int, default=1, help="blocks of --length tokens in a step, of both")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--heldout", type=float, default=0.05)
    asked = parser.parse_args()
    cut: Losses = {name: {} for name in asked.picks}
    after: Losses = {name: {} for name in asked.picks}
    for seed in asked.seeds:
        for name in asked.picks:
            cut[name][seed], recovered = _losses(asked, name, seed)
            if recovered is not None:
                after[name][seed] = recovered
            print(f"{name} {seed}: cut {cut[name][seed]:.4f}, recovered {recovered}", flush=True)
    print(f"held-out nats a token, mean of {len(asked.seeds)} seeds (least to most)")
    for title, losses in (("after the cut", cut), ("recovered", after)):
        if losses[asked.picks[0]]:
            _tell(title, losses)


def _losses(asked: argparse.Namespace, name: str, seed: int) -> tuple[float, float | None]:
    """Means over languages."""
    reading = Reading(tuple(asked.texts), length=asked.length, heldout=asked.heldout)
    folder = asked.out / f"{name}-{seed}"
    learning = Learning(steps=asked.steps, batch=asked.batch, checkpoint_every=50)
    vocabulary = tuple(asked.vocabulary)
    prune(
        Prune(asked.model, asked.shape, folder, reading, pick=name, learning=learning, vocabulary=vocabulary, seed=seed)
    )
    told = read_pruning(folder)
    assert told is not None
    cut = statistics.mean(told["losses"]["cut"].values())
    if not asked.recovery:
        return cut, None
    run = asked.out / f"{name}-{seed}-recovered"
    five = max(1, asked.recovery // 5)
    schedule = Schedule(batch=asked.batch, steps=asked.recovery, evaluate_every=five)
    pretrain(Pretrain(str(folder), run, reading, schedule, packed=asked.out / "tokens", seed=seed))
    facts = read_facts(run, RUN)
    assert facts is not None
    return cut, facts["best_loss"]


def _tell(title: str, losses: Losses) -> None:
    for name, found in losses.items():
        print(f"{title:14} {name:12} {spread(list(found.values()))}")
    first, *others = losses
    for name in others:
        differences = [losses[first][seed] - losses[name][seed] for seed in losses[first]]
        print(f"{title:14} {first} - {name}: {interval(differences)}")


def spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def interval(differences: Sequence[float]) -> str:
    """95% by Student's t over seeds."""
    mean, count = statistics.mean(differences), len(differences)
    if count not in T_95:
        return f"{mean:+.3f} ({count} seeds, no interval)"
    half = T_95[count] * statistics.stdev(differences) / math.sqrt(count)
    resolved = "" if abs(mean) > half else ", not resolved at this size"
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f}{resolved})"


if __name__ == "__main__":
    main()
