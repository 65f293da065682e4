"""How fast triplets are exported, and in how much memory: python -m tests.benchmarks.bench_export --rows 100000

100 words a chunk (about 1 KB), as many chunks as triplets, 10 positives and 20 negatives a triplet, drawn at random.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from builders.export import TARGETS
from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet, written

SHARD = 10_000
# Its peak from the kernel's own count of this program: ru_maxrss begins with that of the parent.
MEASURE = """
import re, sys, time
from pathlib import Path
from builders.export import Export, export
start = time.perf_counter()
export(Export((sys.argv[1],), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
seconds = time.perf_counter() - start
print(seconds, time.process_time(), re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--to", nargs="*", default=list(TARGETS))
    rows, targets = (given := parser.parse_args()).rows, given.to
    with tempfile.TemporaryDirectory() as folder:
        version = synthetic(Path(folder) / "data", rows)
        for to in targets:
            out = Path(folder) / to
            command = [sys.executable, "-c", MEASURE, str(version), to, str(out), str(Path(folder) / "data")]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, busy, peak = map(float, ended.stdout.split())
            size = sum(file["bytes"] for file in json.loads((out / "export.json").read_bytes())["files"])
            rate = f"{rows / seconds:>8,.0f} triplets/s, {busy / seconds:.1f} cores"
            print(f"{to:<22} {rate}, {size / 1e6:,.0f} MB written, peak {peak / 1024:,.0f} MB", flush=True)
            subprocess.run(["rm", "-r", str(out)], check=True)


def synthetic(data: Path, rows: int) -> Version:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvwyzé", k=draw.randrange(2, 16))) for _ in range(20_000)]
    ids = [f"corpus/{number:07d}.txt#0000" for number in range(rows)]
    parts = [ids[start : start + SHARD] for start in range(0, rows, SHARD)]
    texts = [[chunk(i, " ".join(draw.choices(words, k=100))) for i in part] for part in parts]
    chunks = written(data, "chunks", "chunk", texts)
    asked = [[query(f"{i}~qgen0", " ".join(draw.choices(words, k=9))) for i in part] for part in parts]
    queries = written(data, "queries", "query", asked, [chunks])
    named = [[(f"{i}~qgen0", draw.sample(ids, 30)) for i in part] for part in parts]
    triplets = [[triplet(query_id, chosen[:10], chosen[10:]) for query_id, chosen in part] for part in named]
    return written(data, "triplets", "triplet", triplets, [queries])


if __name__ == "__main__":
    main()
