"""The loop of a run: a step, its gradient clipped, AdamW; evaluations, checkpoints; stop where a loss is no number."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol

from builders.cli.errors import UserError
from builders.text.hashes import id_number
from drama_train.training import processes
from drama_train.training.checkpoints import Progress, SaveModel, resumed, save_best, save_last
from drama_train.training.mixture import Draw, Mixture
from drama_train.training.optimizer import optimizer_tensors
from drama_train.training.prefetch import Batch, Prefetched, Step
from drama_train.training.run_log import RunLog, StepFacts

if TYPE_CHECKING:
    import torch


class Pace(Protocol):
    """What the loop reads of a plan."""

    @property
    def steps(self) -> int: ...
    @property
    def clip(self) -> float: ...
    @property
    def evaluate_every(self) -> int: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def seed(self) -> int: ...
    def rate(self, step: int) -> float: ...


@dataclass(frozen=True)
class StepResult:
    """loss: the mean over the rows of all processes. tokens: real tokens that this process read."""

    loss: float
    tokens: int


@dataclass(frozen=True)
class Evaluation:
    """scores: as told; value: the one that decides what is best, the same in every process."""

    scores: Mapping[str, float]
    value: float


@dataclass(frozen=True)
class Culprits:
    """What was in a step: `told`, some of it in words; `listed`, all of it as JSON."""

    told: str
    listed: Mapping[str, Any]


@dataclass(frozen=True)
class Job(Generic[Batch]):
    """What is trained, and on what.

    model: whose parameters the optimizer has; make: the batch of this process, of a step's draws; gradients: adds
    those of a batch to the model's; evaluate: None where nothing is held out; is_better: a value than the best before;
    save: called by all processes with how far the run is, gives what the first writes a checkpoint's model with.
    """

    folder: Path
    plan: Pace
    model: Any
    device: "torch.device"
    optimizer: "torch.optim.AdamW"
    mixture: Mixture
    make: Callable[[list[Draw]], Batch]
    gradients: Callable[[Batch], StepResult]
    evaluate: Callable[[], Evaluation] | None
    is_better: Callable[[float, float], bool]
    save: Callable[[Progress], SaveModel]
    culprits: Callable[[Step[Batch]], Culprits]

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"


def run_job(job: Job[Batch]) -> Progress:
    """From the last checkpoint, or from the start, to the end; returns where the run ended.

    The model is the checkpoint's where there is one. Every step depends on the plan, the rows and the number of the
    step, so a resumed run goes on as if nothing had happened, bit for bit on a CPU.
    UserError where a loss is no number: it names the rows, and `last` is of before that step.
    """
    progress = resumed(job.folder, job.model, job.optimizer, job.mixture)
    is_first = processes.rank() == 0
    with (
        RunLog(job.folder, job.plan.steps, progress.step, is_first=is_first) as log,
        Prefetched(job.mixture, job.make) as steps,
    ):
        if progress.step == 0 and _is_best(job, progress, log):
            _save(job, progress, is_last=False, is_best=True)
        start = time.perf_counter()
        for step in steps:
            if progress.step >= job.plan.steps or _is_over(job.plan, progress):
                break
            log.step(_step(job, step, progress, start))
            if progress.step % job.plan.evaluate_every == 0 or progress.step == job.plan.steps:
                _save(job, progress, is_last=True, is_best=_is_best(job, progress, log))
            start = time.perf_counter()
    return progress


def _step(job: Job[Batch], step: Step[Batch], progress: Progress, start: float) -> StepFacts:
    """start: when the step before was done, so that waiting for this one's batch counts too."""
    import torch

    plan = job.plan
    # so that dropout of a resumed run is that of an uninterrupted one
    torch.manual_seed(id_number(plan.seed, f"{step.number}/{processes.rank()}", "dropout"))
    job.model.train()
    result = job.gradients(step.batch)
    norm = float(processes.whole(torch.nn.utils.clip_grad_norm_(job.model.parameters(), plan.clip)))
    if not (math.isfinite(result.loss) and math.isfinite(norm)):
        raise _no_number(job, step, result.loss, norm)
    rate = plan.rate(step.number)
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    job.optimizer.step()
    job.optimizer.zero_grad(set_to_none=True)
    tokens = int(processes.summed(torch.tensor(result.tokens, device=job.device)))
    seconds = time.perf_counter() - start
    progress.step, progress.mixture = step.number, step.state
    progress.tokens += tokens
    progress.seconds += seconds
    streams = dict(Counter(job.mixture.streams[draw.stream].name for draw in step.draws))
    memory = processes.peak_memory(job.device)
    return StepFacts(step.number, result.loss, rate, norm, tokens, seconds, memory, streams)


def _is_best(job: Job[Batch], progress: Progress, log: RunLog) -> bool:
    """Whether the model is the best so far; False where nothing is held out."""
    if job.evaluate is None:
        return False
    found = job.evaluate()
    is_best = progress.best_score is None or job.is_better(found.value, progress.best_score)
    progress.evaluations_since = 0 if is_best else progress.evaluations_since + 1
    if is_best:
        progress.best_score, progress.best_step = found.value, progress.step
    log.heldout(progress.step, found.scores, is_best=is_best)
    return is_best


def _save(job: Job[Batch], progress: Progress, *, is_last: bool, is_best: bool) -> None:
    """In this order, so that a run that is killed between them has what `best` should be."""
    save = job.save(progress)
    tensors = optimizer_tensors(job.model, job.optimizer) if is_last else {}
    if processes.rank() > 0:
        return
    if is_last:
        save_last(job.checkpoints, save, tensors, progress)
    if is_best:
        save_best(job.checkpoints, save, progress)


def _is_over(plan: Pace, progress: Progress) -> bool:
    return plan.patience is not None and progress.evaluations_since >= plan.patience


def _no_number(job: Job[Batch], step: Step[Batch], loss: float, norm: float) -> UserError:
    """Names some of the step; all of it is in no_number.json."""
    found = job.culprits(step)
    path = job.folder / "no_number.json"
    if processes.rank() == 0:
        content = {"step": step.number, "loss": str(loss), "gradient_norm": str(norm), **found.listed}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return UserError(
        f"The loss of step {step.number} is {loss} and its gradient's norm {norm}, on {found.told} (all are in "
        f"{path}): look at them, or lower --lr; the last checkpoint is of before."
    )
