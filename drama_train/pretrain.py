"""A pruned Llama and texts -> the same Llama, recovered: next tokens of packed texts (DRAMA 3.2)."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.names import check_name
from drama_train.pretraining.plan import Schedule
from drama_train.pretraining.reading import Reading

if TYPE_CHECKING:
    from drama_train.pretraining.texts import Texts
    from drama_train.pretraining.tokens import Tokens
    from drama_train.pretraining.trainer import Work

PROG = "python -m drama_train pretrain"
TOKENS, MODEL = "tokens", "model"


@dataclass(frozen=True)
class Distilling:
    """Whether the model learns from its source too."""

    distil_from: str | None = None
    """A model to learn from beside the texts: the one that was pruned, by folder, Hub id or smollm2."""
    distil_weight: float = 0.5
    """The teacher's part of the loss, from 0 to 1."""
    distil_temperature: float = 1.0
    """Logits of both are divided by it."""

    def __post_init__(self) -> None:
        if not 0 < self.distil_weight <= 1:
            raise UserError(f"The --distil-weight {self.distil_weight:g} is no part: give 0 to 1.", exit_code=2)
        if not 0 < self.distil_temperature < 100:
            raise UserError(
                f"The --distil-temperature {self.distil_temperature:g} cannot be used: give 1, say.", exit_code=2
            )


@dataclass(frozen=True)
class Pretrain:
    """Recover a pruned model on texts. A run that was stopped goes on by the same command.

    Example: python -m drama_train pretrain --model pruned/notes --texts releases/notes-v1.0.0 --out runs/recovered
    """

    model: str
    """The model to train: a folder that prune wrote, or as prune takes them: a folder, owner/name@revision, smollm2."""
    out: Path
    """The folder of the run; its best model is in OUT/model."""
    reading: Reading
    schedule: Schedule = field(default_factory=Schedule)
    distilling: Distilling = field(default_factory=Distilling)
    compare: str | None = None
    """A model whose held-out losses stand beside: `source` is the one that pruning.json names. None: the teacher."""
    packed: Path | None = None
    """Where the packed tokens are kept, so that several runs read the same. None: in the run's folder."""
    checkpointing: bool = False
    """Keep no states of layers for backward, but compute them again: less memory, a third more time."""
    fsdp: bool = False
    """Processes share the weights, instead of each holding all: for models that one GPU cannot train."""
    seed: int = 0
    """Decides the order of blocks."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one. Several: torchrun --nproc-per-node 8 -m drama_train pretrain ..."""
    dry_run: bool = False
    """Show parameters, memory, tokens and time, from a few real steps; write nothing."""

    def __post_init__(self) -> None:
        check_name(self.out.resolve().name, "The folder's name of --out")


def main(config: Pretrain) -> Path | None:
    """Texts -> blocks of tokens -> steps -> the best model, and how each language's loss went."""
    from builders.store.locks import locked
    from drama_train.training.processes import joined_processes, rank
    from drama_train.training.run_folder import check_folder

    with joined_processes(config.device) as device:
        check_folder(config.out, besides=(TOKENS,), told="tokens_key")  # before anything is written into it
        if config.dry_run:
            _rehearse(config, device)
            return None
        if rank() > 0:
            return _run(config, device)
        with locked(config.out / ".lock", f"The run {config.out}"):
            return _run(config, device)


def _run(config: Pretrain, device: str) -> Path | None:
    from drama_train.pretraining.comparing import Comparing, what_is_known
    from drama_train.pretraining.facts import end_run, run_facts
    from drama_train.pretraining.summary import summary_of, write_plot
    from drama_train.pretraining.texts import open_texts
    from drama_train.pretraining.trainer import pretrain
    from drama_train.training.processes import rank, tell, wait_for_all
    from drama_train.training.run_folder import RUN, read_facts, settle_config
    from drama_train.training.run_log import read_log

    is_first = rank() == 0
    texts = [open_texts(place) for place in config.reading.texts]
    work = _work(config, device, config.packed or config.out / TOKENS, texts)
    facts = run_facts(config, work.plan, texts, work.tokens, work.mixture.streams)
    _show(work)
    if is_first:
        settle_config(config.out, facts, besides=(TOKENS,))
    wait_for_all()
    if read_facts(config.out, RUN) is not None:
        tell(f"already trained: {config.out}")
    else:
        known = what_is_known(
            Comparing(config, work.plan, texts, work.tokens, work.model, _pruning(config), work.teacher)
        )
        progress = pretrain(replace(work, known=known))
        if is_first:
            log = read_log(config.out)
            summary = summary_of(log, work.tokens, work.plan.heldout_blocks, known, progress.best_step)
            summary.tell()
            write_plot(summary, config.out)
            end_run(config.out, facts, progress, summary, device)
    if is_first:
        _export(config.out)
    wait_for_all()
    return config.out if is_first else None


def _pruning(config: Pretrain) -> dict[str, Any] | None:
    """What the model's pruning.json tells; None where it was not pruned here."""
    from drama_train.loading import fetched
    from drama_train.pruning.facts import read_pruning

    return read_pruning(Path(fetched(config.model)[0]))


def _work(config: Pretrain, device: str, packed: Path, texts: "Sequence[Texts]" = ()) -> "Work":
    """Everything but what the source knows. The first process packs the tokens, and the others read them."""
    from drama_train.language_model import load_language_model
    from drama_train.pretraining.facts import model_told
    from drama_train.pretraining.plan import settle
    from drama_train.pretraining.teacher import teacher_of
    from drama_train.pretraining.trainer import Work
    from drama_train.pruning.shape import counted
    from drama_train.training.checkpoints import MODEL as CHECKPOINTED
    from drama_train.training.checkpoints import find
    from drama_train.training.mixture import Mixture
    from drama_train.training.processes import world_size

    if config.fsdp and world_size() == 1:
        raise UserError(
            "--fsdp shares a model among processes, and there is one: start several by torchrun, or leave it out.",
            exit_code=2,
        )
    last = find(config.out / "checkpoints", "last")
    model = load_language_model(str(last / CHECKPOINTED) if last else config.model, device=device)
    pruning = _pruning(config)
    config.reading.check_length(model.model, config.model)
    teacher = None
    if (name := config.distilling.distil_from) is not None:
        weight, temperature = config.distilling.distil_weight, config.distilling.distil_temperature
        source = load_language_model(name, device=device)
        config.reading.check_length(source.model, name)
        teacher = teacher_of(source, name, model, pruning, weight, temperature)
    tokens = _tokens(config, packed, model.tokenizer)
    streams = tokens.streams(config.reading.by_language() or None, config.reading.balance)
    plan = settle(
        config.schedule,
        config.reading.length,
        parameters=counted(model.model)["blocks"],
        blocks=sum(len(one.rows) for one in streams),
        seed=config.seed,
        is_cpu=device == "cpu",
        processes=world_size(),
    )
    mixture = Mixture(streams, plan.batch, plan.seed, homogeneous=False)
    return Work(
        config.out,
        plan,
        model,
        tokens,
        mixture,
        pruning or {"source": model_told(config.model)},
        [one.recorded() for one in texts],
        teacher,
        checkpointing=config.checkpointing,
        fsdp=config.fsdp,
    )


def _tokens(config: Pretrain, folder: Path, tokenizer: object) -> "Tokens":
    from drama_train.pretraining.reading import read_tokens
    from drama_train.training.processes import rank, wait_for_first

    if rank() > 0:
        wait_for_first()
    tokens = read_tokens(config.reading, folder, tokenizer)
    if rank() == 0:
        wait_for_first()
    return tokens


def _show(work: "Work") -> None:
    from drama_train.training.processes import rank

    if rank() > 0:
        return
    plan, streams = work.plan, work.mixture.streams
    shares = ", ".join(f"{one.name} {one.weight:.1%}" for one in streams)
    blocks = sum(len(one.rows) for one in streams)
    say(f"{blocks:,} blocks of {plan.length} tokens, by share of each step: {shares}")
    if len(streams) == 1:
        say(f"All texts are in one language, {streams[0].name}: what the model knows of others will be lost.")
    say(
        f"{plan.steps:,} steps of {plan.batch} blocks, {plan.tokens:,} tokens, lr {plan.lr:g} after "
        f"{plan.warmup_steps} steps of warm-up{', distilled' if work.teacher else ''}"
    )


def _rehearse(config: Pretrain, device: str) -> None:
    from drama_train.pretraining.rehearsal import rehearse

    with tempfile.TemporaryDirectory() as folder:
        kept = next((one for one in (config.packed, config.out / TOKENS) if one is not None and one.is_dir()), None)
        work = _work(config, device, kept or Path(folder) / TOKENS)
        _show(work)
        rehearse(work)


def _export(run: Path) -> None:
    """The best model, or the last where nothing is held out, where it is not there yet."""
    from builders.store.folders import new_folder
    from drama_train.training.checkpoints import MODEL as CHECKPOINTED
    from drama_train.training.checkpoints import find

    if (run / MODEL).exists():
        return
    found = find(run / "checkpoints", "best") or find(run / "checkpoints", "last")
    if found is None:
        raise UserError(f"The checkpoints of {run} are gone: name another --out to train anew.")
    with new_folder(run / MODEL) as (folder, _):
        shutil.copytree(found / CHECKPOINTED, folder, dirs_exist_ok=True)


def command(arguments: Sequence[str]) -> int:
    """Parse and train."""
    return run(Pretrain, main, arguments, prog=PROG)
