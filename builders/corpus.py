"""documents -> chunks: read a source, clean it, cut it into chunks, find near-duplicates, draw the held-out split."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.store.building import Building
    from builders.store.versions import Version
    from builders.text.documents import Source
    from builders.text.tokens import TokenizerName

STAGE = "builders.corpus"
REVISION = 1


@dataclass(frozen=True)
class Corpus:
    """Read documents and cut them into chunks.

    Example: python -m builders.corpus --source handbook/ --name handbook
    """

    source: str
    """What to read: hf://owner/name@revision; Parquet, JSONL or CSV (plain, .gz, .zst), a file or a folder; a folder of
    .txt, .md, .html or .rst; a BEIR folder; pydoc:module,module (the Python packages installed here; pydoc: is all)."""
    name: str | None = None
    """The source's name in ids and on cards; the file's or dataset's name where it is not given."""
    data: Path = Path("data")
    """The folder of all tables."""
    columns: dict[str, str] | None = None
    """Names of columns where they are not the usual ones: text, title, id, language, licence."""
    config: str | None = None
    """The configuration of a Hub dataset."""
    split: str = "train"
    """The split of a Hub dataset to read."""
    licence: str | None = None
    """The licence of documents that declare none (SPDX)."""
    tokenizer: str = "smollm2"
    """What chunk lengths are counted in: smollm2, a tokenizer.json, a folder, or a Hub id. Take the student's own."""
    max_tokens: int = 256
    """Longest chunk in tokens (DRAMA 3.1)."""
    heldout: float = 0.05
    """Share of documents held out for evaluation, drawn by near-duplicate cluster."""
    seed: int = 0
    """Seed of the split."""
    limit: int | None = None
    """Read only the first so many documents (a rehearsal)."""
    processes: int = 1
    """Worker processes for cutting; the result does not depend on it."""
    dry_run: bool = False
    """Show the first document and its chunks, and write nothing."""

    def __post_init__(self) -> None:
        if self.max_tokens < 8:
            raise UserError(f"--max-tokens {self.max_tokens} is too short for a sentence: give 8 or more.", exit_code=2)
        if not 0 <= self.heldout < 1:
            raise UserError(f"--heldout {self.heldout} is not a share: give 0 or more, and less than 1.", exit_code=2)
        for name in ("limit", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name} {value} reads nothing: give 1 or more.", exit_code=2)


def main(config: Corpus) -> "Version | None":
    """The four steps, each a version of its own that a second run finds already built."""
    from builders.cli.summary import print_languages
    from builders.text.readers import Columns, open_source
    from builders.text.tokens import find_tokenizer

    source = open_source(
        config.source,
        name=config.name,
        columns=_columns(Columns, config.columns or {}),
        config=config.config,
        split=config.split,
    )
    if not source.name.strip() or not source.name.isprintable():
        raise UserError(f"The source's name {source.name!r} cannot stand in an id: give one with --name.", exit_code=2)
    tokenizer = find_tokenizer(config.tokenizer)
    if config.dry_run:
        _show_first(source, tokenizer, config)
        return None
    documents = build_documents(source, config)
    signatures = build_signatures(documents, tokenizer, config)
    clusters = build_clusters(signatures, config)
    chunks = build_chunks(signatures, clusters, tokenizer, config)
    print_languages(chunks)
    return chunks


def build_documents(source: "Source", config: Corpus) -> "Version":
    """Pass 0, one reader: the source's documents, cleaned, in shards."""
    from builders.store.building import build
    from builders.store.plans import Plan
    from builders.text.ingest import write_documents

    settings = {
        "source": source.name,
        "kind": source.kind,
        "fingerprint": source.fingerprint,
        "licence": config.licence,
        "limit": config.limit,
    }
    plan = Plan("documents", "document", STAGE, REVISION, settings)
    return build(plan, config.data, lambda made: (write_documents(made, source, config.licence, config.limit), {}))


def build_signatures(documents: "Version", tokenizer: "TokenizerName", config: Corpus) -> "Version":
    """Pass 1, by shard: chunks with their hashes, languages and MinHash bands."""
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan
    from builders.text.chunk_shards import Drafts

    settings = {"tokenizer": tokenizer.fingerprint, "max_tokens": config.max_tokens}
    facts = {"tokenizer": tokenizer.name}
    plan = Plan("signatures", "signature", STAGE, REVISION, settings, inputs=(documents,), facts=facts)
    make = Drafts(documents, tokenizer.file, config.max_tokens)
    shards = len(documents.shards())
    return build(plan, config.data, partial(build_shards, shards=shards, make=make, processes=config.processes))


def build_clusters(signatures: "Version", config: Corpus) -> "Version":
    """Pass 2, one merge over all shards: near-duplicate clusters and the split."""
    from builders.store.building import ShardResult, build
    from builders.store.plans import Plan
    from builders.text.clusters import merge_clusters

    def work(made: "Building") -> tuple[int, dict[str, Any]]:
        say("clusters: comparing signatures of all shards")
        for i, rows in enumerate(merge_clusters(signatures, config.heldout, config.seed)):
            made.write(i, ShardResult(rows, rows_in=len(rows)), 0.0)
        return len(signatures.shards()), {}

    plan = Plan(
        "clusters", "cluster", STAGE, REVISION, {"heldout": config.heldout}, inputs=(signatures,), seed=config.seed
    )
    return build(plan, config.data, work)


def build_chunks(signatures: "Version", clusters: "Version", tokenizer: "TokenizerName", config: Corpus) -> "Version":
    """Pass 3, by shard: the chunks with their clusters and split."""
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan
    from builders.text.chunk_shards import Chunks

    inputs = (*signatures.inputs(), signatures, clusters)
    settings = {"tokenizer": tokenizer.fingerprint, "max_tokens": config.max_tokens, "heldout": config.heldout}
    facts = {"tokenizer": tokenizer.name}
    plan = Plan("chunks", "chunk", STAGE, REVISION, settings, inputs=inputs, seed=config.seed, facts=facts)
    make, shards = Chunks(signatures, clusters), len(signatures.shards())
    return build(plan, config.data, partial(build_shards, shards=shards, make=make, processes=config.processes))


def _columns(columns: type[Any], given: dict[str, str]) -> Any:
    from builders.cli.names import nearest

    known = list(columns.__dataclass_fields__)
    for name in given:
        if name not in known:
            raise UserError(f"--columns: {name} is not one of {', '.join(known)}{nearest(name, known)}.", exit_code=2)
    return columns(**given)


def _show_first(source: "Source", tokenizer: "TokenizerName", config: Corpus) -> None:
    from builders.text.chunking import chunk_text
    from builders.text.ingest import read_shards
    from builders.text.languages import identify
    from builders.text.tokens import load_tokenizer

    document = next((row for result in read_shards(source, config.licence, 20) for row in result.rows), None)
    if document is None:
        raise UserError(
            f"None of the first 20 rows of {source.name} is a usable document: run without --dry-run for why."
        )
    language, confidence = identify(document["text"])
    say(
        f"source {source.name} ({source.kind}); first document {document['document_id']}, {language} ({confidence:.2f})"
    )
    for chunk in chunk_text(document["text"], language, load_tokenizer(tokenizer.file), config.max_tokens):
        say(f"--- {chunk.tokens} tokens, {len(chunk.sentence_starts)} sentences")
        say(document["text"][chunk.start : chunk.end])


if __name__ == "__main__":
    sys.exit(run(Corpus, main))
