"""How long a release takes, and in how much memory: python -m tests.benchmarks.bench_release --rows 1000000

100 words a chunk (about 1 KB), as many chunks and queries as triplets, 1 positive and 7 negatives each, drawn at random.
Checks, card and page have benchmarks of their own: they are left out.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, building, finish
from builders.store.plans import Plan
from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet
from tests.releases.making import manifest_of

SHARD = 10_000
MEASURE = """
import re, sys, time
from pathlib import Path
import pytest
from builders.release import Release, release
from tests.releases.stand_ins import stand_in
stand_in(pytest.MonkeyPatch())
start = time.perf_counter()
release(Release("bench", (sys.argv[1],), data=Path(sys.argv[2]), out=Path(sys.argv[3]), memory=sys.argv[4]))
seconds = time.perf_counter() - start
print(seconds, time.process_time(), re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        data, out = Path(folder) / "data", Path(folder) / "out"
        version = synthetic(data, given.rows)
        command = [sys.executable, "-c", MEASURE, str(version), str(data), str(out), given.memory]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds, busy, peak = map(float, ended.stdout.split())
        for config, about in manifest_of(out)["configs"].items():
            files = [file for split in about["splits"].values() for file in split["files"]]
            size = sum(file["bytes"] for file in files)
            print(
                f"{config:<9} {sum(f['rows'] for f in files):>10,} rows, {len(files):>4} files, {size / 1e6:>7,.0f} MB"
            )
        print(f"{given.rows:,} triplets: {seconds:,.0f} s, {busy / seconds:.1f} cores, peak {peak / 1024:,.0f} MB")


def synthetic(data: Path, rows: int) -> Version:
    """Written shard by shard: a million rows of Python's would not fit."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvwyzé", k=draw.randrange(2, 16))) for _ in range(20_000)]

    def made(table: str, record: str, row: Callable[[int], dict[str, Any]], inputs: tuple[Version, ...]) -> Version:
        plan = Plan(table=table, record=record, stage="tests", revision=1, config={}, inputs=inputs)
        shards = range(0, rows, SHARD)
        with building(plan, data) as folder:
            for number, start in enumerate(shards):
                part = [row(at) for at in range(start, min(start + SHARD, rows))]
                folder.write(number, ShardResult(part, rows_in=len(part)), 0.0)
            return finish(plan, folder, len(shards))

    def name(at: int) -> str:
        return f"corpus/{at:07d}.txt#0000"

    chunks = made("chunks", "chunk", lambda at: chunk(name(at), " ".join(draw.choices(words, k=100))), ())

    def asked(at: int) -> dict[str, Any]:
        return query(f"{name(at)}~qgen0", " ".join(draw.choices(words, k=9)))

    queries = made("queries", "query", asked, (chunks,))

    def row(at: int) -> dict[str, Any]:
        return triplet(f"{name(at)}~qgen0", [name(at)], [name(draw.randrange(rows)) for _ in range(7)])

    return made("triplets", "triplet", row, (chunks, queries))


if __name__ == "__main__":
    main()
