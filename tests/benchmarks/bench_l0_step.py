"""A step of l0 beside a plain training step of the same model and tokens, taken in turns. Run by hand:

    python -m tests.benchmarks.bench_l0_step [--model smollm2] [--shape 24x512x8x8x1280] [--length 512] [--steps 5]

Both expand the kv heads, clip, and step by AdamW; l0 has gates, their hooks and multipliers beside.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from drama_train.language_model import load_language_model
from drama_train.pretraining.lm_loss import next_token_loss
from drama_train.pruning.l0 import L0Plan, l0_step, make_optimizer
from drama_train.pruning.picking import gated_of
from drama_train.pruning.shape import parse_shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--shape", default="24x512x8x8x1280")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    model = load_language_model(asked.model).model
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(model.config.vocab_size, (1, asked.length), generator=draw)
    plan = L0Plan(300, 1, 0)
    gated = gated_of(model, parse_shape(asked.shape), 0).train()
    of_gates = make_optimizer(gated, plan)
    plain = torch.optim.AdamW(gated.model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    def plain_step() -> None:
        states = gated.model.model(input_ids=ids, use_cache=False).last_hidden_state
        loss = next_token_loss(states, gated.model.get_output_embeddings().weight, ids)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(gated.model.parameters(), 1.0)
        plain.step()
        plain.zero_grad(set_to_none=True)

    seconds: dict[str, list[float]] = {"plain": [], "l0": []}
    for number in range(asked.steps + 1):  # the first one warms up
        for name, step in (("plain", plain_step), ("l0", lambda: l0_step(gated, gated, of_gates, plan, 1, ids))):
            seconds[name].append(_seconds(step))
        if number:
            print(f"step {number}: plain {seconds['plain'][-1]:.2f} s, l0 {seconds['l0'][-1]:.2f} s", flush=True)
    ratios = [b / a for a, b in zip(seconds["plain"][1:], seconds["l0"][1:], strict=True)]
    for name, (_, *taken) in seconds.items():
        print(f"{name:6} {statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f})")
    print(f"l0 / plain {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
