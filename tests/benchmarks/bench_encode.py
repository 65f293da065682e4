"""Retriever.encode beside sentence-transformers' encode: the same model, texts, tokens and memory. Run by hand:

    python -m tests.benchmarks.bench_encode [--texts FOLDER/corpus.jsonl] [--model smollm2] [--layers 4] [--rounds 5]
        [--device cuda]

One model, saved as both read it (bidirectional, mean pooling, BOS and EOS around each text); vectors are compared
first. Memory is the largest batch: sentence-transformers' rows times the longest text, for us as a budget of tokens.
Contenders take turns in one process; medians in wall and in CPU time, which a busy machine disturbs less. Goal: 1.0.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drama_train.retriever import Retriever, load_retriever, save_retriever

ROWS = 32  # sentence-transformers' own batch size


def texts_of(path: Path | None, count: int) -> list[str]:
    """The first texts of a corpus.jsonl, spread over it; without one, made-up words of the lengths of real chunks."""
    if path is not None:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found = [f"{row['title']}\n{row['text']}".strip() for row in rows]
        return found[:: max(1, len(found) // count)][:count]
    draw = random.Random(0)
    words = "river mountain garden window letter winter bridge station notebook harbour".split()
    return [" ".join(draw.choices(words, k=round(draw.lognormvariate(3.8, 0.8)) + 1)) for _ in range(count)]


def sentence_transformer(retriever: Retriever, folder: Path, max_length: int) -> Any:
    """The same weights, tokens and pooling behind sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    save_retriever(retriever, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first = tokenizer.bos_token
    named = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (first, tokenizer.eos_token) if token]
    around = f"{first} $A {tokenizer.eos_token}" if first else f"$A {tokenizer.eos_token}"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=around, special_tokens=list(set(named)))
    tokenizer.save_pretrained(folder)
    read = Transformer(str(folder), max_seq_length=max_length)
    return SentenceTransformer(
        modules=[read, Pooling(retriever.dim, "mean"), Normalize()], device=str(retriever.device)
    )


def agree(ours: Any, theirs: Any, least: float) -> None:
    """Stops where the two do not make the same vectors: then they did not do the same work. least: their cosine."""
    apart, cosine = float(np.abs(ours - theirs).max()), float((ours * theirs).sum(1).min())
    print(f"vectors of {len(ours):,} texts differ by {apart:.1e} at most, and their cosine is {cosine:.7f} at least")
    if not len(ours) or cosine < least:
        raise SystemExit("the two do not make the same vectors")


def timed(runs: dict[str, Callable[[], object]], rounds: int, texts: int, tokens: int) -> None:
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in [*list(runs)[number % len(runs) :], *list(runs)[: number % len(runs)]]:
            began, used = time.perf_counter(), time.process_time()
            runs[name]()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - used)
    print(
        f"{'median of ' + str(rounds):34} {'s':>6} {'min..max':>13} {'CPU s':>6} {'texts/s':>8} {'tokens/s':>9} {'rate':>6} {'CPU':>6}"
    )
    first = next(iter(runs))
    for name in runs:
        seconds, used = statistics.median(wall[name]), statistics.median(cpu[name])
        spread = f"{min(wall[name]):.1f}..{max(wall[name]):.1f}"
        rate, work = statistics.median(wall[first]) / seconds, statistics.median(cpu[first]) / used
        speeds = f"{texts / seconds:8.1f} {tokens / seconds:9.0f}"
        print(f"{name:34} {seconds:6.1f} {spread:>13} {used:6.1f} {speeds} {rate:6.2f} {work:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"count": 400, "layers": 4, "rounds": 5, "max-length": 256}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--texts", type=Path, default=None, help="a corpus.jsonl; default made-up texts")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--budgets", type=int, nargs="*", default=[], help="further budgets of tokens to try")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: in bfloat16, both")
    options = parser.parse_args()
    retriever = load_retriever(options.model, layers=options.layers, device=options.device)
    texts = texts_of(options.texts, options.count)
    length = options.max_length
    on_gpu = options.device == "cuda"
    rows = retriever.token_ids(texts, "document", length)
    tokens, same = sum(map(len, rows)), ROWS * length
    print(
        f"{len(texts):,} texts, {tokens:,} tokens (median {statistics.median(map(len, rows)):.0f}, longest {max(map(len, rows))}), "
        f"{len(set(map(tuple, rows))):,} distinct; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        other = sentence_transformer(retriever, Path(folder), length)

        def theirs() -> Any:
            with torch.autocast(options.device, torch.bfloat16, enabled=on_gpu):
                return other.encode(texts, batch_size=ROWS, show_progress_bar=False)

        def ours(budget: int | None) -> Callable[[], Any]:
            return lambda: retriever.encode(texts, "document", max_length=length, budget=budget)

        agree(ours(same)(), theirs(), 0.999 if on_gpu else 0.999999)  # bfloat16 holds 8 bits
        runs: dict[str, Callable[[], object]] = {f"sentence-transformers, {ROWS} rows": theirs}
        runs["Retriever.encode"] = ours(None)
        runs |= {f"Retriever.encode, {budget} tokens": ours(budget) for budget in [same, *options.budgets]}
        timed(runs, options.rounds, len(texts), tokens)


if __name__ == "__main__":
    main()
