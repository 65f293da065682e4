"""triplets -> training rows in the layout that another tool reads."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.exports import automodel, beir, flagembedding, sentence_transformers, tevatron
from builders.exports.targets import FILE_NAMES, Setting, Target

if TYPE_CHECKING:
    from builders.exports.rows import Choice
    from builders.exports.writing import Sources
    from builders.store.versions import Version

STAGE = "builders.export"
REVISION = 1
TARGETS: Mapping[str, Target] = {
    "sentence-transformers": sentence_transformers.TARGET,
    "tevatron": tevatron.TARGET,
    "flagembedding": flagembedding.TARGET,
    "automodel": automodel.TARGET,
    "beir": beir.TARGET,
}


@dataclass(frozen=True)
class Export:
    """Write triplets as another tool reads them, in a folder of its own.

    Example: python -m builders.export triplets --to sentence-transformers --out exported
    """

    versions: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Versions of triplets, one after the other in the result."""
    to: Literal["sentence-transformers", "tevatron", "flagembedding", "automodel", "beir"]
    """The tool that will read it."""
    out: Path | None = None
    """The folder to make. It appears when it is whole."""
    data: Path = Path("data")
    """The folder of all tables."""
    split: Literal["train", "heldout", "all"] | None = None
    """Rows of that split; train (beir: all) where it is not given. heldout is called test in the result."""
    positives: Literal["first", "all"] | None = None
    """The best positive of a row, or all: a list where the tool takes one, else a row each. Not given: all
    (sentence-transformers: first)."""
    negatives: int | None = None
    """At most so many negatives a row, the best ranked; all where it is not given. sentence-transformers takes as many
    from every row: as the row with the fewest has, where it is not given."""
    corpus: Literal["used", "all"] | None = None
    """tevatron, automodel, beir: chunks that the rows name, or all, to be searched. Not given: used (beir: all)."""
    scores: bool = False
    """sentence-transformers, flagembedding: write the retriever's scores too, for distillation."""
    query_prefix: str = ""
    """Put this before every query (DRAMA: "Query: ")."""
    limit: int | None = None
    """Only the first so many triplets (a rehearsal)."""
    dry_run: bool = False
    """Show the first row as it would be written, and write nothing."""

    def __post_init__(self) -> None:
        target = TARGETS[self.to]
        if self.out is None and not self.dry_run:
            raise UserError("--out is not given: name the folder to make.", exit_code=2)
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit {self.limit} leaves nothing: give 1 or more.", exit_code=2)
        if self.negatives is not None and self.negatives < target.least_negatives:
            least = target.least_negatives
            raise UserError(
                f"--negatives {self.negatives} is too few for {self.to}: give {least} or more.", exit_code=2
            )
        if self.corpus and target.corpus is None:
            raise UserError(f"--corpus: {self.to} has its texts in line: leave it out.", exit_code=2)
        if self.scores and not target.takes_scores:
            able = " or ".join(name for name, one in TARGETS.items() if one.takes_scores)
            raise UserError(f"--scores: {self.to} has no place for them: export to {able}.", exit_code=2)


def main(config: Export) -> None:
    """Prints the folder that was made."""
    folder = export(config)
    if folder is not None:
        print(folder)


def export(config: Export) -> Path | None:
    """Survey the rows, copy the texts that they name, write the rows; the folder, or None after a dry run.

    UserError where the folder holds something else, or nothing is left to write.
    """
    from builders.exports.folders import already_made, write_manifest
    from builders.exports.texts import versions_behind
    from builders.exports.writing import Sources, write_rows
    from builders.store.folders import new_folder
    from builders.store.versions import find_version, latest_version

    named = [find_version(config.data, name, table="triplets") for name in config.versions]
    versions = list({v.folder: v for v in named or [latest_version(config.data, "triplets")]}.values())
    sources = Sources(versions, versions_behind(versions, "queries"), versions_behind(versions, "chunks"))
    target, choice = TARGETS[config.to], _choice(config, versions)
    if config.dry_run:
        _show_first(config, sources, choice)
        return None
    assert config.out is not None
    identity = _identity(config, sources)
    if already_made(config.out, identity):
        say(f"already exported: {config.out}")
        return config.out
    with new_folder(config.out) as (rows, work):
        setting, total = _texts(config, sources, choice, work)
        counts = write_rows(target, choice, setting, total, rows)
        write_manifest(rows, identity, counts)
    for name in counts["rows"]["written"]:
        say("load it: " + target.usage.format(out=config.out, name=name))
    if config.query_prefix and target.about_prefix:
        say(target.about_prefix)
    return config.out


def _identity(config: Export, sources: "Sources") -> dict[str, Any]:
    """All that determines the bytes of the rows, but for the libraries."""
    target = TARGETS[config.to]
    options = {
        name: value
        for name, value in asdict(config).items()
        if name not in ("versions", "to", "out", "data", "dry_run")
    }
    options |= {
        "split": config.split or target.splits,
        "positives": config.positives or target.positives,
        "corpus": config.corpus or target.corpus,
    }
    return {
        "to": config.to,
        "reads": target.reads,
        "revision": REVISION,
        "options": options,
        **{
            field.name: [{"version": v.name, "content": v.content_hash} for v in getattr(sources, field.name)]
            for field in fields(sources)
        },
    }


def _choice(config: Export, versions: "list[Version]") -> "Choice":
    from builders.exports.rows import Choice

    target = TARGETS[config.to]
    split = config.split or target.splits
    splits = tuple(FILE_NAMES) if split == "all" else (split,)
    limit = 1 if config.dry_run else config.limit
    return Choice(tuple(versions), splits, config.positives or target.positives, config.negatives, limit)


def _texts(config: Export, sources: "Sources", choice: "Choice", work: Path) -> tuple[Setting, int]:
    from builders.exports.writing import prepare

    target = TARGETS[config.to]
    everything = (config.corpus or target.corpus) == "all" and not config.dry_run
    setting, total = prepare(target, sources, choice, work, all_chunks=everything)
    return replace(setting, query_prefix=config.query_prefix, scores=config.scores), total


def _show_first(config: Export, sources: "Sources", choice: "Choice") -> None:
    """The first row that would be written, as JSON; nothing is written."""
    from builders.exports.writing import kept_rows, with_reasons

    target = TARGETS[config.to]
    with TemporaryDirectory() as work:
        setting, _ = _texts(config, sources, choice, Path(work))
        for frame in with_reasons(target, choice, setting):
            for triplet_id, reason in frame.select("triplet_id", "reason").drop_nulls().iter_rows():
                say(f"{triplet_id} would be left out: {reason}")
            for _, part in kept_rows(frame):
                say(json.dumps(target.frame(part, setting).row(0, named=True), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    sys.exit(run(Export, main))
