"""The pre-training run: blocks of tokens by language, their next-token loss, held-out texts."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from drama_train.language_model import LanguageModel, save_language_model
from drama_train.pretraining.perplexity import Known, heldout_losses, lost_told, mean_loss
from drama_train.pretraining.plan import Plan
from drama_train.pretraining.teacher import Teacher
from drama_train.pruning.facts import recovered_on, write_pruning
from drama_train.training import processes
from drama_train.training.checkpoints import Progress, SaveModel
from drama_train.training.loop import Culprits, Evaluation, Job, StepResult, run_job
from drama_train.training.mixture import Draw, Mixture
from drama_train.training.optimizer import make_optimizer
from drama_train.training.prefetch import Step

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from drama_train.pretraining.tokens import Tokens

BETAS = (0.9, 0.95)  # Sheared LLaMA's (arXiv 2310.06694, A.1)
MEAN = "loss"  # how the mean over languages is called beside theirs


@dataclass(frozen=True)
class Work:
    """What a run is made of. known: what the model that was pruned knows, where that was measured.

    begun: what the pruning.json of the model that the run begins from tells, and texts: what is recorded of its texts;
    both go with its checkpoints. checkpointing: states of layers are computed again in backward, and not kept. fsdp:
    the processes share the model.
    """

    folder: Path
    plan: Plan
    model: LanguageModel
    tokens: "Tokens"
    mixture: Mixture
    begun: Mapping[str, Any] | None = None
    texts: Sequence[Mapping[str, Any]] = ()
    teacher: Teacher | None = None
    known: Known | None = None
    checkpointing: bool = False
    fsdp: bool = False

    @property
    def device(self) -> "torch.device":
        found: torch.device = next(self.model.model.parameters()).device
        return found

    @property
    def languages(self) -> list[str]:
        """Those that are trained on."""
        return [stream.name for stream in self.mixture.streams]


def pretrain(work: Work) -> Progress:
    """Train from the last checkpoint, or from the start, to the end, as `run_job` tells.

    The model is the checkpoint's where there is one. best_score is the mean held-out loss over languages.
    """
    learner = learner_of(work)
    job = Job(
        folder=work.folder,
        plan=work.plan,
        model=work.model.model,
        device=work.device,
        optimizer=make_optimizer(work.model.model, work.plan.weight_decay, BETAS),
        mixture=work.mixture,
        make=maker_of_share(work),
        gradients=gradients_of(work, learner),
        evaluate=_evaluation(work, learner),
        is_better=operator.lt,
        save=lambda progress: _saver(work, progress),
        culprits=lambda step: _culprits(work.mixture, step),
    )
    return run_job(job)


def learner_of(work: Work) -> Any:
    """The module whose forward is the loss, shared by the processes. To be made before the optimizer."""
    from drama_train.pretraining.next_token import NextToken, checkpoint_layers, shared_learner

    if work.checkpointing:
        checkpoint_layers(work.model.model)
    return shared_learner(NextToken(work.model.model, work.teacher), work.device, fsdp=work.fsdp)


def gradients_of(work: Work, learner: Any) -> "Callable[[NDArray[Any]], StepResult]":
    """Adds the gradients of this process's blocks (B, T)."""
    import torch

    from drama_train.pretraining.next_token import accumulated

    return lambda ids: accumulated(learner, torch.from_numpy(ids), work.plan.micro_batch, work.teacher)


def maker_of_share(work: Work) -> "Callable[[list[Draw]], NDArray[Any]]":
    """The blocks of this process (B, T): its share of the step's draws, in the order of the processes."""
    import numpy as np

    size = work.plan.batch // processes.world_size()
    start = processes.rank() * size
    streams = work.mixture.streams

    def make(draws: Sequence[Draw]) -> "NDArray[Any]":
        mine = draws[start : start + size]
        return np.concatenate([work.tokens.blocks(streams[draw.stream].name, [draw.row]) for draw in mine])

    return make


def _evaluation(work: Work, learner: Any) -> Callable[[], Evaluation] | None:
    if not any(len(work.tokens.languages[name].heldout) for name in work.languages):
        processes.tell("Nothing is held out, so no checkpoint is the best one: the last is the result.")
        return None
    # in DDP by the module itself, since nothing is exchanged without a backward; FSDP2's is the module
    alone = getattr(learner, "module", learner)

    def evaluate() -> Evaluation:
        plan = work.plan
        losses = heldout_losses(alone, work.tokens, blocks=plan.heldout_blocks, batch=plan.micro_batch)
        value = mean_loss(losses, work.languages)
        if work.known and (lost := work.known.lost(losses)) and processes.rank() == 0:
            say(lost_told(lost))
        return Evaluation({MEAN: value, **{name: one.loss for name, one in losses.items()}}, value)

    return evaluate


def _saver(work: Work, progress: Progress) -> SaveModel:
    model = work.model.model
    weights = {name: processes.whole(one) for name, one in model.named_parameters()} if work.fsdp else None

    def save(folder: Path) -> None:
        save_language_model(work.model, folder, weights)
        if work.begun is not None:
            write_pruning(folder, recovered_on(work.begun, progress.step, progress.tokens, work.texts))

    return save


def _culprits(mixture: Mixture, step: "Step[NDArray[Any]]") -> Culprits:
    blocks: dict[str, list[int]] = {}
    for draw in step.draws:
        blocks.setdefault(mixture.streams[draw.stream].name, []).append(draw.row)
    told = "; ".join(f"{name} {', '.join(map(str, rows[:3]))}" for name, rows in blocks.items())
    return Culprits(f"blocks such as {told}", {"blocks": blocks})
