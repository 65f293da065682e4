"""Sentences a second through cutting and cropping, beside bare sentencex on the same text, in one run.

python -m tests.benchmarks.bench_corpus [--tokenizer smollm2] [--rounds 3] [--profile]
The text is `pydoc:` of the packages named below; the pieces are timed one after the other, round by round.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sentencex

from builders.cropped_sentences import Crops
from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.versions import Version, read_rows
from builders.text.chunk_shards import Drafts
from builders.text.ingest import write_documents
from builders.text.queries import Sample
from builders.text.readers import open_source
from builders.text.tokens import find_tokenizer

SOURCE = "pydoc:topics,asyncio,email,unittest,numpy,polars,pyarrow,datasets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", default="smollm2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), asked.tokenizer, asked.rounds, asked.profile)


def measure(data: Path, tokenizer: str, rounds: int, profile: bool) -> None:
    source = open_source(SOURCE, name="pydoc")
    plan = Plan("documents", "document", "bench", 1, {})
    documents = build(plan, data, lambda made: (write_documents(made, source, None, None), {}))
    shards = range(len(documents.shards()))
    texts = [row["text"] for shard in documents.shards() for row in read_rows(shard)]
    print(f"{len(texts):,} documents, {sum(map(len, texts)):,} characters of {SOURCE}")

    drafts = Drafts(documents, find_tokenizer(tokenizer).file, 256)
    drafted = [drafts(i) for i in shards]  # also warms the tokenizer and the identifier up
    sentences = sum(len(row["sentence_starts"]) for result in drafted for row in result.rows)
    chunks = _chunks(data, drafted)
    crops = Crops(chunks, Sample(0, 2**64), 1, 4, 0)

    def bare() -> int:
        return sum(sum(not s["is_paragraph_break"] for s in sentencex.get_sentence_boundaries("en", t)) for t in texts)

    def cut() -> int:
        return sum(drafts(i).counts["sentences"] for i in shards)

    def crop() -> int:
        for i in range(len(chunks.shards())):
            crops(i)
        return sentences

    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, call in (("bare sentencex", bare), ("cutting", cut), ("cropping", crop)):
            figures.setdefault(name, []).append(_rate(call))
    for name, rates in figures.items():
        middle = statistics.median(rates)
        share = middle / statistics.median(figures["bare sentencex"])
        print(
            f"{name:<16} {middle:>10,.0f} sentences/s (from {min(rates):,.0f} to {max(rates):,.0f}), {share:.3f} of bare"
        )
    if profile:
        for call in (cut, crop):
            profiler = cProfile.Profile()
            profiler.runcall(call)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(14)


def _chunks(data: Path, drafted: list[ShardResult]) -> Version:
    """The drafts as chunks, each a cluster of its own: what cropping reads."""
    plan = Plan("chunks", "chunk", "bench", 1, {})

    def write(made: object) -> tuple[int, dict[str, object]]:
        for i, result in enumerate(drafted):
            rows = [{k: v for k, v in row.items() if "bands" not in k} for row in result.rows]
            extra = ShardResult([row | {"cluster_id": row["chunk_id"], "split": "train"} for row in rows])
            made.write(i, extra, 0.0)  # type: ignore[attr-defined]
        return len(drafted), {}

    return build(plan, data, write)


def _rate(call: Callable[[], int]) -> float:
    start = time.process_time()  # seconds of one core, whatever else the machine does
    return call() / (time.process_time() - start)


if __name__ == "__main__":
    main()
