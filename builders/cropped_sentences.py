"""chunks -> queries (Sent): one random sentence of a chunk is a query for it (DRAMA 3.1.1)."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say

if TYPE_CHECKING:
    from builders.store.building import ShardResult
    from builders.store.versions import Version
    from builders.text.queries import Sample

STAGE = "builders.cropped_sentences"
REVISION = 1
METHOD = "sent"

# A sentence has more letters than a line of code or a table has.
LEAST_LETTERS, LEAST_PLAIN_WORDS = 0.6, 0.6
_LIST_MARK = re.compile(r"(?:[-–—*+•·⋅‣▪●◦]+|\(?\d{1,3}[.)])\s+|[—•·⋅‣▪●]+")
_ENDED = re.compile(r"[.!?。！？؟۔।॥…．][\"'”’»)\]」』]*$")


@dataclass(frozen=True)
class CroppedSentences:
    """Crop random sentences from chunks as queries.

    Example: python -m builders.cropped_sentences --per-chunk 2
    """

    chunks: str | None = None
    """The version of chunks to crop from; the latest where it is not given."""
    data: Path = Path("data")
    """The folder of all tables."""
    per_chunk: int = 1
    """Sentences to draw from each chunk, all different (DRAMA: 1). One that fails a gate is drawn again."""
    min_words: int = 4
    """Shortest crop; two characters of a script without spaces count for a word."""
    seed: int = 0
    """Seed of the draws."""
    limit: int | None = None
    """Crop from a seeded sample of so many chunks only (a rehearsal)."""
    processes: int = 1
    """Worker processes; the result does not depend on it."""
    dry_run: bool = False
    """Show the crops of five chunks, and write nothing."""

    def __post_init__(self) -> None:
        for name in ("per_chunk", "min_words", "limit", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} {value} leaves nothing: give 1 or more.", exit_code=2)


def main(config: CroppedSentences) -> "Version | None":
    """Drafts by shard, then duplicates over all shards, then rows by shard."""
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan
    from builders.store.versions import find_version, latest_version
    from builders.text.queries import build_queries, choose_sample

    given = config.chunks
    chunks = find_version(config.data, given, table="chunks") if given else latest_version(config.data, "chunks")
    sample = choose_sample(chunks, 5 if config.dry_run else config.limit, config.seed)
    make = Crops(chunks, sample, config.per_chunk, config.min_words, config.seed)
    if config.dry_run:
        _show(make)
        return None
    settings = {"per_chunk": config.per_chunk, "min_words": config.min_words, "limit": config.limit}
    plan = partial(Plan, record="query", stage=STAGE, revision=REVISION, config=settings, seed=config.seed)
    drafting = plan("query_drafts", inputs=(chunks,))
    work = partial(build_shards, shards=len(chunks.shards()), make=make, processes=config.processes)
    drafts = build(drafting, config.data, work)
    return build_queries(drafts, config.data, plan("queries", inputs=(chunks, drafts)), config.processes)


@dataclass(frozen=True)
class Crops:
    """Chunks -> drafts of queries. Called with the number of a shard of `chunks`."""

    chunks: "Version"
    sample: "Sample"
    per_chunk: int
    min_words: int
    seed: int

    def __call__(self, shard: int) -> "ShardResult":
        from builders.store.building import ShardResult, rejection
        from builders.text.queries import chosen_chunks, query_id

        result = ShardResult([])
        for chunk in chosen_chunks(self.chunks, shard, self.sample):
            result.rows_in += 1
            rows: list[dict[str, Any]] = []
            faults = []
            for start, end in crop_spans(chunk, self.seed):
                query = " ".join(chunk["text"][start:end].split())
                fault = crop_fault(query, chunk["text"], self.min_words)
                if fault:
                    faults.append((*fault, query))
                else:
                    rows.append(_row(chunk, len(rows), query, start, end))
                if len(rows) == self.per_chunk:
                    break
            result.rows += rows
            wanted = min(self.per_chunk, len(rows) + len(faults))
            for number, (reason, detail, query) in zip(range(len(rows), wanted), faults, strict=False):
                result.rejected.append(rejection(query_id(chunk, METHOD, number), reason, detail, query))
            result.counts["draws_repeated"] += len(faults) - max(0, wanted - len(rows))
        return result


def crop_spans(chunk: Mapping[str, Any], seed: int) -> Iterator[tuple[int, int]]:
    """Offsets in the chunk's text of its sentences in a random order, drawn by a generator of (seed, chunk id) alone.

    Sentences that end as sentences do come first: what has no end mark is mostly a heading or a list item. DRAMA draws
    once; here a draw that fails a gate is repeated, because 11% of chunks had a good sentence and drew another.
    """
    from builders.text.hashes import generator

    text, starts = chunk["text"], chunk["sentence_starts"]
    spans = [(a, a + len(text[a:b].rstrip())) for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    draw = generator(seed, chunk["chunk_id"], METHOD)
    # not draw.sample: more sentences must begin with the same ones, and only random() is the same on every Python
    keys = [(not _ENDED.search(text, a, b), draw.random()) for a, b in spans]
    for _, (start, end) in sorted(zip(keys, spans, strict=True)):
        mark = _LIST_MARK.match(text, start, end)
        yield (mark.end() if mark else start), end


def crop_fault(query: str, chunk: str, min_words: int) -> tuple[str, str] | None:
    """(reason, detail) of the first gate that the crop fails, or None."""
    from builders.text.gates import not_prose, word_count

    if fault := not_prose(query, LEAST_LETTERS, LEAST_PLAIN_WORDS):
        return "not_text", fault
    if (words := word_count(query)) < min_words:
        return "too_short", f"{words:g} words, at least {min_words} are asked for"
    if len(query) >= len(" ".join(chunk.split())) * 0.95:
        return "whole_chunk", "the chunk has no other sentence to be found by"
    return None


def _row(chunk: Mapping[str, Any], number: int, query: str, start: int, end: int) -> dict[str, Any]:
    from builders.text.languages import language_of
    from builders.text.queries import query_row

    row = query_row(chunk, METHOD, number, query, language_of(query, chunk["language"]))
    row["start"], row["end"] = start, end
    return row


def _show(make: Crops) -> None:
    for shard in range(len(make.chunks.shards())):
        result = make(shard)
        for row in result.rows:
            say(f"{row['query_id']}\n  {row['text']}")
        for row in result.rejected:
            say(f"{row['row_id']}\n  rejected, {row['reason']} ({row['detail']}): {row['raw'][:120]}")


if __name__ == "__main__":
    sys.exit(run(CroppedSentences, main))
