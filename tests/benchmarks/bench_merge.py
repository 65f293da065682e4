"""Time and peak memory of the one merge over all shards (near-duplicate clusters), the step that grows with the corpus.

python -m tests.benchmarks.bench_merge [--chunks 1000000]
The signatures are drawn at random, a fifth of them repeats; the steps by shard need the same memory whatever the size.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from builders.store.versions import Version
from builders.text.clusters import merge_clusters
from builders.text.duplicates import BANDS
from builders.text.hashes import text_hash

SHARD = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        signatures = write_signatures(Path(name), asked.chunks // SHARD)
        print(f"{asked.chunks:,} signatures; {peak():,.0f} MB before the merge")
        start = time.monotonic()
        merged = sum(len(rows) for rows in merge_clusters(signatures, 0.05, 0))
        print(f"{merged:,} rows merged in {time.monotonic() - start:.1f} s, peak {peak():,.0f} MB")


def write_signatures(folder: Path, shards: int) -> Version:
    draw = np.random.default_rng(0)
    files = []
    for shard in range(shards):
        ids = [f"source/d{shard * SHARD + i}" for i in range(SHARD)]
        hashes = [text_hash(i) for i in ids]
        bands = draw.integers(0, 2**62, size=(SHARD, BANDS))
        hashes[-SHARD // 5 :], bands[-SHARD // 5 :] = hashes[: SHARD // 5], bands[: SHARD // 5]
        columns = {
            "chunk_id": [f"{i}#0000" for i in ids],
            "document_id": ids,
            "normalised_text_hash": hashes,
            "bands": pa.array(list(bands)),
            "document_bands": pa.array(list(bands)),
            "tokens": pa.array([1] * SHARD, pa.int32()),
            "text": ["a text of some words"] * SHARD,
        }
        pq.write_table(pa.table(columns), folder / f"{shard:05d}.parquet")
        files.append({"path": f"{shard:05d}.parquet", "rows": SHARD})
    return Version(folder, {"table": "signatures", "version": "drawn", "files": files})


def peak() -> float:
    """Megabytes, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
