"""Seconds until `import drama_train` is done and until every command has shown its help. Run by hand:

    python -m tests.benchmarks.bench_start [--times 7]

tests/test_start.py asserts that none of them loads torch; what loads is the rest of the time.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

from drama_train.__main__ import COMMANDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    asked = parser.parse_args()
    started = {
        "python -c pass": ["-c", "pass"],
        "import drama_train": ["-c", "import drama_train"],
        "--help": ["-m", "drama_train", "--help"],
        **{f"{name} --help": ["-m", "drama_train", name, "--help"] for name in COMMANDS},
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in started}
    for _ in range(asked.times + 1):  # the first one reads the files from the disk
        for name, arguments in started.items():
            start, cpu = time.perf_counter(), _cpu()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            taken[name].append((time.perf_counter() - start, _cpu() - cpu))
    print(f"seconds, and seconds of CPU, median of {asked.times} (least to most)")
    for name, (_, *times) in taken.items():
        print(f"{name:20} " + "   ".join(_spread(one) for one in zip(*times, strict=True)))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spread(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
