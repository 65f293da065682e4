"""Tokens a second of a training step, ours beside sentence-transformers' cached loss, in turns. Run by hand:

    python -m tests.benchmarks.bench_train_step [--release releases/notes [--homogeneous]] [--steps 5] [--layers 4]
        [--device cuda]

A step is two forwards, loss, backward, clip and AdamW over 64 queries and 8 documents each, of at most 128 tokens, with
Matryoshka. Without a release the texts are drawn words, as long as chunks and cropped sentences are; of a release,
batches are of all triplets, or --homogeneous: each of one source, method and language. All rivals have the same batches
and start from the same weights. Tokens are the real ones of all texts of the batch, also of those that stand in it
twice, which we encode once; sentence-transformers cuts micro-batches in both of its ways: by texts and by tokens. Where
others use the machine, the seconds of CPU with --threads 1 are the steadier measure.
"""

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from drama_train.retriever import Retriever, load_retriever
from drama_train.training.cached import Batch, Compute, cached_step
from drama_train.training.known import Identity, Known
from drama_train.training.loss import Objective
from drama_train.training.micro_batches import distinct, micro_batches
from drama_train.training.processes import hardware
from drama_train.training.releases import Rows, open_release
from tests.benchmarks.bench_local_engine import passage
from tests.training.cached_oracle import columns_of, oracle_loss, oracle_step, sentence_transformer

NEGATIVES = 7
OBJECTIVE = Objective(0.02, dims=(576, 256, 128, 64))
STREAM, READ = ("source", "method", "language"), ("query_id", "positive_ids", "negative_ids")
Texts = tuple[list[str], list[str]]  # queries; documents, each query's 1 + NEGATIVES together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, default=None)
    parser.add_argument("--homogeneous", action="store_true")
    parser.add_argument("--queries", type=int, default=64)
    parser.add_argument("--longest", type=int, default=128, help="tokens of a text")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--budget", type=int, default=Compute().budget, help="tokens of a micro-batch, with padding")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: in bfloat16, all of them")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    retriever = load_retriever(asked.model, layers=asked.layers, device=asked.device)
    texts = (
        drawn_texts(asked.queries)
        if asked.release is None
        else texts_of(asked.release, asked.queries, homogeneous=asked.homogeneous)
    )
    queries, documents = next(texts)
    few = asked.queries if asked.device == "cuda" else 2  # to warm up; a GPU's memory is to be as large as it will be
    batches = [_batch(retriever, (queries[:few], documents[: few * (1 + NEGATIVES)]), asked.longest)]
    batches += [_batch(retriever, next(texts), asked.longest) for _ in range(asked.steps)]
    for at, batch in enumerate(batches[1:], 1):
        print(f"batch {at}: {_told(batch)}")
    rivals = _rivals(retriever, asked.budget, asked.longest)
    for name, rival in rivals.items():
        encoded = [rival.sizes(batch) for batch in batches[1:]]
        share = sum(len(row) for batch in batches[1:] for row in _rows(batch)) / sum(map(sum, encoded))
        print(
            f"{name}: {len(encoded[0])} micro-batches, the largest {max(map(max, encoded)):,} tokens with padding; "
            f"{share:.2f} real tokens for each that it encodes",
            flush=True,
        )
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
    for at, batch in enumerate(batches):
        losses = {}
        for name in [*list(rivals)[at % len(rivals) :], *list(rivals)[: at % len(rivals)]]:
            start, cpu = time.perf_counter(), time.process_time()
            losses[name] = rivals[name].step(batch)
            if asked.device == "cuda":
                torch.cuda.synchronize()
            if at:
                taken[name].append((time.perf_counter() - start, time.process_time() - cpu))
        print(f"step {at}: " + ", ".join(f"{name} loss {loss:.4f}" for name, loss in losses.items()), flush=True)
    tokens = [sum(map(len, _rows(batch))) for batch in batches[1:]]
    print(f"real tokens a second, and a second of CPU; {hardware(asked.device)}; median (least to most)")
    for name, times in taken.items():
        wall, cpu = ([n / t[at] for n, t in zip(tokens, times, strict=True)] for at in (0, 1))
        print(f"{name:32} {_spread(wall)}   {_spread(cpu)}")
    ours, *others = taken
    for name in others:
        wall, cpu = ([b[at] / a[at] for a, b in zip(taken[ours], taken[name], strict=True)] for at in (0, 1))
        print(f"{ours} / {name}: {_spread(wall, '.2f')}   {_spread(cpu, '.2f')}")


def drawn_texts(queries: int) -> Iterator[Texts]:
    """Words of a small list: sentences of 9 to 90 tokens, passages of 50 to 260, as in a release of manuals."""
    draw = random.Random(0)
    number = 0
    while True:
        words = [max(5, min(90, round(draw.lognormvariate(3.6, 0.5)))) for _ in range(queries)]
        longer = [max(7, min(230, round(draw.gauss(150, 50)))) for _ in range(queries * (1 + NEGATIVES))]
        yield (
            [passage(number + at, count) for at, count in enumerate(words)],
            [passage(number + 100_000 + at, count) for at, count in enumerate(longer)],
        )
        number += len(longer)


def texts_of(folder: Path, count: int, *, homogeneous: bool) -> Iterator[Texts]:
    """Drawn rows of the release's triplets, of one stream or all; a drawn positive and drawn negatives of each."""
    import polars as pl

    release = open_release(str(folder))
    corpus, queries = Rows([release], "corpus", "chunk_id"), Rows([release], "queries", "query_id")
    rows = pl.read_parquet(release.files("triplets", "train"), columns=[*STREAM, *READ])
    streams = rows.partition_by(*STREAM, maintain_order=True) if homogeneous else [rows]
    streams = [stream for stream in streams if len(stream) >= count]
    draw = random.Random(0)
    while True:
        (stream,) = draw.choices(streams, [len(one) for one in streams])
        chosen = [stream.row(at, named=True) for at in draw.sample(range(len(stream)), count)]
        ids = [
            one
            for row in chosen
            for one in (draw.choice(row["positive_ids"]), *draw.sample(row["negative_ids"], NEGATIVES))
        ]
        yield (
            queries.column("text", queries.numbers([row["query_id"] for row in chosen])),
            corpus.column("text", corpus.numbers(ids)),
        )


def _batch(retriever: Retriever, texts: Texts, longest: int) -> Batch:
    """Nothing is masked, as sentence-transformers masks nothing."""
    queries, documents = texts
    columns = len(documents)
    nothing = torch.zeros(0, dtype=torch.long)
    numbers = torch.arange(columns)
    return Batch(
        retriever.token_ids(queries, "query", longest),
        retriever.token_ids(documents, "document", longest),
        Identity(numbers, numbers, numbers),
        Known(nothing, nothing, nothing, nothing),
    )


def _rows(batch: Batch) -> list[list[int]]:
    return batch.query_tokens + batch.document_tokens


def _told(batch: Batch) -> str:
    texts = distinct(_rows(batch))
    lengths = statistics.quantiles(map(len, _rows(batch)), n=4)
    return (
        f"{len(texts.numbers)} texts, {sum(map(len, _rows(batch))):,} tokens, of distinct texts {len(texts.rows)} and "
        f"{texts.tokens:,}; quartiles of length {', '.join(f'{one:.0f}' for one in lengths)}"
    )


@dataclass(frozen=True)
class Rival:
    """step: a batch -> its loss, the weights moved. sizes: a batch -> tokens of each micro-batch, with padding."""

    step: Callable[[Batch], float]
    sizes: Callable[[Batch], list[int]]


def _rivals(retriever: Retriever, budget: int, longest: int) -> dict[str, Rival]:
    return {
        "ours": _ours(retriever, budget),
        f"s-t mini_batch_size {budget // longest}": _theirs(retriever, mini_batch_size=budget // longest),
        f"s-t mini_batch_num_tokens {budget}": _theirs(
            retriever, mini_batch_size=budget // longest, mini_batch_num_tokens=budget
        ),
    }


def _ours(retriever: Retriever, budget: int) -> Rival:
    model = copy.deepcopy(retriever.model).train()
    half = torch.bfloat16 if retriever.device.type == "cuda" else None
    compute = Compute(budget=budget, pad=retriever.pad, device=str(retriever.device), autocast=half)
    update = _updating(model)

    def step(batch: Batch) -> float:
        loss = cached_step(model, batch, OBJECTIVE, compute).loss
        update()
        return loss

    return Rival(step, partial(_our_sizes, budget))


def _our_sizes(budget: int, batch: Batch) -> list[int]:
    lengths = [len(row) for row in distinct(_rows(batch)).rows]
    return [lengths[part[0]] * len(part) for part in micro_batches(lengths, budget)]


def _theirs(retriever: Retriever, **sizes: int) -> Rival:
    from sentence_transformers.base.losses.gradcache import _minibatch_ranges

    model = copy.deepcopy(retriever.model).train()
    loss = oracle_loss(sentence_transformer(model, str(retriever.device)), OBJECTIVE, **sizes)
    update = _updating(model)

    def step(batch: Batch) -> float:
        value = oracle_step(loss, batch, retriever.pad)
        update()
        return value

    def padded_sizes(batch: Batch) -> list[int]:
        found = []
        for column in columns_of(batch, retriever.pad):
            lengths = column["attention_mask"].sum(1)
            for start, end in _minibatch_ranges(column, sizes["mini_batch_size"], sizes.get("mini_batch_num_tokens")):
                found.append(int(lengths[start:end].max()) * (end - start))
        return found

    return Rival(step, padded_sizes)


def _updating(model: Any) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def _spread(values: list[float], form: str = ",.0f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
