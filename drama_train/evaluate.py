"""`python -m drama_train evaluate`: retrievers, and what stands beside them, on judged sets."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from drama_train.evaluation.opening import TokenCounter
    from drama_train.evaluation.systems import System

PROG = "python -m drama_train evaluate"


@dataclass(frozen=True)
class Evaluate:
    """Measure retrievers on judged sets: nDCG@10, recall@100, MRR@10, with intervals and paired differences.

    Example: python -m drama_train evaluate --model runs/notes --on judged/ release:releases/notes-v1.0.0 --beside bm25
    """

    model: tuple[str, ...]
    """Retrievers: a run (its model, else its best checkpoint), an exported folder, a Llama's folder, a model of the
    Hub, smollm2. The first is the one that others are compared with. NAME=MODEL names it in tables;
    MODEL:layers=4,attention=causal,pooling=eos changes a model that is no finished retriever."""
    on: tuple[str, ...]
    """Sets: a folder in the BEIR layout, release:FOLDER or hf://OWNER/NAME@REVISION (the heldout split of a release),
    mteb:TASK (through the mteb package), needle: and passkey: (long texts made here; needle:256,1024 for some lengths).
    NAME=SET names one."""
    beside: tuple[str, ...] = ()
    """What stands beside them in the tables: bm25, minilm, any model of sentence-transformers."""
    dims: tuple[int, ...] = ()
    """Search also by the first so many numbers of the vectors. Without it: those that a retriever was trained for."""
    out: Path | None = None
    """Folder for scores.json, plots, the scores of each query and vectors; a second run goes on from there."""
    max_length: int | None = None
    """Tokens read of a text. None: what each model was trained with, or reads."""
    qrels: str | None = None
    """The judgements: qrels/NAME.tsv of a folder, or the split of a task. None: test, or what there is."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run. auto: a GPU if there is one."""
    limit: int | None = None
    """A rehearsal: so many queries a set, and few documents."""
    dry_run: bool = False
    """Open the sets, say what would be encoded, and encode nothing."""

    def __post_init__(self) -> None:
        if not self.model or not self.on:
            raise UserError("--model and --on name nothing: give a model and a set.", exit_code=2)
        for name in ("max_length", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} {value} is too small: give 1 or more.", exit_code=2)
        if self.max_length is not None and self.max_length < 8:
            raise UserError(f"--max-length {self.max_length} leaves no room for a text: give 8 or more.", exit_code=2)
        if wrong := [dim for dim in self.dims if dim < 1]:
            raise UserError(f"--dims {wrong[0]} is no number of dimensions: give 1 or more.", exit_code=2)


def main(config: Evaluate) -> Path | None:
    """Prints the tables; returns scores.json where there is a folder for it."""
    from tempfile import TemporaryDirectory

    if config.out is not None:
        return _evaluated(config, config.out)
    with TemporaryDirectory(prefix="drama-evaluate-") as work:
        _evaluated(config, Path(work))
    return None


def _evaluated(config: Evaluate, out: Path) -> Path | None:
    from drama_train.evaluation.opening import Opening, named_sets
    from drama_train.evaluation.plots import write_plots
    from drama_train.evaluation.report import report_of, write_report
    from drama_train.evaluation.running import run_all
    from drama_train.evaluation.tables import print_tables, tables

    systems = _systems(config, out)
    with_tokens = [system for system in systems if system.spec.kind != "bm25"]
    counter = (lambda: _counter(with_tokens[0])) if with_tokens else None
    sets = named_sets(config.on, Opening(config.qrels, config.limit, counter))
    if config.dry_run:
        for named in sets:
            searched = named.open()
            say(f"{named.name}: would encode {len(searched.queries):,} queries, {len(searched.documents):,} documents")
        return None
    for system in systems:
        if beyond := sorted(dim for dim in config.dims if dim > (system.widths()[0] or dim)):
            say(f"{system.spec.name} has {system.widths()[0]} dimensions, so not {', '.join(map(str, beyond))}")
    made = run_all(systems, sets, out)
    if not made.sets:
        raise UserError(f"Nothing was measured: no system reads the {sets[0].max_length} tokens of {sets[0].name}.")
    report = report_of(made, systems)
    print_tables(tables(report))
    if config.out is None:
        return None
    path = write_report(report, out)
    if find_spec("matplotlib") is None:
        say("No plots: matplotlib is not installed, run `pip install 'drama[eval]'`.")
        return path
    for plot in write_plots(report, out / "plots"):
        say(f"  {plot}")
    return path


def _systems(config: Evaluate, out: Path) -> "list[System]":
    from drama_train.evaluation.specs import read_specs
    from drama_train.evaluation.systems import System

    specs = read_specs([*config.model, *config.beside])
    device = _device(config.device)
    return [System(spec, out, device, config.max_length, config.dims) for spec in specs]


def _device(wanted: str) -> str:
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise UserError("--device cuda: torch sees no GPU here: leave it out.", exit_code=2)
    return "cuda" if has_gpu and wanted != "cpu" else "cpu"


def _counter(system: "System") -> "TokenCounter":
    from drama_train.evaluation.opening import TokenCounter

    return TokenCounter(system.token_counts, f"{system.model_name()}@{system.revision()}")


def command(arguments: Sequence[str]) -> int:
    """Run with these arguments; the exit status."""
    return run(Evaluate, main, arguments, prog=PROG)


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
