"""A run -> a folder that transformers, sentence-transformers and vLLM load, with vectors to compare theirs with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.names import check_name, check_repository

if TYPE_CHECKING:
    from drama_train.exporting.checking import Finding

PROG = "python -m drama_train export"


@dataclass(frozen=True)
class Export:
    """Write a trained retriever as a folder that other programs load, and compare what they make of it.

    Example: python -m drama_train export runs/notes --name notes-small --repository me/notes-small
    """

    source: Annotated[Path, tyro.conf.Positional]
    """The folder of a finished run, or of a model that was trained here; with --check, of an exported model."""
    out: Path | None = None
    """The folder to make. Not given: models/NAME."""
    check: bool = False
    """Compare an exported model with its golden vectors in every program installed here, and make nothing."""
    name: str | None = None
    """The model's name. Not given: that of --out, or of the source's folder."""
    repository: str | None = None
    """owner/name on the Hub that the card tells readers to load. Not given: a folder."""
    checkpoint: Literal["best", "last"] | None = None
    """Which one of the run. Not given: the best on held-out queries; the last where nothing was held out."""
    max_length: int | None = None
    """Tokens read of a text. Not given: as in training."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """How weights are stored. bfloat16 halves the files; the golden vectors are those of the rounded weights."""
    arch: Literal["LlamaModel", "LlamaBidirectionalModel"] | None = None
    """The architecture that config.json names. Not given: LlamaBidirectionalModel for a Llama that reads both ways, by
    which vLLM and llama.cpp know it."""
    onnx: bool = False
    """Write model.onnx too."""
    scores: Path | None = None
    """A folder that `python -m drama_train evaluate` made, for the card."""
    licence: tuple[str, ...] = ()
    """NAME=SPDX: the licence of a model, release or text that the model came from, where the run does not record it."""
    tolerance: float = 1e-4
    """The largest difference of any number of a vector."""

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name, "--name")
        if self.repository is not None:
            check_repository(self.repository)
        if not 0 < self.tolerance < 0.1:
            raise UserError(f"--tolerance {self.tolerance:g} tells nothing apart: give one from 0 to 0.1.", exit_code=2)
        if self.max_length is not None and self.max_length < 8:
            raise UserError(f"--max-length {self.max_length} leaves no room for a text: give 8 or more.", exit_code=2)
        self.licences()

    def licences(self) -> dict[str, str]:
        found = {}
        for given in self.licence:
            name, equals, expression = given.rpartition("=")
            if not (equals and name and expression):
                raise UserError(
                    f"--licence {given!r} is not NAME=SPDX: write it like notes=CC-BY-4.0 or me/model=Apache-2.0.",
                    exit_code=2,
                )
            found[name] = expression
        return found


def main(config: Export) -> Path | None:
    """Source -> weights, tokenizer, golden vectors -> every program compared -> card -> manifest -> the folder."""
    from drama_train.exporting.checking import tell_findings
    from drama_train.exporting.finished import appear

    if config.check:
        tell_findings(config.source, config.tolerance, print)
        return None
    name = config.name or (config.out or config.source).resolve().name
    check_name(name, "--name")
    return appear(config.out or Path("models") / name, lambda folder: _fill(config, name, folder))


def _fill(config: Export, name: str, folder: Path) -> None:
    from drama_train.exporting.card import write_card
    from drama_train.exporting.facts import card_facts
    from drama_train.exporting.golden import golden_of, write_golden
    from drama_train.exporting.layout import round_weights, write_layout
    from drama_train.exporting.manifest import write_manifest
    from drama_train.exporting.onnx_model import write_onnx
    from drama_train.exporting.scores import NONE, read_scores
    from drama_train.exporting.sources import load_source, open_source, revisions_of, write_run

    source = open_source(config.source, config.checkpoint)
    scores = read_scores(config.scores) if config.scores else NONE
    retriever = load_source(source, config.max_length)
    round_weights(retriever, config.dtype)
    write_layout(retriever, folder, config.arch, config.dtype)
    write_golden(golden_of(retriever), folder)
    if config.onnx:
        write_onnx(retriever, folder)
    findings = _checked(folder, config.tolerance)
    fit = not scores.rows or scores.are_of(revisions_of(source), retriever.settings)
    facts = card_facts(source, retriever, config.licences(), findings, scores_fit=fit)
    write_run(source, folder)
    write_card(folder, facts, name=name, repository=config.repository, dtype=config.dtype, scores=scores)
    write_manifest(folder, name, facts["licence"]["strictest"], facts["run"])
    if not fit:
        say(f"Warning: {config.scores} scored other weights than {source.model}, or read otherwise: the card says so.")
    if unknown := facts["licence"]["unknown"]:
        say(f"The card says that the licence of {' and of '.join(unknown)} is not recorded: --licence tells it.")


def _checked(folder: Path, tolerance: float) -> "list[Finding]":
    """What every program but vLLM makes of the folder; vLLM takes a minute, and --check runs it."""
    from drama_train.exporting.checking import check_folder
    from drama_train.exporting.runtimes import RUNTIMES

    findings = []
    for finding in check_folder(folder, tolerance, tuple(name for name in RUNTIMES if name != "vllm")):
        say(str(finding))
        findings.append(finding)
    if failed := [finding.what for finding in findings if finding.status == "FAILED"]:
        raise UserError(f"What was written is not what was trained, by {', '.join(failed)}: it is not kept.")
    return findings


def command(arguments: Sequence[str]) -> int:
    """Parse and export, or check."""
    return run(Export, main, arguments, prog=PROG)
