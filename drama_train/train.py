"""A release and a Llama -> a retriever: contrastive, Matryoshka, attention both ways (DRAMA 4.4)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.names import check_name
from drama_train.training.encoder import Attention, Pooling
from drama_train.training.loss import Objective
from drama_train.training.plan import Schedule

if TYPE_CHECKING:
    from drama_train.evaluation.sets import EvaluationSet
    from drama_train.retriever import Retriever
    from drama_train.training.plan import Plan
    from drama_train.training.releases import Release
    from drama_train.training.streams import KindStream
    from drama_train.training.trainer import Evaluate

PROG = "python -m drama_train train"


@dataclass(frozen=True)
class Shape:
    """How texts become vectors."""

    layers: int | None = None
    """Train only the model's first so many layers. None: all."""
    attention: Attention = "bidirectional"
    """bidirectional: every token sees all others; causal: only those before it."""
    pooling: Pooling = "mean"
    """mean: of all tokens' states; eos: the state of the last token."""
    query_prefix: str = "Query: "
    """What is put before every query."""
    max_length: int = 256
    """Tokens read of a text; the rest is cut."""

    def __post_init__(self) -> None:
        if self.max_length < 8:
            raise UserError(
                f"The --max-length {self.max_length} leaves no room for a text: give 8 or more.", exit_code=2
            )
        if self.layers is not None and self.layers < 1:
            raise UserError(f"The --layers {self.layers} is no model: give 1 or more.", exit_code=2)


@dataclass(frozen=True)
class Mixing:
    """Which rows come how often."""

    mixture: str = "rows"
    """rows: every row equally often; paper: DRAMA's shares of sources; or a TOML file with [[share]] tables."""
    balance: float = 1.0
    """Within a share, each release, source, method and language comes by rows ** balance: 1 by rows, 0 all alike."""
    homogeneous: bool = False
    """All rows of a step are of one release, source, method and language."""
    mask_repeats: bool = True
    """A text that stands in a step more than once counts once. Known positives are never negatives, in either case."""

    def __post_init__(self) -> None:
        if not 0 <= self.balance <= 1:
            raise UserError(f"The --balance {self.balance:g} cannot be used: give 0 to 1.", exit_code=2)


@dataclass(frozen=True)
class Train:
    """Train a retriever on releases. A run that was stopped goes on by the same command.

    Example: python -m drama_train --release releases/notes-v1.0.0 --model smollm2 --layers 4 --out runs/notes
    """

    release: tuple[str, ...]
    """Releases: folders, or hf://owner/name@v1.0.0."""
    model: str
    """The Llama, Mistral or Qwen3 to start from: a folder, a Hub id (owner/name@revision), or smollm2 (its wheel)."""
    out: Path
    """The folder of the run."""
    shape: Shape = field(default_factory=Shape)
    mixing: Mixing = field(default_factory=Mixing)
    schedule: Schedule = field(default_factory=Schedule)
    objective: Objective = field(default_factory=Objective)
    heldout: int = 1000
    """At most so many held-out queries are evaluated during the run."""
    seed: int = 0
    """Decides rows, order, positives, negatives."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one. Several: torchrun --nproc-per-node 8 -m drama_train ..."""
    limit: int | None = None
    """Rehearse: at most so many rows of each release, source, method and language."""
    dry_run: bool = False
    """Show the mixture, the plan and the first row's texts; train nothing."""

    def __post_init__(self) -> None:
        check_name(self.out.resolve().name, "The folder's name of --out")  # the model is called so
        for name, value in (("limit", self.limit), ("heldout", self.heldout)):
            if value is not None and value < 1:
                raise UserError(f"The --{name} {value} leaves nothing: give 1 or more.", exit_code=2)


def main(config: Train) -> Path | None:
    """Releases -> streams -> batches -> steps -> the best model, exported into the run's folder."""
    from builders.store.locks import locked
    from drama_train.training.processes import joined_processes, rank

    with joined_processes(config.device) as device:
        if config.dry_run or rank() > 0:
            return _run(config, device)
        with locked(config.out / ".lock", f"The run {config.out}"):
            return _run(config, device)


def _run(config: Train, device: str) -> Path | None:
    from drama_train.training.batches import BatchMaker
    from drama_train.training.checkpoints import MODEL, find
    from drama_train.training.mixture import Mixture
    from drama_train.training.processes import rank, wait_for_all
    from drama_train.training.releases import open_release
    from drama_train.training.run_facts import end_run, run_facts
    from drama_train.training.run_folder import RUN, read_facts, settle_config
    from drama_train.training.shares import read_shares
    from drama_train.training.showing import show_first_row, show_plan
    from drama_train.training.streams import open_tables, train_streams
    from drama_train.training.trainer import Work, train

    releases = [open_release(place) for place in config.release]
    tables = [open_tables(release) for release in releases]
    streams = train_streams(tables, read_shares(config.mixing.mixture), config.mixing.balance, config.limit)
    last = find(config.out / "checkpoints", "last")
    retriever = _retriever(config, last and last / MODEL, device)
    plan = _plan(config, retriever, streams, device)
    mixture = Mixture([one.stream for one in streams], plan.batch, plan.seed, homogeneous=config.mixing.homogeneous)
    maker = BatchMaker(streams, retriever, plan.negatives, plan.seed)
    facts = run_facts(config, plan, retriever, releases, streams)
    if rank() == 0:
        show_plan(facts, streams, plan)
    if config.dry_run:
        show_first_row(maker, mixture, retriever)
        return None
    if rank() == 0:
        settle_config(config.out, facts)
    wait_for_all()
    if read_facts(config.out, RUN) is not None:
        say(f"already trained: {config.out}")
    else:
        progress = train(Work(config.out, plan, retriever, maker, mixture, _evaluate(config, releases)))
        if rank() == 0:
            end_run(config.out, facts, progress, device)
    if rank() == 0:
        _export(config.out)
    wait_for_all()
    return config.out if rank() == 0 else None


def _retriever(config: Train, checkpoint: Path | None, device: str) -> "Retriever":
    from drama_train.retriever import Settings, check_lengths, load_retriever

    shape = config.shape
    settings = Settings(shape.attention, shape.pooling, shape.query_prefix, max_length=shape.max_length)
    # the settings are compared with the run's own, before a step is made
    source, layers = (config.model, shape.layers) if checkpoint is None else (str(checkpoint), None)
    retriever = load_retriever(source, layers=layers, device=device, settings=settings)
    check_lengths(retriever, shape.max_length)
    return retriever


def _plan(config: Train, retriever: "Retriever", streams: "Sequence[KindStream]", device: str) -> "Plan":
    from dataclasses import replace

    from drama_train.training.plan import Plan, settle
    from drama_train.training.processes import tell, world_size

    parameters = sum(p.numel() for p in retriever.model.parameters())
    embeddings = retriever.model.get_input_embeddings().weight.numel()
    objective, fields = settle(
        config.schedule,
        config.objective,
        parameters=parameters - embeddings,
        width=retriever.dim,
        rows=sum(len(one.stream.rows) for one in streams),
        is_cpu=device == "cpu",
        processes=world_size(),
    )
    plan = Plan(**fields, objective=objective, mask_repeats=config.mixing.mask_repeats, seed=config.seed)
    if plan.batch % world_size():
        raise UserError(
            f"A step of {plan.batch} queries cannot be shared by {world_size()} processes: give a --batch that can.",
            exit_code=2,
        )
    if retriever.dim not in objective.dims:
        tell(
            f"--dims lacks {retriever.dim}, the whole vector, which then learns nothing of its own: cut vectors to one "
            "of them."
        )
    retriever.settings = replace(retriever.settings, dims=tuple(sorted(objective.dims, reverse=True)))
    return plan


def _evaluate(config: Train, releases: "Sequence[Release]") -> "Evaluate | None":
    from drama_train.evaluation.scoring import heldout_scores
    from drama_train.evaluation.sets import heldout_set

    sets: list[EvaluationSet] = []
    for release in releases:
        if release.files("triplets", "heldout"):
            sets.append(heldout_set(release).limited(config.heldout))
        else:
            say(f"{release.title} holds nothing out: it is not evaluated on.")
    if not sets:
        say("Nothing is held out, so no checkpoint is the best one: the last is exported.")
        return None

    def evaluate(retriever: "Retriever") -> dict[str, float]:
        scores = [heldout_scores(retriever, one) for one in sets]
        return {name: sum(one[name] for one in scores) / len(scores) for name in scores[0]}

    return evaluate


def _export(run: Path) -> None:
    """The best model, where it is not exported yet."""
    from drama_train.export import Export
    from drama_train.export import main as export

    if not (run / "model").exists():
        export(Export(run, out=run / "model", name=run.resolve().name))


def command(arguments: Sequence[str]) -> int:
    """Parse and train."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # batches are made in a thread, which is not a fork
    return run(Train, main, arguments, prog=PROG)
