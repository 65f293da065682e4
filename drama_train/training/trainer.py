"""The contrastive run: batches of triplets, cached gradients, held-out queries."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drama_train.retriever import Retriever, save_retriever
from drama_train.training import processes
from drama_train.training.batches import BatchMaker
from drama_train.training.cached import Batch, Compute, cached_step
from drama_train.training.checkpoints import Progress
from drama_train.training.loop import Culprits, Evaluation, Job, run_job
from drama_train.training.mixture import Draw, Mixture
from drama_train.training.optimizer import make_optimizer
from drama_train.training.plan import Plan
from drama_train.training.prefetch import Step

Evaluate = Callable[[Retriever], Mapping[str, float]]
SCORE = "ndcg_at_10"  # which of the held-out scores says what is best


@dataclass(frozen=True)
class Work:
    """What a run is made of. evaluate: held-out scores of the retriever as it is, or None without held-out rows."""

    folder: Path
    plan: Plan
    retriever: Retriever
    maker: BatchMaker
    mixture: Mixture
    evaluate: Evaluate | None


def train(work: Work) -> Progress:
    """Train from the last checkpoint, or from the start, to the end, as `run_job` tells.

    The retriever's model is the checkpoint's where there is one.
    """
    retriever = work.retriever
    model = processes.replicated(retriever.model, retriever.device)
    job = Job(
        folder=work.folder,
        plan=work.plan,
        model=retriever.model,
        device=retriever.device,
        optimizer=make_optimizer(retriever.model, work.plan.weight_decay),
        mixture=work.mixture,
        make=_maker_of_share(work),
        gradients=lambda batch: cached_step(model, batch, work.plan.objective, _compute(work)),
        evaluate=None if work.evaluate is None else partial(_evaluated, work.evaluate, retriever),
        is_better=operator.gt,
        save=lambda _: partial(save_retriever, retriever),
        culprits=partial(_culprits, work.maker),
    )
    return run_job(job)


def _evaluated(evaluate: Evaluate, retriever: Retriever) -> Evaluation:
    """The first process evaluates; all learn the score."""
    import torch

    score = torch.zeros((), dtype=torch.float64, device=retriever.device)
    scores: Mapping[str, float] = {}
    if processes.rank() == 0:
        scores = evaluate(retriever)
        score += scores[SCORE]
    return Evaluation(scores, float(processes.summed(score)))


def _maker_of_share(work: Work) -> Callable[[list[Draw]], Batch]:
    """The batch of this process: its share of the step's draws, in the order of the processes."""
    size = work.plan.batch // processes.world_size()
    start = processes.rank() * size
    return lambda draws: work.maker.make(draws[start : start + size])


def _compute(work: Work) -> Compute:
    import torch

    device = work.retriever.device
    return Compute(
        pooling=work.retriever.settings.pooling,
        budget=work.plan.budget,
        pad=work.retriever.pad,
        device=str(device),
        autocast=torch.bfloat16 if device.type == "cuda" else None,
        repeats=work.plan.mask_repeats,
    )


def _culprits(maker: BatchMaker, step: Step[Batch]) -> Culprits:
    ids = maker.triplet_ids(step.draws)
    return Culprits(f"{len(ids)} rows such as {', '.join(ids[:3])}", {"triplet_ids": ids})
