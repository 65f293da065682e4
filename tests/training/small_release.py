"""A release to train on in seconds: three methods, two languages, queries of the words of their chunk."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.store.parquet import write_parquet
from builders.store.schemas import schema_hash
from builders.text.hashes import normalise, text_hash
from tests.release_making import write_manifest

RECORDS = {"corpus": "chunk", "queries": "query", "triplets": "triplet"}
TRAIN, HELDOUT = 40, 8
WORDS = "river mountain cold north query passage find rivers write about asks model road snow wind lake".split()


def write_small_release(
    folder: Path,
    *,
    name: str = "small",
    heldout: int = HELDOUT,
    seed: int = 0,
    worded: Mapping[int, str] | None = None,
    before: str = "",
) -> Path:
    """`TRAIN` chunks with a query each, one row in four judged; two rows ask the same query of different chunks.

    worded: the hashes of the normalised texts of queries for training, by their number. before: what every text and
    the name of every source begins with.
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for split, count in (("train", TRAIN), ("heldout", heldout)):
        chunks = [_chunk(split, number, seed) for number in range(count)]
        queries = [_query(chunk, number, seed) for number, chunk in enumerate(chunks)]
        if count > 1:
            queries[1] |= {key: queries[0][key] for key in ("text", "text_hash", "normalised_text_hash")}
        for number, words in (worded or {}).items() if split == "train" else ():
            queries[number]["normalised_text_hash"] = words
        rows["corpus", split] = chunks
        rows["queries", split] = queries
        rows["triplets", split] = [_triplet(queries[at], chunks, at) for at in range(count)]
        for table in RECORDS:
            for row in rows[table, split]:
                row |= {key: before + row[key] for key in ("source", "text") if key in row}
    configs: dict[str, Any] = {}
    for config, record in RECORDS.items():
        splits = {}
        for split in ("train", "heldout"):
            if of_split := rows[config, split]:
                path = f"{config}/{split}/00000.parquet"
                file = {"path": path} | write_parquet(folder / path, of_split, record)
                splits[split] = {"rows": len(of_split), "files": [file]}
        configs[config] = {"record": record, "schema": schema_hash(record), "splits": splits}
    (folder / "README.md").write_text(f"# {name}\n")
    write_manifest(folder, name, "v1.0.0", configs)
    return folder


def _kind(number: int) -> dict[str, str]:
    method = "supervised" if number % 4 == 3 else "sent"
    return {"source": "web" if number % 3 else "wiki", "method": method, "language": "de" if number % 5 == 4 else "en"}


def _chunk(split: str, number: int, seed: int) -> dict[str, Any]:
    draw = random.Random(f"{seed}{split}{number}")
    words = draw.sample(WORDS, 5)
    text = " ".join([*words, *draw.choices(words, k=draw.randrange(2, 12))])
    kind = _kind(number)
    return {
        "chunk_id": f"{split}{number}#0",
        "document_id": f"{split}{number}",
        "source": kind["source"],
        "title": "",
        "text": text,
        "start": 0,
        "end": len(text),
        "sentence_starts": [0],
        "tokens": len(text.split()),
        "language": kind["language"],
        "language_confidence": 1.0,
        "licence": "CC0-1.0",
        "text_hash": text_hash(text),
        "normalised_text_hash": text_hash(normalise(text)),
        "cluster_id": f"{split}{number}#0",
        "split": split,
    }


def _query(chunk: dict[str, Any], number: int, seed: int) -> dict[str, Any]:
    draw = random.Random(f"{seed}{chunk['chunk_id']}")
    text = " ".join(draw.sample(sorted(set(chunk["text"].split())), 3))
    nothing = dict.fromkeys(("start", "end", "task", "stated_language", "model", "prompt_version", "parse", "reply"))
    return {
        **nothing,
        **{key: chunk[key] for key in ("chunk_id", "document_id", "split", "licence")},
        **_kind(number),
        "query_id": f"{chunk['chunk_id']}~0",
        "text": text,
        "text_hash": text_hash(text),
        "normalised_text_hash": text_hash(normalise(text)),
        "chunk_text_hash": chunk["text_hash"],
    }


def _triplet(query: dict[str, Any], chunks: list[dict[str, Any]], at: int) -> dict[str, Any]:
    """Its own chunk as the positive; 2 to 6 others as negatives."""
    others = [chunk["chunk_id"] for chunk in chunks if chunk["chunk_id"] != query["chunk_id"]]
    negatives = random.Random(at).sample(others, min(2 + at % 5, len(others)))
    return {
        **{key: query[key] for key in ("query_id", "chunk_id", "document_id", "split", "normalised_text_hash")},
        **_kind(at),
        "triplet_id": f"{query['query_id']}+{query['method']}",
        "retriever": "bm25",
        "judge": None,
        "ranking": "candidates/abc",
        "positive_ids": [query["chunk_id"]],
        "positive_ranks": [1],
        "positive_scores": [9.0],
        "negative_ids": negatives,
        "negative_ranks": [31 + rank for rank in range(len(negatives))],
        "negative_scores": [5.0 - rank for rank in range(len(negatives))],
    }
