"""A Llama -> a smaller one: which units stay is picked, the rest is cut away (DRAMA 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.releases.names import check_name
from drama_train.pretraining.reading import Reading
from drama_train.pruning.picking import Learning, Method

PROG = "python -m drama_train prune"


@dataclass(frozen=True)
class Prune:
    """Make a Llama smaller. Recover it afterwards with `python -m drama_train pretrain`.

    Example: python -m drama_train prune --model smollm2 --shape demo --texts releases/notes-v1.0.0 --out pruned/notes
    """

    model: str
    """The Llama, Mistral or Qwen3 to cut: a folder, a Hub id (owner/name@revision), or smollm2 (its wheel)."""
    shape: str
    """0.1b or 0.3b (the paper's), demo, or layers x hidden x heads x kv heads x intermediate: 12x768x12x12x3072."""
    out: Path
    """The folder of the smaller model."""
    reading: Reading
    pick: Method = "importance"
    """importance: by activations, minutes on a CPU; l0: learned gates, the paper's; magnitude, random: to compare."""
    samples: int = 256
    """Texts of 128 tokens that importance reads."""
    learning: Learning = field(default_factory=Learning)
    fold: bool = False
    """Fold l0's soft gates into the weights, which unties the embeddings. Not given: gates of kept units become 1."""
    vocabulary: tuple[str, ...] = ()
    """Languages: keep the tokens that their texts use, and drop the others. Not given: all tokens stay."""
    hops: Literal[1, 2] = 1
    """2: cut half of the way, recover, cut again. A far target loses less so."""
    hop_steps: int = 200
    """Steps of recovery between the hops."""
    seed: int = 0
    """Decides which texts are read, the noise of gates, a random pick."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one. l0 on several: torchrun --nproc-per-node 8 -m drama_train prune ..."""
    dry_run: bool = False
    """Show shapes, parameters, memory and time; cut nothing."""

    def __post_init__(self) -> None:
        check_name(self.out.resolve().name, "The folder's name of --out")
        for name in ("samples", "hop_steps"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"The --{name.replace('_', '-')} {getattr(self, name)} is none: give 1 or more.", exit_code=2
                )
        if self.fold and self.pick != "l0":
            raise UserError(f"There are no gates to --fold with --pick {self.pick}: leave it out.", exit_code=2)


def main(config: Prune) -> Path | None:
    """Model and texts -> (a smaller vocabulary) -> units picked -> sliced -> losses before and after -> the folder."""
    from drama_train.pruning.making import make
    from drama_train.pruning.rehearsal import rehearse
    from drama_train.training.processes import joined_processes

    with joined_processes(config.device) as device:
        if config.dry_run:
            rehearse(config, device)
            return None
        return make(config, device)


def command(arguments: Sequence[str]) -> int:
    """Parse and prune."""
    return run(Prune, main, arguments, prog=PROG)
