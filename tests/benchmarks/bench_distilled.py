"""Recovery of a pruned model from texts alone against texts and its source's logits, at equal tokens. Run by hand:

    python -m tests.benchmarks.bench_distilled --pruned pruned/notes-0 pruned/notes-1 --source smollm2
        --texts releases/notes-v1.0.0 --out distilled [--steps 100] [--batch 1] [--weight 0.5]

Each pruned folder is recovered twice, on the same blocks in the same order; its place is its seed. What is made stays
in --out, and a second run goes on from there.
"""

import argparse
from pathlib import Path

from drama_train.pretrain import Distilling, Pretrain
from drama_train.pretrain import main as pretrain
from drama_train.pretraining.plan import Schedule
from drama_train.pretraining.reading import Reading
from drama_train.training.run_folder import RUN, read_facts
from tests.benchmarks.bench_picks import interval, spread

ARMS = ("plain", "distilled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pruned", type=Path, nargs="+", required=True)
    parser.add_argument("--source", required=True, help="the model that was pruned")
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=1, help="blocks of --length tokens in a step")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--heldout", type=float, default=0.05)
    parser.add_argument("--weight", type=float, default=0.5, help="the teacher's part of the loss")
    asked = parser.parse_args()
    best: dict[str, list[float]] = {name: [] for name in ARMS}
    for seed, pruned in enumerate(asked.pruned):
        for name in ARMS:
            best[name].append(_recovered(asked, name, pruned, seed))
            print(f"{name} {pruned.name}: {best[name][-1]:.4f}", flush=True)
    print(f"best held-out nats a token, mean of {len(asked.pruned)} (least to most)")
    for name, losses in best.items():
        print(f"{name:10} {spread(losses)}")
    apart = [one - other for one, other in zip(best["distilled"], best["plain"], strict=True)]
    print(f"distilled - plain {interval(apart)}")


def _recovered(asked: argparse.Namespace, name: str, pruned: Path, seed: int) -> float:
    """The mean over languages of the best held-out loss."""
    distilling = Distilling(asked.source, asked.weight) if name == "distilled" else Distilling()
    reading = Reading(tuple(asked.texts), length=asked.length, heldout=asked.heldout)
    schedule = Schedule(batch=asked.batch, steps=asked.steps, evaluate_every=max(1, asked.steps // 5))
    run, packed = asked.out / f"{name}-{pruned.name}", asked.out / "tokens"
    pretrain(Pretrain(str(pruned), run, reading, schedule, distilling, packed=packed, seed=seed))
    facts = read_facts(run, RUN)
    assert facts is not None
    return float(facts["best_loss"])


if __name__ == "__main__":
    main()
