"""Tokens a second that the matrix products of a training step alone allow: no step of this machine is faster. By hand:

    python -m tests.benchmarks.bench_matrix_products [--layers 4] [--budget 1024] [--threads 2]

Of each linear layer of the model's blocks: two products forward (vectors first, then again with a graph), and one for
each gradient backward, all of a micro-batch's size, in float32, into memory that is there already. Attention, norms,
embeddings, the loss, AdamW and the tokenizer come on top. To be held against bench_train_step, of the same budget.
"""

import argparse
import statistics
import time

import torch

from drama_train.retriever import load_retriever

FORWARDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--budget", type=int, default=1024, help="tokens of a micro-batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load_retriever(asked.model, layers=asked.layers).model
    weights = [one.weight.detach() for one in model.layers.modules() if isinstance(one, torch.nn.Linear)]
    states = {size: torch.randn(asked.budget, size) for weight in weights for size in weight.shape}
    into = {tuple(weight.shape): torch.empty_like(weight) for weight in weights}
    outs = {size: torch.empty(asked.budget, size) for size in states}
    taken = []
    for _ in range(asked.rounds + 1):  # the first one warms up
        start = time.perf_counter()
        for weight in weights:
            out, size = weight.shape
            for _ in range(FORWARDS):
                torch.mm(states[size], weight.T, out=outs[out])
            torch.mm(states[out], weight, out=outs[size])
            torch.mm(states[out].T, states[size], out=into[out, size])
        taken.append(time.perf_counter() - start)
    rates = [asked.budget / seconds for seconds in taken[1:]]
    work = 2 * (FORWARDS + 2) * sum(weight.numel() for weight in weights)
    print(
        f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) tokens a second, "
        f"{work * statistics.median(rates) / 1e9:.0f} GFLOP/s, {asked.threads} threads, {len(weights)} linear layers"
    )


if __name__ == "__main__":
    main()
