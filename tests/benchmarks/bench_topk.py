"""Exact top-k beside bare faiss.knn and sentence-transformers' mine_hard_negatives, on the same vectors. Run by hand:

    python -m tests.benchmarks.bench_topk [--queries 10000] [--documents 200000] [--dim 384] [--k 50] [--rounds 3] [--bfloat16]

Contenders take turns in one process, so that a busy machine slows all of them; medians are compared, in wall time and
in CPU time. Peak memory is that of a fresh process for each way of handing over the documents, above what it held
after its imports and one small product. Goals: 0.95 of bare faiss.knn, no slower than mine_hard_negatives, at most 1.3 times the vectors,
and the same result under a cap below the vectors' size. On an idle machine CPU time is the wall time of all cores; on
a busy one faiss's threads spin while they wait for each other, so run it with OMP_NUM_THREADS=1 there too.
"""

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.llm.number_types import cpu_multiplies_bfloat16
from builders.retrieval.rankings import Ranking
from builders.retrieval.topk import DEFAULT_MEMORY, top_k

Vectors = NDArray[np.float32]
_PIECE = 20_000


def write_vectors(folder: Path, queries: int, documents: int, dim: int) -> None:
    """Unit vectors around 2,000 centres, one document in 50 a copy of the one before; queries near documents."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((2000, dim), dtype=np.float32)
    made = np.lib.format.open_memmap(folder / "documents.npy", "w+", np.float32, (documents, dim))
    for start in range(0, documents, _PIECE):
        part = made[start : start + _PIECE]
        part[:] = unit(centres[draw.integers(0, 2000, len(part))] + draw.standard_normal(part.shape, dtype=np.float32))
        part[49::50] = part[48::50][: len(part[49::50])]
    near = made[np.sort(draw.choice(documents, queries, replace=queries > documents))]
    np.save(folder / "queries.npy", unit(near + 0.05 * draw.standard_normal(near.shape, dtype=np.float32)))
    np.save(folder / "documents16.npy", made.astype(np.float16))
    made.flush()


def unit(vectors: Vectors) -> Vectors:
    length: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / length


def pieces(path: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    """The documents of a file, mapped anew for each piece, as stored vectors are read."""
    total = len(np.load(path, mmap_mode="r"))
    for start in range(0, total, _PIECE):
        yield start, np.load(path, mmap_mode="r")[start : start + _PIECE]


def bare(queries: Vectors, documents: Vectors, k: int) -> None:
    import faiss

    faiss.knn(queries, documents, k, metric=faiss.METRIC_INNER_PRODUCT)


class Precomputed:
    """What mine_hard_negatives asks of a model, answered from vectors that are there already."""

    def __init__(self, queries: Vectors, documents: Vectors) -> None:
        self._vectors = {"query": queries, "document": documents}
        self.device = "cpu"

    def get_embedding_dimension(self) -> int:
        return int(self._vectors["query"].shape[1])

    def encode_query(self, texts: list[str], **_: Any) -> Vectors:
        return self._vectors["query"][: len(texts)]

    def encode_document(self, texts: list[str], **_: Any) -> Vectors:
        return self._vectors["document"][[int(text) for text in texts]]

    def similarity(self, left: Any, right: Any) -> Any:
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def similarity_pairwise(self, left: Any, right: Any) -> Any:
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(1)


def mined(queries: Vectors, documents: Vectors, k: int, *, use_faiss: bool) -> None:
    """The whole call; without faiss in batches of 1,000 queries (its default would need 8 GB for the scores)."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    pairs = Dataset.from_dict(
        {"query": [f"q{i}" for i in range(len(queries))], "positive": [str(i) for i in range(len(queries))]}
    )
    corpus = [str(i) for i in range(len(documents))]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        mine_hard_negatives(
            pairs,
            Precomputed(queries, documents),  # type: ignore[arg-type]
            corpus=corpus,
            range_max=k,
            num_negatives=k,
            use_faiss=use_faiss,
            faiss_batch_size=16384 if use_faiss else 1000,
            output_format="n-tuple",
            verbose=False,
        )


def contenders(folder: Path, k: int, *, bfloat16: bool) -> dict[str, Callable[[], object]]:
    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy")
    half = folder / "documents16.npy"
    runs: dict[str, Callable[[], object]] = {
        "bare faiss.knn": lambda: bare(queries, documents, k),
        "top_k, float32": lambda: top_k(queries, [(0, documents)], k, half=False),
        "top_k, float32, float16 files": lambda: top_k(queries, pieces(half), k, half=False),
        "mine_hard_negatives, faiss": lambda: mined(queries, documents, k, use_faiss=True),
        "mine_hard_negatives": lambda: mined(queries, documents, k, use_faiss=False),
    }
    if bfloat16:
        runs["top_k, bfloat16"] = lambda: top_k(queries, [(0, documents)], k, half=True)
        runs["top_k, bfloat16, float16 files"] = lambda: top_k(queries, pieces(half), k, half=True)
    return runs


def timed(runs: dict[str, Callable[[], object]], rounds: int, queries: int) -> None:
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in [*list(runs)[number:], *list(runs)[:number]]:
            began, used = time.perf_counter(), time.process_time()
            runs[name]()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - used)
            print(f"round {number + 1}  {name:30} {wall[name][-1]:7.1f} s  {cpu[name][-1]:7.1f} s CPU", flush=True)
    first = next(iter(runs))
    print(
        f"\n{'median of ' + str(rounds):30} {'s':>7} {'min..max':>13} {'CPU s':>7} {'queries/s':>10} {'rate/bare':>10} {'CPU/bare':>9}"
    )
    for name in runs:
        seconds, used = statistics.median(wall[name]), statistics.median(cpu[name])
        spread = f"{min(wall[name]):.1f}..{max(wall[name]):.1f}"
        rate, work = statistics.median(wall[first]) / seconds, statistics.median(cpu[first]) / used
        print(f"{name:30} {seconds:7.1f} {spread:>13} {used:7.1f} {queries / seconds:10.1f} {rate:10.3f} {work:9.3f}")


def peak_above_imports(folder: Path, way: str, k: int, limit: int) -> None:
    """In a process of its own: prints the peak in bytes, and leaves the result in `folder`."""
    import torch

    few = torch.ones(64, 64).bfloat16()
    few @ few  # libraries load most of their code with the first product; that is not counted either
    before = status("VmRSS")
    queries = np.load(folder / "queries.npy")
    found: Ranking
    if way == "memory":
        found = top_k(queries, [(0, np.load(folder / "documents.npy"))], k, memory_limit=limit)
    else:
        found = top_k(queries, pieces(folder / way), k, memory_limit=limit)
    print(status("VmHWM") - before)  # not ru_maxrss, which begins with what the parent held when it forked
    np.savez(folder / "found.npz", scores=found.scores, indices=found.indices)


def status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def memory(folder: Path, size: int, options: argparse.Namespace) -> None:
    print(f"\n{'documents':36} {'limit MB':>9} {'peak MB':>9} {'peak/vectors':>13}")
    results: list[tuple[str, NDArray[np.int64]]] = []
    cap = size // 4
    ways = [
        ("memory", DEFAULT_MEMORY),
        ("documents.npy", DEFAULT_MEMORY),
        ("documents.npy", cap),
        ("documents16.npy", cap),
    ]
    for way, limit in ways:
        command = [sys.executable, "-m", "tests.benchmarks.bench_topk", "--peak", way, "--folder", str(folder)]
        command += ["--limit", str(limit), "--k", str(options.k)]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        label = "float32 in memory" if way == "memory" else way
        print(f"{label:36} {limit / 1e6:9.0f} {peak / 1e6:9.0f} {peak / size:13.2f}", flush=True)
        results.append((way, np.load(folder / "found.npz")["indices"]))
    same = all((found == results[0][1]).all() for way, found in results if way != "documents16.npy")
    print(f"capped and uncapped float32 results are {'equal' if same else 'NOT EQUAL'}")
    check(folder, results[0][1], options.k)


def check(folder: Path, found: NDArray[np.int64], k: int, sample: int = 50) -> None:
    """A sample against brute force in float64."""
    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy", mmap_mode="r")
    chosen = np.linspace(0, len(queries) - 1, sample).astype(int)
    scores = np.concatenate(
        [
            queries[chosen].astype(np.float64) @ documents[s : s + _PIECE].astype(np.float64).T
            for s in range(0, len(documents), _PIECE)
        ],
        axis=1,
    )
    best = np.argsort(-np.round(scores, 6), axis=1, kind="stable")[:, :k]
    print(f"brute force in float64 agrees on {(best == found[chosen]).all(axis=1).sum()} of {sample} sampled queries")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"queries": 10_000, "documents": 200_000, "dim": 384, "k": 50, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument(
        "--bfloat16",
        action=argparse.BooleanOptionalAction,
        default=cpu_multiplies_bfloat16(),
        help="also look for candidates in bfloat16; default where the processor has instructions for it",
    )
    parser.add_argument("--only", nargs="*", default=None, help="contenders whose names begin so")
    parser.add_argument("--peak", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, default=DEFAULT_MEMORY, help=argparse.SUPPRESS)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the vectors are written; default a temporary one"
    )
    options = parser.parse_args()
    if options.peak:
        peak_above_imports(options.folder, options.peak, options.k, options.limit)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_vectors(folder, options.queries, options.documents, options.dim)
        size = options.documents * options.dim * 4
        print(
            f"{options.queries:,} queries x {options.documents:,} documents x {options.dim} ({size / 1e6:,.0f} MB), k = {options.k}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        memory(folder, size, options)
        print()
        runs = contenders(folder, options.k, bfloat16=options.bfloat16)
        wanted = options.only or [""]
        timed(
            {name: run for name, run in runs.items() if any(name.startswith(w) for w in wanted)},
            options.rounds,
            options.queries,
        )


if __name__ == "__main__":
    main()
