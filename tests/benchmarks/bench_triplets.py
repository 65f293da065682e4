"""Time and peak memory of builders.triplets on a million queries of fifty candidates each, run as a user runs it.

python -m tests.benchmarks.bench_triplets [--queries 1000000] [--processes 1] [--folder /tmp/bench]
The candidates are drawn: neighbours of a random place among the chunks, so that documents and clusters are shared.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from builders.store.building import Building, ShardResult, TableResult, build, build_shards
from builders.store.plans import Plan
from builders.store.schemas import arrow_schema
from builders.store.versions import Version

SHARD, K, CHUNKS_A_DOCUMENT = 5_000, 50, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        data = Path(name)
        candidates = write_candidates(data, asked.queries // SHARD)
        print(f"{candidates.manifest['rows']['out']:,} queries of {K} candidates among as many chunks")
        run = f"-m builders.triplets --ranked {candidates} --data {data} --window paper --processes {asked.processes}"
        start = time.monotonic()
        subprocess.run([sys.executable, *run.split()], check=True)
        seconds = time.monotonic() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{seconds:,.1f} s, peak of the largest process {peak:,.0f} MB ({asked.processes} processes)")
        manifest = json.loads(next((data / "triplets").glob("*/manifest.json")).read_text())
        print(json.dumps({name: manifest[name] for name in ("rows", "counts")}, indent=1))


def write_candidates(data: Path, shards: int) -> Version:
    """Versions of chunks, queries (empty: they are not read) and candidates, as the stages write them."""
    ids = pa.array([chunk_id(at) for at in range(shards * SHARD)])
    chunks = _version(data, "chunks", "chunk", (), shards, partial(_chunks, ids))
    queries = build(_plan("queries", "query", (chunks,)), data, _nothing)
    return _version(data, "candidates", "candidates", (queries, chunks), shards, partial(_candidates, ids))


def chunk_id(at: int) -> str:
    return f"handbook/chapter-{at // CHUNKS_A_DOCUMENT:07d}.html#{at % CHUNKS_A_DOCUMENT:04d}"


def _plan(table: str, record: str, inputs: tuple[Version, ...]) -> Plan:
    return Plan(table, record, "tests.bench", 1, {"within": None, "k": K}, inputs=inputs, facts={"retriever": "drawn"})


def _version(data: Path, table: str, record: str, inputs: tuple[Version, ...], shards: int, make: Any) -> Version:
    return build(_plan(table, record, inputs), data, lambda made: build_shards(made, shards, make))


def _nothing(made: Building) -> tuple[int, dict[str, Any]]:
    made.write(0, ShardResult([]), 0.0)
    return 1, {}


def _table(record: str, rows: int, columns: dict[str, Any]) -> TableResult:
    """The columns given; the others hold one value that is valid."""
    schema = arrow_schema(record)
    filled = [
        columns[field.name] if field.name in columns else pa.repeat(pa.scalar(_constant(field), field.type), rows)
        for field in schema
    ]
    table = pa.Table.from_arrays(filled, schema=schema)
    return TableResult(table, arrow_schema("rejection").empty_table(), Counter(), rows)


def _constant(field: pa.Field) -> Any:
    if field.nullable:
        return None
    if pa.types.is_string(field.type):
        return "train" if field.name == "split" else "en"
    return [0] if pa.types.is_list(field.type) else 1


def _chunks(ids: pa.Array, shard: int) -> TableResult:
    own = ids.slice(shard * SHARD, SHARD)
    names = own.to_pylist()
    hashes = [f"{at:032x}" for at in range(shard * SHARD, (shard + 1) * SHARD)]
    columns = {
        "chunk_id": own,
        "document_id": [name.rpartition("#")[0] for name in names],
        "text_hash": hashes,
        "normalised_text_hash": hashes,
        "cluster_id": own,
    }
    return _table("chunk", SHARD, {name: pa.array(values) for name, values in columns.items()})


def _candidates(ids: pa.Array, shard: int) -> TableResult:
    draw = np.random.default_rng(shard)
    # Half of the ranks near one place, the others anywhere: neighbours are of the same document.
    places = (
        draw.integers(0, len(ids), (SHARD, 1)) + draw.permuted(np.tile(np.arange(K * 2), (SHARD, 1)), axis=1)[:, :K]
    )
    far = draw.integers(0, len(ids), (SHARD, K))
    found = np.where(draw.random((SHARD, K)) < 0.5, places, far) % len(ids)
    scores = np.sort(draw.random((SHARD, K)).round(6))[:, ::-1]
    offsets = pa.array(np.arange(0, SHARD * K + 1, K), pa.int32())
    own = ids.slice(shard * SHARD, SHARD)
    columns = {
        "query_id": pa.array([f"{name}~sent0" for name in own.to_pylist()]),
        "chunk_id": own,
        "method": pa.repeat("sent", SHARD),
        "normalised_text_hash": pa.array([f"{at:032x}" for at in range(shard * SHARD, (shard + 1) * SHARD)]),
        "chunk_ids": pa.ListArray.from_arrays(offsets, ids.take(pa.array(found.ravel()))),
        "scores": pa.ListArray.from_arrays(offsets, pa.array(scores.ravel())),
    }
    return _table("candidates", SHARD, columns)


if __name__ == "__main__":
    main()
