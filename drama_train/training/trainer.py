"""The loop: a step, its gradient clipped, AdamW; held-out scores, checkpoints; stop where the loss is no number."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.text.hashes import id_number
from drama_train.retriever import Retriever, save_retriever
from drama_train.training import processes
from drama_train.training.batches import BatchMaker
from drama_train.training.cached import Batch, Compute, cached_step
from drama_train.training.checkpoints import Progress, resumed, save_best, save_last
from drama_train.training.mixture import Draw, Mixture
from drama_train.training.optimizer import make_optimizer, optimizer_tensors
from drama_train.training.plan import Plan
from drama_train.training.prefetch import Prefetched, Step
from drama_train.training.run_log import RunLog, StepFacts

if TYPE_CHECKING:
    import torch

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

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"


def train(work: Work) -> Progress:
    """Train from the last checkpoint, or from the start, to the end; returns where the run ended.

    The retriever's model is the checkpoint's where there is one. Every step depends on the plan, the rows and the
    number of the step, so a resumed run goes on as if nothing had happened, bit for bit on a CPU.
    UserError where a loss is no number: it names the rows, and `last` is of before that step.
    """
    optimizer = make_optimizer(work.retriever.model, work.plan.weight_decay)
    progress = resumed(work.folder, work.retriever.model, optimizer, work.mixture)
    model = processes.replicated(work.retriever.model, work.retriever.device)
    save = partial(save_retriever, work.retriever)
    is_first = processes.rank() == 0
    make = _maker_of_share(work)
    with (
        RunLog(work.folder, work.plan.steps, progress.step, is_first=is_first) as log,
        Prefetched(work.mixture, make) as steps,
    ):
        if progress.step == 0 and _evaluate(work, progress, log) and is_first:
            save_best(work.checkpoints, save, progress)
        start = time.perf_counter()
        for step in steps:
            if progress.step >= work.plan.steps or _is_over(work.plan, progress):
                break
            log.step(_step(work, model, optimizer, step, progress, start))
            is_last = progress.step == work.plan.steps
            if progress.step % work.plan.evaluate_every == 0 or is_last:
                is_best = _evaluate(work, progress, log)
                if is_first:
                    save_last(work.checkpoints, save, optimizer_tensors(work.retriever.model, optimizer), progress)
                    if is_best:  # in this order, so that a run that is killed between them has what `best` should be
                        save_best(work.checkpoints, save, progress)
            start = time.perf_counter()
    return progress


def _step(
    work: Work, model: Any, optimizer: "torch.optim.AdamW", step: Step[Batch], progress: Progress, start: float
) -> StepFacts:
    """start: when the step before was done, so that waiting for this one's batch counts too."""
    import torch

    plan = work.plan
    # so that dropout of a resumed run is that of an uninterrupted one
    torch.manual_seed(id_number(plan.seed, f"{step.number}/{processes.rank()}", "dropout"))
    model.train()
    result = cached_step(model, step.batch, plan.objective, _compute(work))
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip))
    if not (math.isfinite(result.loss) and math.isfinite(norm)):
        raise _no_number(work, step, result.loss, norm)
    rate = plan.rate(step.number)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    tokens = int(processes.summed(torch.tensor(result.tokens, device=work.retriever.device)))
    seconds = time.perf_counter() - start
    progress.step, progress.mixture = step.number, step.state
    progress.tokens += tokens
    progress.seconds += seconds
    streams = dict(Counter(work.mixture.streams[draw.stream].name for draw in step.draws))
    return StepFacts(
        step.number, result.loss, rate, norm, tokens, seconds, processes.peak_memory(work.retriever.device), streams
    )


def _evaluate(work: Work, progress: Progress, log: RunLog) -> bool:
    """Whether the model is the best so far. The first process evaluates; all learn it."""
    import torch

    if work.evaluate is None:
        return False
    score = torch.zeros((), dtype=torch.float64, device=work.retriever.device)
    scores: Mapping[str, float] = {}
    if processes.rank() == 0:
        scores = work.evaluate(work.retriever)
        score += scores[SCORE]
    value = float(processes.summed(score))
    is_best = progress.best_score is None or value > progress.best_score
    progress.evaluations_since = 0 if is_best else progress.evaluations_since + 1
    if is_best:
        progress.best_score, progress.best_step = value, progress.step
    log.heldout(progress.step, scores, is_best=is_best)
    return is_best


def _is_over(plan: Plan, progress: Progress) -> bool:
    return plan.patience is not None and progress.evaluations_since >= plan.patience


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


def _no_number(work: Work, step: Step[Batch], loss: float, norm: float) -> UserError:
    """Names some rows; all are in no_number.json."""
    ids = work.maker.triplet_ids(step.draws)
    path = work.folder / "no_number.json"
    if processes.rank() == 0:
        content = {"step": step.number, "loss": str(loss), "gradient_norm": str(norm), "triplet_ids": ids}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return UserError(
        f"The loss of step {step.number} is {loss} and its gradient's norm {norm}, on {len(ids)} rows such as "
        f"{_some(ids)} (all are in {path}): look at them, or lower --lr; the last checkpoint is of before."
    )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3])
