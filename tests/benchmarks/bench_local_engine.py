"""Tokens a second of the local engine with SmolLM2, with and without the prefix cache. Run by hand:

    python -m tests.benchmarks.bench_local_engine [--requests 20] [--dtype bfloat16 float32]

Requests look like QGen's: about 700 tokens of instructions and examples that all share, a passage of about 200 tokens,
up to 60 new tokens.
"""

import argparse
import random
import time

from builders.llm.local_engine import LocalEngine, LocalOptions
from builders.llm.requests import Request, Sampling
from builders.llm.weights import pinned_model
from tests.llm.making import ask

_WORDS = (
    "river stone winter market teacher engine harvest letter island copper bridge garden council weather signal "
    "library mountain vessel history railway valley museum forest village harbour"
).split()


def passage(seed: int, words: int) -> str:
    choice = random.Random(seed).choice
    return " ".join(choice(_WORDS) for _ in range(words))


def qgen_like(number: int) -> list[Request]:
    shots = "".join(
        f'\nPassage: {passage(1000 + at, 100)}\n{{"task": "find it", "query": "{passage(2000 + at, 8)}"}}'
        for at in range(5)
    )
    system = f"Write one search query for the passage, as JSON.{shots}"
    sampling = Sampling(0.7, 0.95, 60)
    return [ask(f"Passage: {passage(at, 170)}", system=system, sampling=sampling, seed=at) for at in range(number)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--dtype", nargs="+", default=["bfloat16"])
    options = parser.parse_args()
    model = pinned_model("smollm2", None)
    requests = qgen_like(options.requests)
    for dtype in options.dtype:
        for prefix_cache in (True, False):
            engine = LocalEngine(model, LocalOptions(dtype=dtype, prefix_cache=prefix_cache), print)
            started = time.perf_counter()
            replies = list(engine.generate(requests))
            seconds = time.perf_counter() - started
            engine.close()
            read = sum(reply.prompt_tokens for reply in replies)
            made = sum(reply.reply_tokens for reply in replies)
            with_cache = "with" if prefix_cache else "without"
            print(
                f"{dtype} {with_cache:7} prefix cache: {seconds:6.1f} s, {made} tokens made ({made / seconds:.1f} a "
                f"second), {read} read, {seconds / len(replies):.2f} s a reply",
                flush=True,
            )


if __name__ == "__main__":
    main()
