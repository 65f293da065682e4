"""Speed and memory of contamination: `python -m tests.benchmarks.bench_contamination --training 200000`."""

import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from builders.cli.command import run
from builders.quality.evaluation_sets import EvaluationSet, EvaluationText
from builders.quality.hash_packs import open_pack, write_pack
from builders.quality.matching import Thresholds
from builders.quality.overlap_rows import OverlapRows
from builders.quality.training_texts import Shard, TrainingTexts, batches

EVERY = 1_000  # one training text in so many is a copy of an evaluation text, edited in every tenth word


@dataclass(frozen=True)
class Bench:
    """Synthetic texts against synthetic texts, with planted copies.

    Example: python -m tests.benchmarks.bench_contamination --training 20000 --evaluation 100000
    """

    training: int = 200_000
    """Training texts."""
    evaluation: int = 1_000_000
    """Evaluation texts; a tenth of them queries."""
    words: int = 50
    """Words of a text; of a query 12."""


def text(seed: int, number: int, words: int) -> list[str]:
    """Words by Zipf's law, in a fixed order."""
    drawn = np.random.default_rng((seed, number)).random(words)
    return [f"w{int(30_000**x)}" for x in drawn.tolist()]


def evaluation_texts(config: Bench) -> Iterator[EvaluationText]:
    queries = config.evaluation // 10
    for number in range(config.evaluation):
        is_query = number < queries
        words = text(1, number, 12 if is_query else config.words)
        yield EvaluationText("query" if is_query else "document", str(number), " ".join(words))


def training_table(config: Bench, start: int, rows: int) -> Any:
    import pyarrow as pa

    texts = []
    for number in range(start, start + rows):
        words = text(2, number, config.words)
        if number % EVERY == 0:
            queries = config.evaluation // 10
            words = text(1, queries + number % (config.evaluation - queries), config.words)
            words[5::10] = ["edited"] * len(words[5::10])
        texts.append(" ".join(words))
    ids = [f"{number:09d}" for number in range(start, start + rows)]
    same = dict.fromkeys(("source", "language", "split"), ["train"] * rows)
    return pa.table({"chunk_id": ids, "text": texts, **same})


def main(config: Bench) -> None:
    import polars as pl
    import pyarrow.parquet as pq

    with TemporaryDirectory() as name:
        folder = Path(name)
        shards = []
        for start in range(0, config.training, 20_000):
            rows = min(20_000, config.training - start)
            path = folder / f"{start}.parquet"
            pq.write_table(training_table(config, start, rows), path)
            shards.append(Shard("positive", "chunk_id", path, rows, 0))
        ids = pl.Series([f"{number:09d}" for number in range(config.training)])
        start_s = time.perf_counter()
        made = EvaluationSet("synthetic", "0" * 32, lambda: evaluation_texts(config))
        pack = write_pack([made], "all", folder / "pack.parquet")
        told(
            f"pack of {config.evaluation:,} texts (with their making), {pack.path.stat().st_size / 1e6:,.0f} MB",
            start_s,
        )
        start_s = time.perf_counter()
        pack = open_pack(pack.path)
        told("pack read back and checked", start_s)
        texts = TrainingTexts(tuple(batches(shards)), (ids,))
        rows_of = OverlapRows(texts, (pack,), "all", Thresholds(0.4, 0.5))
        found, planted = 0, 0
        start_s = time.perf_counter()
        for batch in range(len(texts.batches)):
            result = rows_of(batch)
            found += len(result.rows)
            planted += sum(int(i) % EVERY == 0 for i in set(result.rows.column("row_id").to_pylist()))
            told(f"batch {batch + 1} of {len(texts.batches)}", start_s)
        all_planted = len(range(0, config.training, EVERY))
        print(f"{found:,} overlaps, {planted:,} of {all_planted:,} planted texts found", file=sys.stderr)


def told(what: str, start_s: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}: {time.perf_counter() - start_s:,.1f} s, peak {peak:.2f} GB", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(Bench, main))
