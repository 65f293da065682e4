"""judged data -> queries and judgements (D_sft): people asked, and people said which passages answer."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.store.versions import Version
    from builders.text.judged.sets import JudgedSet

STAGE = "builders.supervised"
REVISION = 1
# A passage was judged whole: it is one chunk, however long. A retriever reads as much of it as it reads.
WHOLE = 1_000_000_000
SHOWN = 5  # passages of each kind in a rehearsal


@dataclass(frozen=True)
class Supervised:
    """Read judged data: documents, chunks, queries, and judgements of which chunks answer which query.

    Example: python -m builders.supervised --source scifact/ --qrels train
    """

    source: str
    """What to read: a folder in the BEIR layout; rows of text columns (query, positive, negative, label; lists and
    passages too) in Parquet, JSONL, CSV or TSV files, or hf://owner/name@revision; MS MARCO's triples."""
    name: str | None = None
    """The data set's name in ids and on cards; the file's, folder's or Hub data set's name where it is not given."""
    format: str | None = None
    """beir, columns or msmarco; told from what is there where it is not given."""
    data: Path = Path("data")
    """The folder of all tables."""
    qrels: str | None = None
    """beir: whose judgements to read, as in qrels/train.tsv; train where it is not given."""
    columns: dict[str, str] | None = None
    """Names of columns where they are not the usual ones: query, positive, negative, label, query_id, language,
    licence; for beir those of the corpus: text, title, id, language, licence."""
    config: str | None = None
    """The configuration of a Hub dataset."""
    split: str = "train"
    """The split of a Hub dataset to read."""
    language: str | None = None
    """The language of documents and queries that declare none; without it, it is identified."""
    licence: str | None = None
    """The licence of documents that declare none (SPDX)."""
    tokenizer: str = "smollm2"
    """What the lengths of passages are counted in: smollm2, a tokenizer.json, a folder, or a Hub id."""
    limit: int | None = None
    """Read only the first so many judged queries, and only the passages judged for them (a rehearsal)."""
    processes: int = 1
    """Worker processes for passages; the result does not depend on it."""
    dry_run: bool = False
    """Show the first query with what was judged for it, and write nothing."""

    def __post_init__(self) -> None:
        from builders.cli.names import nearest
        from builders.text.judged import FORMATS

        if self.format is not None and self.format not in FORMATS:
            near = nearest(self.format, FORMATS)
            raise UserError(f"--format {self.format} is not one of {', '.join(FORMATS)}{near}.", exit_code=2)
        for name in ("limit", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name} {value} reads nothing: give 1 or more.", exit_code=2)


def main(config: Supervised) -> "Version | None":
    """The corpus's own passes, then queries, then judgements: each a version that a second run finds already built."""
    from builders.corpus import Corpus, build_chunks, build_clusters, build_documents, build_signatures
    from builders.text.judged.statistics import print_judgements
    from builders.text.tokens import find_tokenizer

    judged = _open(config)
    say(f"{judged.documents.name} is read as {judged.format}: {judged.told}")
    if config.dry_run:
        _show_first(judged)
        return None
    tokenizer = find_tokenizer(config.tokenizer)
    passages = Corpus(
        config.source,
        data=config.data,
        licence=config.licence,
        max_tokens=WHOLE,
        heldout=0.0,
        processes=config.processes,
    )
    documents = build_documents(judged.documents, passages)
    signatures = build_signatures(documents, tokenizer, passages)
    clusters = build_clusters(signatures, passages)
    chunks = build_chunks(signatures, clusters, tokenizer, passages)
    drafts = build_drafts(judged, config)
    queries = build_queries(drafts, chunks, config.data)
    judgements = build_judgements(drafts, chunks, queries, config.data)
    print_judgements(queries, judgements)
    return judgements


def build_drafts(judged: "JudgedSet", config: Supervised) -> "Version":
    """The rows of the data set in shards, so that it is read once for queries and judgements."""
    from builders.store.building import build
    from builders.store.plans import Plan
    from builders.text.judged.drafts import write_drafts

    settings = {
        "source": judged.documents.name,
        "format": judged.format,
        "fingerprint": judged.fingerprint,
        "language": config.language,
        "limit": config.limit,
    }
    plan = Plan("judged_rows", "judged_row", STAGE, REVISION, settings)
    return build(plan, config.data, lambda made: (write_drafts(made, judged), {}))


def build_queries(drafts: "Version", chunks: "Version", data: Path) -> "Version":
    """One merge over all drafts: the queries that have a positive, each with its first one's chunk."""
    from builders.store.building import build
    from builders.store.plans import Plan
    from builders.text.judged.rows import write_queries

    plan = Plan("queries", "query", STAGE, REVISION, {}, inputs=(chunks, drafts))
    return build(plan, data, lambda made: (write_queries(made, drafts, chunks), {}))


def build_judgements(drafts: "Version", chunks: "Version", queries: "Version", data: Path) -> "Version":
    """One merge over all drafts: what was said of each query and chunk."""
    from builders.store.building import build
    from builders.store.plans import Plan
    from builders.text.judged.rows import write_judgements

    plan = Plan("judgements", "judgement", STAGE, REVISION, {}, inputs=(queries, chunks, drafts))
    return build(plan, data, lambda made: (write_judgements(made, drafts, chunks, queries), {}))


def _open(config: Supervised) -> "JudgedSet":
    from collections import Counter

    from builders.text.ingest import declared_language
    from builders.text.judged import open_judged
    from builders.text.judged.sets import first_queries, in_language

    judged = open_judged(
        config.source,
        name=config.name,
        form=config.format,
        qrels=config.qrels,
        columns=config.columns,
        config=config.config,
        split=config.split,
    )
    name = judged.documents.name
    if not name.strip() or not name.isprintable():
        raise UserError(f"The source's name {name!r} cannot stand in an id: give one with --name.", exit_code=2)
    if config.language is not None:
        language = declared_language(config.language, Counter())
        if language is None:
            raise UserError(f"--language {config.language!r} is no language: give a code, such as de.", exit_code=2)
        judged = in_language(judged, language)
    return judged if config.limit is None else first_queries(judged, config.limit)


def _show_first(judged: "JudgedSet") -> None:
    from builders.text.documents import BadRow, Document
    from builders.text.judged.sets import first_queries

    first = first_queries(judged, 1)
    rows = [row for row in first.read() if not isinstance(row, BadRow)]
    if not rows:
        raise UserError(f"No row of {judged.documents.name} judges anything: run without --dry-run for why.")
    texts = {d.id: d for d in first.documents.read() if isinstance(d, Document)}
    say(f"query {rows[0].query_id}: {next((row.text for row in rows if row.text), '(its text is not there)')}")
    relevances: dict[str, int] = {}
    for document_id, relevance in (pair for row in rows for pair in row.judged or ()):
        relevances[document_id] = max(relevance, relevances.get(document_id, relevance))
    for word, wanted in (("answers", True), ("does not", False)):
        chosen = [
            (document_id, relevance) for document_id, relevance in relevances.items() if (relevance > 0) == wanted
        ]
        for document_id, relevance in chosen[:SHOWN]:
            document = texts.get(document_id)
            shown = f"{document.title}\n{document.text[:300]}" if document else "(it is not there)"
            say(f"--- {word}, {document_id} ({relevance}): {' '.join(shown.split())}")
        if len(chosen) > SHOWN:
            say(f"--- and {len(chosen) - SHOWN} more")


if __name__ == "__main__":
    sys.exit(run(Supervised, main))
