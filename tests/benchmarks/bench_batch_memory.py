"""Peak memory of a full training step of a large batch and of a small one, each in a process of its own. Run by hand:

    python -m tests.benchmarks.bench_batch_memory [--queries 256 4096] [--layers 2] [--length 16]

Texts are drawn token ids, all different, 1 + 7 documents a query. The step is AdamW's second one, so that its state is
there. `before` is the process with the model and that state; `inherent` is what grows with the batch by its nature: the
vectors of all texts and their gradients, the documents' gathered among them, and the token ids.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

NEGATIVES = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, nargs="+", default=[256, 4096])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--budget", type=int, default=4096, help="tokens of a micro-batch, with padding")
    parser.add_argument("--alone", type=int, default=None, help="(measure this batch, in this process)")
    asked = parser.parse_args()
    if asked.alone is not None:
        print(json.dumps(measured(asked, asked.alone)))
        return
    peaks = []
    for queries in asked.queries:
        given = [f"--{name}={getattr(asked, name)}" for name in ("model", "layers", "length", "budget")]
        command = [sys.executable, "-m", "tests.benchmarks.bench_batch_memory", f"--alone={queries}", *given]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(ended.stdout.splitlines()[-1])
        peaks.append(found["peak"])
        print(f"{queries:6} queries: " + ", ".join(f"{name} {value:,}" for name, value in found.items()), flush=True)
    print(f"the largest peak is {max(peaks) / peaks[0]:.2f} times the first")


def measured(asked: argparse.Namespace, queries: int) -> dict[str, float]:
    """Megabytes, and the seconds of the step."""
    import torch

    from drama_train.retriever import load_retriever
    from drama_train.training.cached import Batch, Compute, cached_step
    from drama_train.training.known import Identity, Known
    from drama_train.training.loss import Objective

    model = load_retriever(asked.model, layers=asked.layers).model.train()
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step(size: int) -> None:
        columns = size * (1 + NEGATIVES)
        texts = torch.randint(3, model.config.vocab_size, (size + columns, asked.length), generator=draw).tolist()
        numbers = torch.arange(columns)
        positives = numbers.view(size, -1)[:, 0]
        known = Known(torch.arange(size), positives, positives, positives)
        batch = Batch(texts[:size], texts[size:], Identity(numbers, numbers, numbers), known)
        cached_step(model, batch, Objective(0.02, dims=(576, 256, 128, 64)), Compute(budget=asked.budget))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step(2)
    before, start = _peak(), time.perf_counter()
    step(queries)
    vectors = 4 * queries * model.config.hidden_size * (2 * (2 + NEGATIVES) + 2 * (1 + NEGATIVES))
    ids = 36 * queries * (2 + NEGATIVES) * asked.length  # a Python integer in a list
    return {
        "before": round(before),
        "peak": round(_peak()),
        "inherent": round((vectors + ids) / 1e6),
        "seconds": round(time.perf_counter() - start, 1),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
