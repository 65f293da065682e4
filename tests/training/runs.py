"""A short run on a small release, which can be stopped in an evaluation."""

from pathlib import Path

import torch

from drama_train.retriever import Retriever, Settings, load_retriever
from drama_train.training.batches import BatchMaker
from drama_train.training.checkpoints import MODEL, find
from drama_train.training.loss import Objective
from drama_train.training.mixture import Mixture
from drama_train.training.plan import Plan
from drama_train.training.run_log import read_log
from drama_train.training.shares import read_shares
from drama_train.training.streams import Tables, train_streams
from drama_train.training.trainer import Evaluate, Work

PLAN = Plan(
    batch=8,
    negatives=3,
    steps=12,
    lr=1e-3,
    warmup_steps=2,
    weight_decay=0.01,
    clip=1.0,
    evaluate_every=3,
    patience=None,
    objective=Objective(0.05, dims=(128, 64)),
    mask_repeats=True,
    seed=0,
    budget=256,
)


class Stopped(Exception):
    """As if the run was killed in an evaluation."""


def work_of(folder: Path, tables: Tables, model: Path, plan: Plan = PLAN, evaluate: Evaluate | None = None) -> Work:
    folder.mkdir(parents=True, exist_ok=True)
    last = find(folder / "checkpoints", "last")
    retriever = load_retriever(str(last / MODEL if last else model), settings=Settings(max_length=24))
    streams = train_streams([tables], read_shares("rows"), 1.0)
    mixture = Mixture([one.stream for one in streams], plan.batch, plan.seed, homogeneous=False)
    return Work(folder, plan, retriever, BatchMaker(streams, retriever, plan.negatives, plan.seed), mixture, evaluate)


def scores_of(*values: float) -> Evaluate:
    """Held-out scores by turns; when they run out, the run is stopped."""
    left = iter(values)

    def evaluate(_: Retriever) -> dict[str, float]:
        try:
            return {"ndcg_at_10": next(left)}
        except StopIteration:
            raise Stopped from None

    return evaluate


def weights_of(retriever: Retriever) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in retriever.model.named_parameters()}


def losses_of(folder: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_log(folder) if "loss" in line]
