"""Peak memory and rate of builders.corpus on many chunks, run as a user runs it.

python -m tests.benchmarks.bench_memory [--chunks 1000000] [--processes 2] [--folder /tmp/bench]
The documents are sentences of Python's own documentation, shuffled, about one chunk each; a fifth repeat another one.
"""

import argparse
import json
import pydoc_data.topics
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from builders.text.sentences import sentence_spans


def write_source(path: Path, documents: int) -> None:
    text = "\n\n".join(pydoc_data.topics.topics.values())
    sentences = [text[a:b] for a, b in sentence_spans(text, "en") if b - a > 20]
    draw = random.Random(0)
    with path.open("w") as file:
        recent: list[str] = []
        for i in range(documents):
            body = draw.choice(recent) if i % 5 == 4 else " ".join(draw.choices(sentences, k=9))[:900]
            recent = [*recent[-999:], body]
            file.write(json.dumps({"id": f"d{i}", "text": body}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        write_source(folder / "source.jsonl", asked.chunks)
        print(f"{asked.chunks:,} documents, {(folder / 'source.jsonl').stat().st_size / 1e6:,.0f} MB")
        run = f"-m builders.corpus --source {folder}/source.jsonl --data {folder}/data --processes {asked.processes}"
        start = time.monotonic()
        subprocess.run([sys.executable, *run.split()], check=True)
        seconds = time.monotonic() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{seconds:,.0f} s, peak of the largest process {peak:,.0f} MB ({asked.processes} processes)")
        manifest = json.loads(next((folder / "data" / "chunks").glob("*/manifest.json")).read_text())
        print(json.dumps(manifest["rows"]))


if __name__ == "__main__":
    main()
