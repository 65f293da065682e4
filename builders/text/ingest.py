"""Source -> documents: read in order, clean, reject with a reason, write shard by shard."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress
from builders.store.building import Building, ShardResult, rejection
from builders.store.parquet import storable
from builders.text.cleaning import clean, clean_line
from builders.text.documents import BadRow, Document, Source
from builders.text.hashes import text_hash
from builders.text.languages import named_language

# A shard is small enough for a worker's memory and large enough to keep files few: whichever comes first.
SHARD_CHARACTERS = 4_000_000
SHARD_DOCUMENTS = 5_000
RAW_KEPT = 2_000


def write_documents(made: Building, source: Source, licence: str | None, limit: int | None) -> int:
    """Write the source's documents and return the number of shards. Shards that are there are not written again.

    UserError where the source has no document at all.
    """
    shards = documents = 0
    start = time.perf_counter()
    with Progress("documents", None, unit="documents") as progress:
        for result in read_shards(source, licence, limit):
            if not made.is_done(shards):
                made.write(shards, result, time.perf_counter() - start)
            shards += 1
            documents += len(result.rows)
            progress.step(len(result.rows))
            start = time.perf_counter()
    if not documents:
        reasons = "; ".join(f"{row['row_id']}: {row['reason']} ({row['detail']})" for row in result.rejected[:3])
        raise UserError(f"The source {source.name} has no usable document: {reasons or 'it is empty'}.")
    return shards


def read_shards(source: Source, licence: str | None, limit: int | None) -> Iterator[ShardResult]:
    """The source cut into shards, always at the same places; at least one, which may be empty."""
    result, characters = ShardResult([]), 0
    seen: set[int] = set()
    empty = True
    for item in islice(source.read(), None if limit is None else min(limit, sys.maxsize)):
        result.rows_in += 1
        row = _bad_row(source, item) if isinstance(item, BadRow) else _document(source, item, licence, result, seen)
        if "reason" in row:
            result.rejected.append(row)
        else:
            result.rows.append(row)
            characters += len(row["text"])
        if characters >= SHARD_CHARACTERS or result.rows_in >= SHARD_DOCUMENTS:
            yield result
            empty = False
            result, characters = ShardResult([]), 0
    if result.rows_in or empty:
        yield result


def id_in(source: str, own: str) -> str:
    """The id here of what the source of that name calls `own`."""
    # a chunk's id is its document's, a # and a number: with a # of its own, x#0001 would sort among the chunks of x
    plain = own.isascii() and own.isalnum()  # as most are, and triples name two in every row
    return f"{source}/{own if plain else clean_line(storable(own))}".replace("#", "%23")


def _document(
    source: Source, item: Document, licence: str | None, result: ShardResult, seen: set[int]
) -> dict[str, Any]:
    document_id = id_in(source.name, item.id)
    known = int(text_hash(document_id)[:16], 16)
    if known in seen:
        return _rejection(document_id, "duplicate_id", f"{item.where}: the id was seen before", item.text)
    seen.add(known)
    text, changed = clean(item.text)
    result.counts.update(changed)
    if not text:
        return _rejection(document_id, "empty", f"{item.where}: nothing is left after cleaning", repr(item.text[:200]))
    return {
        "document_id": document_id,
        "source": source.name,
        "title": clean_line(item.title),
        "text": text,
        "language": declared_language(item.language, result.counts),
        "licence": clean_line(item.licence) if item.licence else licence,
        "place": storable(item.where),
    }


def _bad_row(source: Source, item: BadRow) -> dict[str, Any]:
    return _rejection(f"{source.name}/{item.where}", item.reason, item.detail, item.raw)


def declared_language(declared: str | None, counts: Counter[str]) -> str | None:
    """The ISO 639 code of a language declared by code, locale or English name; None where it is none of these."""
    if not declared or not declared.strip():
        return None
    code = re.match(r"([a-z]{2,3})(?:[-_][a-z0-9]+)*$", declared.strip().casefold())
    found = code.group(1) if code else named_language(declared)
    counts["declared_languages_unknown"] += found is None
    return found


def _rejection(row_id: str, reason: str, detail: str, raw: str) -> dict[str, Any]:
    return rejection(storable(row_id), reason, storable(detail), storable(raw[:RAW_KEPT]))
