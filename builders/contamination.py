"""triplets x evaluation sets -> contamination: training texts that are in an evaluation set, flagged or dropped."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.quality.evaluation_sets import EvaluationSet
    from builders.quality.hash_packs import HashPack
    from builders.quality.training_texts import TrainingTexts
    from builders.store.building import Building
    from builders.store.plans import Plan
    from builders.store.versions import Version

STAGE = "builders.contamination"
REVISION = 1


@dataclass(frozen=True)
class Contamination:
    """Compare the queries and positives of triplets with the texts of evaluation sets.

    Example: python -m builders.contamination triplets --against beir/scifact mteb:NFCorpus
    """

    versions: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Versions of triplets; the latest where none is given."""
    against: tuple[str, ...] = ()
    """Evaluation sets: folders in the BEIR layout, mteb:TASK (a retrieval task of the mteb package), hash packs
    (.parquet). NAME=FOLDER gives one a name of its own."""
    data: Path = Path("data")
    """The folder of all tables."""
    policy: Literal["flag", "drop"] = "flag"
    """flag: write the overlaps; drop: also write the triplets again, without the rows that overlap."""
    documents: Literal["positives", "all", "none"] | None = None
    """Documents to compare with: those judged to answer a query (the default; of a pack, what it holds), all of the
    set, or none: its queries alone, for a set whose documents are your own."""
    qrels: str | None = None
    """The judgements that say which queries count: the split of a task, or qrels/NAME.tsv of a folder (test, or the
    only file that is there)."""
    ngram_share: float = 0.4
    """The least share of the shorter text's words that must stand in runs of 8 words in common (16 characters in
    scripts without spaces). 0: one run in common is enough; under 0.3 most of what real data shows is phrases."""
    jaccard: float = 0.5
    """The least estimated similarity of near-duplicates (MinHash over runs of three words)."""
    pack: Path | None = None
    """Write the hashes of the sets to this .parquet file, which holds no text and stands for them, and stop there."""
    processes: int = 1
    """Worker processes; the result does not depend on it."""
    dry_run: bool = False
    """Say how much would be compared, and write nothing."""

    def __post_init__(self) -> None:
        if not self.against:
            raise UserError("--against names no evaluation set: give folders, mteb:TASK or packs.", exit_code=2)
        for name in ("ngram_share", "jaccard"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} {getattr(self, name):g} is not a share: give one from 0 to 1.", exit_code=2)
        if self.processes < 1:
            raise UserError(f"--processes {self.processes} does nothing: give 1 or more.", exit_code=2)
        if self.pack is not None and self.pack.suffix != ".parquet":
            raise UserError(f"--pack {self.pack} is no name of a pack: end it in .parquet.", exit_code=2)
        if self.pack is not None and self.versions:
            raise UserError(f"--pack writes a pack and compares nothing: leave out {self.versions[0]}.", exit_code=2)
        if self.pack is not None and self.policy == "drop":
            raise UserError("--pack writes a pack and drops nothing: leave out --policy drop.", exit_code=2)


def main(config: Contamination) -> "Version | None":
    """The overlaps as a version; with --policy drop, prints the folders of the triplets without them."""
    from builders.quality.overlaps import print_overlaps
    from builders.quality.training_texts import training_texts
    from builders.store.building import build

    sets, packs = _opened(config)
    if config.pack is not None:
        _write_pack(config, sets, packs)
        return None
    triplets = _triplets(config)
    texts = training_texts(triplets)
    if config.dry_run:
        _show(texts, sets, packs)
        return None
    plan = _plan(config, triplets, sets, packs)
    version = build(plan, config.data, partial(_work, config=config, texts=texts, sets=sets, packs=packs))
    print_overlaps(version)
    if config.policy == "flag":
        return version
    for one in triplets:
        print(_without_overlaps(config, one, version).folder)
    return None


def _opened(config: Contamination) -> "tuple[list[EvaluationSet], list[HashPack]]":
    """The sets that are given by their texts, and the packs. UserError where one cannot be read, or names clash."""
    from builders.quality.evaluation_sets import PACK_ENDING, check_names, named_specs, open_set
    from builders.quality.hash_packs import open_pack

    specs = named_specs(config.against)
    for name, spec in specs:
        if spec.endswith(PACK_ENDING) and name != Path(spec).name:
            raise UserError(f"{spec} has the names of its sets inside: leave out {name}=.", exit_code=2)
    if config.qrels is not None and all(spec.endswith(PACK_ENDING) for _, spec in specs):
        raise UserError(f"--qrels {config.qrels} chooses nothing in a pack: leave it out.", exit_code=2)
    packs = [open_pack(Path(spec).expanduser()) for _, spec in specs if spec.endswith(PACK_ENDING)]
    for pack in packs:
        if config.documents not in (None, "none", pack.documents):
            raise UserError(
                f"{pack.path} holds {_documents(pack.documents)}, and --documents asks for {config.documents}: make "
                f"it again with --documents {config.documents}, or leave that out.",
                exit_code=2,
            )
    named = [(name, spec) for name, spec in specs if not spec.endswith(PACK_ENDING)]
    check_names([name for name, _ in named] + [one.name for pack in packs for one in pack.sets])
    return [open_set(name, spec, config.qrels) for name, spec in named], packs


def _documents(which: str) -> str:
    return {"all": "all documents", "none": "no documents"}.get(which, "the judged-positive documents alone")


def _write_pack(config: Contamination, sets: "list[EvaluationSet]", packs: "list[HashPack]") -> None:
    from builders.quality.hash_packs import open_pack, write_pack

    assert config.pack is not None
    if packs:
        raise UserError(f"{packs[0].path} is a pack already: make one from the sets themselves.", exit_code=2)
    documents = config.documents or "positives"
    if config.pack.exists():
        there = open_pack(config.pack)
        same = [(one.name, one.fingerprint) for one in there.sets] == [(one.name, one.fingerprint) for one in sets]
        if not same or there.documents != documents:
            raise UserError(f"{config.pack} holds other sets: give another name, or remove it first.")
        say(f"already written: {config.pack}")
    elif not config.dry_run:
        pack = write_pack(sets, documents, config.pack)
        for one in pack.sets:
            say(f"  {one.name}: {one.queries:,} queries, {one.documents:,} documents ({_documents(documents)})")
    print(config.pack)


def _triplets(config: Contamination) -> "list[Version]":
    from builders.store.versions import find_version, latest_version

    named = [find_version(config.data, name, table="triplets") for name in config.versions]
    return list({v.folder: v for v in named or [latest_version(config.data, "triplets")]}.values())


def _plan(
    config: Contamination, triplets: "list[Version]", sets: "list[EvaluationSet]", packs: "list[HashPack]"
) -> "Plan":
    from builders.quality.text_keys import REVISION as HASHES
    from builders.store.plans import Plan

    documents = config.documents or "positives"
    compared: list[dict[str, Any]] = [
        {"name": one.name, "fingerprint": one.fingerprint, "documents": documents} for one in sets
    ]
    for pack in packs:
        told = {"documents": config.documents or pack.documents}
        compared += [{"name": one.name, "fingerprint": one.fingerprint, **told} for one in pack.sets]
    settings = {
        "sets": sorted(compared, key=lambda one: str(one["name"])),
        "hashes": HASHES,
        "ngram_share": config.ngram_share,
        "jaccard": config.jaccard,
    }
    return Plan("contamination", "overlap", STAGE, REVISION, settings, inputs=tuple(triplets))


def _work(
    made: "Building",
    *,
    config: Contamination,
    texts: "TrainingTexts",
    sets: "list[EvaluationSet]",
    packs: "list[HashPack]",
) -> tuple[int, Any]:
    from builders.quality.hash_packs import open_pack, write_pack
    from builders.quality.matching import Thresholds
    from builders.quality.overlap_rows import OverlapRows
    from builders.store.building import build_shards

    if sets:
        # kept beside the shards, so that a run that goes on reads the texts of the sets no second time
        path = made.folder / "work" / "pack.parquet"
        packs = [*packs, open_pack(path) if path.exists() else write_pack(sets, config.documents or "positives", path)]
    rows = OverlapRows(texts, tuple(packs), config.documents or "", Thresholds(config.ngram_share, config.jaccard))
    return build_shards(made, len(texts.batches), rows, processes=config.processes)


def _without_overlaps(config: Contamination, triplets: "Version", contamination: "Version") -> "Version":
    from builders.quality.clean_rows import CleanRows
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan

    rows = CleanRows(triplets, contamination)
    plan = Plan("triplets", "triplet", STAGE, REVISION, {"policy": "drop"}, inputs=(triplets, contamination))
    work = partial(build_shards, shards=len(triplets.shards()), make=rows, processes=config.processes)
    version = build(plan, config.data, work)
    if not version.manifest["rows"]["out"]:
        say(f"Warning: nothing of {triplets} is left: all of its rows overlap the evaluation sets.")
    return version


def _show(texts: "TrainingTexts", sets: "list[EvaluationSet]", packs: "list[HashPack]") -> None:
    from collections import Counter

    examined = ", ".join(
        f"{texts.counts[kind]:,} {told}" for kind, told in (("query", "queries"), ("positive", "positives"))
    )
    say(f"would examine {examined} in {len(texts.batches)} batches")
    for one in sets:
        sizes = Counter("queries" if t.role == "query" else "positives" if t.relevant else "others" for t in one.read())
        documents = f"{sizes['positives']:,} of {sizes['positives'] + sizes['others']:,} documents judged positive"
        say(f"  against {one.name}: {sizes['queries']:,} queries, {documents}")
    for pack in packs:
        for packed in pack.sets:
            say(f"  against {packed.name} of {pack.path}: {packed.queries:,} queries, {packed.documents:,} documents")


if __name__ == "__main__":
    sys.exit(run(Contamination, main))
