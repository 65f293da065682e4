"""Requests a second through the openai engine, against a bare asyncio loop over openai.AsyncOpenAI. Run by hand:

    python -m tests.benchmarks.bench_openai_engine [--requests 3000] [--rounds 7] [--concurrency 64]

The server is in another process and answers at once, so what is measured is the client alone. Rounds alternate, so that
a busy machine slows both; the goal is a ratio of medians of at least 0.9.
"""

import argparse
import asyncio
import statistics
import time

import openai

from builders.llm.chat_calls import OpenAIOptions
from builders.llm.openai_engine import OpenAIEngine
from builders.llm.requests import Request
from tests.llm.loopback import Loopback
from tests.llm.making import MODEL, ask


def bare(url: str, requests: list[Request], concurrency: int) -> float:
    """Requests a second of `concurrency` workers that call the client and keep the text."""

    async def run() -> float:
        async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:
            source = iter(requests)
            texts: list[str | None] = []

            async def worker() -> None:
                for request in source:
                    reply = await client.chat.completions.create(
                        model=MODEL.id,
                        messages=request.messages,  # type: ignore[arg-type]
                        temperature=request.sampling.temperature,
                        top_p=request.sampling.top_p,
                        max_tokens=request.sampling.max_tokens,
                        seed=request.seed,
                    )
                    texts.append(reply.choices[0].message.content)

            started = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(concurrency)))
            assert len(texts) == len(requests)
            return len(requests) / (time.perf_counter() - started)

    return asyncio.run(run())


def through_engine(url: str, requests: list[Request], concurrency: int) -> float:
    """Requests a second of the engine, drained by a synchronous caller."""
    engine = OpenAIEngine(MODEL, url, OpenAIOptions(concurrency=concurrency))
    started = time.perf_counter()
    assert sum(reply.finish == "stop" for reply in engine.generate(requests)) == len(requests)
    rate = len(requests) / (time.perf_counter() - started)
    engine.close()
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    requests = [ask(f"passage {number} " + "word " * 200) for number in range(options.requests)]
    rates: dict[str, list[float]] = {"bare": [], "engine": []}
    with Loopback() as server:
        for number in range(options.rounds):
            runs = [("bare", bare), ("engine", through_engine)]
            for name, run in runs if number % 2 else runs[::-1]:
                rates[name].append(run(server.url, requests, options.concurrency))
                print(f"round {number}  {name:6}  {rates[name][-1]:7.0f} requests/s", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"medians: bare {medians['bare']:.0f}, engine {medians['engine']:.0f} requests/s")
    print(f"engine / bare: {medians['engine'] / medians['bare']:.2f}")


if __name__ == "__main__":
    main()
