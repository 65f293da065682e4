"""Tables of any size that a check finds nothing wrong with, but for a known number of planted faults of each kind."""

import json
from binascii import hexlify
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from builders.store.plans import Plan
from builders.store.schemas import arrow_schema
from builders.store.versions import Version, read_version
from tests.benchmarks.planted_faults import plant

SHARD, K, NEGATIVES, ROWS_A_QUERY = 50_000, 50, 7, 10
CHUNKS_A_DOCUMENT, CHUNKS_A_QUERY = 4, 5
STRIDE, FIRST_NEGATIVE = 99_991, 31
SCORES = np.linspace(0.9, 0.4, K).round(6)  # by rank
WORDS = "river stone quiet copper garden window silver paper winter signal harbour velvet candle orchard meadow lantern"
Columns = dict[str, Any]


def draw_tables(data: Path, triplets: int) -> dict[str, Any]:
    """Write the versions, unless they are there. Returns {"versions": names to check, "faults": {check: rows}}."""
    note = data / "planted.json"
    if note.is_file():
        return dict(json.loads(note.read_text()))
    drawn = Drawn(triplets)
    made: dict[str, Version] = {}
    for table, record, rows, columns, behind in (
        ("documents", "document", drawn.documents, drawn.document_rows, ()),
        ("chunks", "chunk", drawn.chunks, drawn.chunk_rows, ("documents",)),
        ("queries", "query", drawn.queries, drawn.query_rows, ("chunks",)),
        ("candidates", "candidates", drawn.queries, drawn.candidate_rows, ("queries", "chunks")),
        ("triplets", "triplet", drawn.triplets, drawn.triplet_rows, ("candidates", "queries", "chunks")),
    ):
        drawn.ranking = str(made["candidates"]) if "candidates" in behind else None
        made[table] = write_version(data, table, record, rows, columns, tuple(made[name] for name in behind))
    told = {"versions": [str(made["triplets"])], "faults": dict(drawn.faults)}
    note.write_text(json.dumps(told))
    return told


class Drawn:
    """What stands in each row, by its number. Chunk 5q is the own chunk of query q; rows 10q..10q+9 are of query q."""

    def __init__(self, triplets: int) -> None:
        self.triplets, self.queries, self.chunks = triplets, triplets // ROWS_A_QUERY, triplets // 2
        self.documents = self.chunks // CHUNKS_A_DOCUMENT
        self.faults: Counter[str] = Counter()
        self.ranking: str | None = None  # what rows of triplets say their ranks are of
        number = np.arange(self.chunks)
        self.document_ids = _joined("handbook/chapter-", np.arange(self.documents), 7, ".html")
        self.chunk_ids = pc.binary_join_element_wise(
            self.document_ids.take(pa.array(number // CHUNKS_A_DOCUMENT)), _joined("000", number % 4, 1, ""), "#"
        )
        self.held_out = (number // CHUNKS_A_DOCUMENT // 10) % 10 == 0
        draw = np.random.default_rng(0)
        self.chunk_hashes, self.query_hashes = _hex(draw, self.chunks), _hex(draw, self.queries)
        # chunks 20m + 3 and 20m + 4, of two documents, are near-duplicates, and half of them have the same words
        twin, same = number % 20 == 4, number % 40 == 4
        self.clusters = np.where(twin, number - 1, number)
        self.texts = np.where(same, number - 1, number)
        words = np.array(WORDS.split())
        self.distances = draw.integers(0, self.chunks, self.queries)
        self.sentences = pa.array([" ".join(words[draw.integers(0, len(words), 6)]).capitalize() for _ in range(1000)])

    def document_rows(self, rows: slice) -> Columns:
        number = np.arange(rows.start, rows.stop)
        return {"document_id": self.document_ids.slice(rows.start, len(number)), "text": self.sentence(number, 0)}

    def sentence(self, chunks: Any, which: int) -> pa.Array:
        """A sentence that no other chunk holds."""
        known = self.sentences.take(pa.array((chunks * 3 + which) % len(self.sentences)))
        return pc.binary_join_element_wise(known, _joined("", chunks * 3 + which, 8, "."), " ")

    def chunk_rows(self, rows: slice) -> Columns:
        number = np.arange(rows.start, rows.stop)
        texts = [self.sentence(number, which) for which in range(3)]
        ends = np.cumsum([pc.utf8_length(text).to_numpy() + 1 for text in texts], axis=0)
        starts = np.column_stack([np.zeros(len(number), np.int64), ends[0], ends[1]]).ravel()
        columns = {
            "chunk_id": self.chunk_ids.slice(rows.start, len(number)),
            "document_id": self.document_ids.take(pa.array(number // CHUNKS_A_DOCUMENT)),
            "text": pc.binary_join_element_wise(*texts, " "),
            "sentence_starts": _lists(pa.array(starts, pa.int32()), 3),
            "end": pa.array(ends[2] - 1),
            "tokens": pa.repeat(40, len(number)),
            "text_hash": self.chunk_hashes.slice(rows.start, len(number)),
            "normalised_text_hash": self.chunk_hashes.take(pa.array(self.texts[rows])),
            "cluster_id": self.chunk_ids.take(pa.array(self.clusters[rows])),
            "split": self.split(number),
        }
        return plant(self, "chunks", rows, columns)

    def split(self, chunks: Any) -> pa.Array:
        return pa.array(np.where(self.held_out[chunks], "heldout", "train"))

    def query_rows(self, rows: slice) -> Columns:
        number = np.arange(rows.start, rows.stop)
        first, second = (self.sentence(number * CHUNKS_A_QUERY, which) for which in (0, 1))
        start = pc.add(pc.utf8_length(first), 1).cast(pa.int64())
        columns = self._of_query(number) | {
            "text": second,
            "start": start,
            "end": pc.add(start, pc.utf8_length(second)),
            "language": pa.repeat("en", len(number)),
            "source": pa.repeat("handbook", len(number)),
            "method": pa.repeat("sent", len(number)),
            "chunk_text_hash": self.chunk_hashes.take(pa.array(number * CHUNKS_A_QUERY)),
            "text_hash": self.query_hashes.slice(rows.start, len(number)),
        }
        return plant(self, "queries", rows, columns)

    def _of_query(self, queries: Any) -> Columns:
        own = queries * CHUNKS_A_QUERY
        chunk_ids = self.chunk_ids.take(pa.array(own))
        return {
            "query_id": pc.binary_join_element_wise(chunk_ids, pa.repeat("sent0", len(own)), "~"),
            "chunk_id": chunk_ids,
            "document_id": self.document_ids.take(pa.array(own // CHUNKS_A_DOCUMENT)),
            "normalised_text_hash": self.query_hashes.take(pa.array(queries)),
            "split": self.split(own),
        }

    def allowed(self, queries: Any, places: Any) -> Any:
        """Chunks that are so far from the query's own; for a train query none that is held out."""
        own = queries * CHUNKS_A_QUERY
        found = (own + places) % self.chunks
        is_wrong = self.held_out[found] & ~self.held_out[own]
        return np.where(is_wrong, (found + 10 * CHUNKS_A_DOCUMENT) % self.chunks, found)

    def ranked(self, queries: Any, ranks: Any) -> Any:
        """The chunks of those ranks (queries x ranks) of each query: rank 1 is its own."""
        places = (ranks - 1) * STRIDE + self._bases(queries) * (ranks > 1)
        return self.allowed(queries[:, None], places)

    def _bases(self, queries: Any) -> Any:
        """A random distance for each query, such that no place after it comes near the own chunk again."""
        bases = self.distances[queries][:, None]
        reached = (bases + np.arange(K)[None, :] * STRIDE) % self.chunks
        near = np.minimum(reached, self.chunks - reached).min(axis=1, keepdims=True) < 10 * CHUNKS_A_DOCUMENT + 5
        return np.where(near, 2_000, bases)

    def candidate_rows(self, rows: slice) -> Columns:
        number = np.arange(rows.start, rows.stop)
        found = self.ranked(number, np.arange(1, K + 1)[None, :])
        columns = self._of_query(number) | {
            "method": pa.repeat("sent", len(number)),
            "language": pa.repeat("en", len(number)),
            "own_rank": pa.repeat(1, len(number)),
            "chunk_ids": _lists(self.chunk_ids.take(pa.array(found.ravel())), K),
            "scores": _lists(pa.array(np.tile(SCORES, len(number))), K),
        }
        return plant(self, "candidates", rows, columns)

    def triplet_rows(self, rows: slice) -> Columns:
        """Row j of a query takes the negatives from rank 31 + j on."""
        number = np.arange(rows.start, rows.stop)
        queries, row = number // ROWS_A_QUERY, number % ROWS_A_QUERY
        ranks = FIRST_NEGATIVE + row[:, None] + np.arange(NEGATIVES)[None, :]
        columns = self._of_query(queries)
        columns |= {
            "language": pa.repeat("en", len(number)),
            "triplet_id": pc.binary_join_element_wise(columns["query_id"], _joined("sent", row, 1, ""), "+"),
            "method": pa.repeat("sent", len(number)),
            "retriever": pa.repeat("drawn@1", len(number)),
            "ranking": pa.repeat(pa.scalar(self.ranking, pa.string()), len(number)),
            "positive_ids": _lists(columns["chunk_id"], 1),
            "positive_ranks": _lists(pa.repeat(pa.scalar(1, pa.int32()), len(number)), 1),
            "positive_scores": _lists(pa.repeat(SCORES[0], len(number)), 1),
            "negative_ids": _lists(self.chunk_ids.take(pa.array(self.ranked(queries, ranks).ravel())), NEGATIVES),
            "negative_ranks": _lists(pa.array(ranks.ravel(), pa.int32()), NEGATIVES),
            "negative_scores": _lists(pa.array(SCORES[ranks.ravel() - 1]), NEGATIVES),
        }
        return plant(self, "triplets", rows, columns)


def _joined(before: str, numbers: Any, width: int, after: str) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(before, digits, after, "")


def _hex(draw: np.random.Generator, count: int) -> pa.Array:
    offsets = pa.array(np.arange(0, 32 * (count + 1), 32, dtype=np.int64)).buffers()[1]
    return pa.LargeStringArray.from_buffers(count, offsets, pa.py_buffer(hexlify(draw.bytes(16 * count)))).cast(
        pa.string()
    )


def _lists(values: pa.Array, size: int) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.arange(0, len(values) + 1, size), pa.int32()), values)


def write_version(
    data: Path, table: str, record: str, rows: int, columns: Callable[[slice], Columns], behind: tuple[Version, ...]
) -> Version:
    """Shards as a stage writes them, but for their content hashes, which nothing here reads."""
    plan = Plan(table, record, "tests.bench", 1, {"negatives": [31, 50], "least": NEGATIVES}, inputs=behind)
    folder = data / table / plan.version()
    folder.mkdir(parents=True)
    files = []
    for number, start in enumerate(range(0, rows, SHARD)):
        stop = min(start + SHARD, rows)
        path = folder / f"{number:05d}.parquet"
        drawn = columns(slice(start, stop))
        table_of = _table(record, len(next(iter(drawn.values()))), drawn)
        pq.write_table(table_of, path, compression="zstd", compression_level=1, row_group_size=10_000)
        digest = sha256(path.read_bytes()).hexdigest()
        files.append({"path": path.name, "rows": len(table_of), "bytes": path.stat().st_size, "sha256": digest})
    manifest = {
        "table": table,
        "version": plan.version(),
        "stage": plan.stage,
        "finished": "2026-01-01T00:00:00+00:00",
        "rows": {"in": rows, "out": rows, "rejected": 0, "rejected_by_reason": {}},
        "counts": {},
        "usage": {},
        "content_hash": plan.version(),
        "identity": plan.identity(),
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    version = read_version(folder)
    assert version is not None
    return version


def _table(record: str, rows: int, columns: Columns) -> pa.Table:
    """The columns given; the others hold one value that is valid."""
    schema = arrow_schema(record)
    constants = {"source": "handbook", "language": "en", "retriever": "drawn@1", "licence": None}
    filled = []
    for field in schema:
        if field.name in columns:
            filled.append(columns[field.name].cast(field.type))
            continue
        value = constants.get(field.name, None if field.nullable else "" if pa.types.is_string(field.type) else 0)
        filled.append(pa.repeat(pa.scalar(value, field.type), rows))
    return pa.Table.from_arrays(filled, schema=schema)
