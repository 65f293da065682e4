"""Judged rows -> drafts in shards, with the ids that queries and documents have here."""

import time
from collections.abc import Iterator
from typing import Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress
from builders.store.building import Building, ShardResult, rejection
from builders.store.parquet import storable
from builders.text.cleaning import clean_line
from builders.text.documents import BadRow
from builders.text.ingest import RAW_KEPT, declared_language, id_in
from builders.text.judged.sets import JudgedRow, JudgedSet

# Rows are short (a query's text and some ids), so that this many are some 20 MB while they are written.
SHARD_ROWS = 50_000


def query_id_in(source: str, own: str) -> str:
    """The id here of the query that the data set of that name calls `own`.

    It ends as every query's id does, in a tilde, the method and a number, so that it is never a document's or chunk's,
    whose namespace data sets do not keep apart; an equals sign would end it within the id of a judgement.
    """
    return f"{id_in(source, own).replace('=', '%3D')}~supervised0"


def write_drafts(made: Building, judged: JudgedSet) -> int:
    """Write the rows and return the number of shards. Shards that are there are not written again.

    UserError where the data set has no row that judges anything.
    """
    shards, judging = 0, False
    start = time.perf_counter()
    with Progress("judged rows", None, unit="rows") as progress:
        for result in read_drafts(judged):
            if not made.is_done(shards):
                made.write(shards, result, time.perf_counter() - start)
            shards += 1
            judging = judging or any(row["document_ids"] for row in result.rows)
            progress.step(result.rows_in)
            start = time.perf_counter()
    if not judging:
        faults = "; ".join(f"{row['reason']} ({row['detail']})" for row in result.rejected[:3])
        raise UserError(f"{judged.documents.name} judges no document for any query: {faults or 'it is empty'}.")
    return shards


def read_drafts(judged: JudgedSet) -> Iterator[ShardResult]:
    """The rows cut into shards, always at the same places; at least one, which may be empty."""
    source, number = judged.documents.name, 0
    result = ShardResult([])
    seen: dict[str, tuple[str, str | None]] = {}
    for row in judged.read():
        result.rows_in += 1
        if isinstance(row, BadRow):
            where, raw = storable(f"{source}/{row.where}"), storable(row.raw[:RAW_KEPT])
            result.rejected.append(rejection(where, row.reason, storable(row.detail), raw))
        else:
            result.rows.append(_draft(source, row, number, result, seen))
        number += 1
        if result.rows_in >= SHARD_ROWS:
            yield result
            result, seen = ShardResult([]), {}
    if result.rows_in or not number:
        yield result


def _draft(
    source: str, row: JudgedRow, number: int, result: ShardResult, seen: dict[str, tuple[str, str | None]]
) -> dict[str, Any]:
    """`seen`: the queries of the shard, with the id here and the text, which is written once."""
    judged = row.judged
    query_id, text = seen.get(row.query_id) or (query_id_in(source, row.query_id), None)
    again = row.text is None or row.text == text
    seen[row.query_id] = (query_id, text if again else row.text)
    return {
        "place": storable(row.where),
        "row": number,
        "query_id": query_id,
        "text": None if again or row.text is None else clean_line(row.text),
        "language": declared_language(row.language, result.counts),
        "document_ids": None if judged is None else [id_in(source, id_) for id_, _ in judged],
        "relevances": None if judged is None else [relevance for _, relevance in judged],
    }
