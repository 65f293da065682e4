"""Time and peak memory of the whole check suite on drawn tables with planted faults, and what it found of them.

python -m tests.benchmarks.bench_checks [--triplets 10000000] [--memory 2GB] [--threads 2] [--folder /tmp/bench] [--keep]
Of n rows of triplets there are n / 10 queries with 50 candidates each, and n / 2 chunks of at most 200 characters.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.benchmarks.drawn_tables import draw_tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triplets", type=int, default=10_000_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument(
        "--keep", action="store_true", help="keep the tables in --folder, and take those that are there"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        data = asked.folder / f"drawn-{asked.triplets}" if asked.keep else Path(name) / "data"
        start = time.monotonic()
        planted = draw_tables(data, asked.triplets)
        print(f"tables of {asked.triplets:,} rows of triplets in {time.monotonic() - start:,.0f} s", flush=True)
        out = Path(name) / "checks"
        settings = ["--data", data, "--out", out, "--memory", asked.memory, "--threads", asked.threads]
        start = time.monotonic()
        run = [sys.executable, "-m", "builders.checks", *planted["versions"], *map(str, settings)]
        subprocess.run(run, check=False, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        quality = json.loads((out / "quality.json").read_text())
        print_found(planted["faults"], quality)
        told = f"{seconds:,.1f} s in all, {quality['seconds']:,.1f} s of them checks, {processor:,.1f} s of processors, peak {peak:,.0f} MB"
        print(f"{told} ({asked.threads} threads, {asked.memory})")


def print_found(faults: dict[str, int], quality: dict[str, Any]) -> None:
    """One line a check: seconds, examined, found against planted."""
    found = Counter({check["name"]: check["failing"] for check in quality["checks"]})
    for check in sorted(quality["checks"], key=lambda check: -check["seconds"])[:25]:
        print(f"{check['seconds']:>8.2f} s {check['examined']:>12,} {check['status']:<8} {check['name']}")
    wrong = {name: (found[name], faults.get(name, 0)) for name in found | faults if found[name] != faults.get(name, 0)}
    print(f"planted {sum(faults.values()):,} faults of {len(faults)} kinds; found otherwise (found, planted): {wrong}")


if __name__ == "__main__":
    main()
