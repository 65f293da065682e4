"""Small versions of triplets with their queries and chunks, written as the stages would, with hostile texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, building, finish
from builders.store.plans import Plan
from builders.store.versions import Version
from builders.text.hashes import text_hash

# What breaks lines, cells, quotes and terminals somewhere. U+0000 alone cannot come: cleaning takes it out.
HOSTILE = [
    "two\nlines\r\nand\ttabs",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "".join(map(chr, range(1, 32))) + "\x7f\x9b",
    "\u202eright to left\u202c \u200f\ufeff\ufffe\U0010ffff",
    '"quoted", \'single\', back\\slash \\n \\u0041 {"json": [1]}',
    " leading and trailing \n",
    "emoji \U0001f469\u200d\U0001f680, কৃষক, 日本語, é e\u0301",
    '"',
    "null",
    "1",
]
HASH = "0" * 32


def written(data: Path, table: str, record: str, shards: Sequence[list[dict[str, Any]]], inputs: Any = ()) -> Version:
    """A finished version of those rows, a list a shard; its name is drawn from the rows."""
    config = {"rows": text_hash(repr(shards))}
    plan = Plan(table=table, record=record, stage="tests", revision=1, config=config, inputs=tuple(inputs))
    with building(plan, data) as made:
        for number, rows in enumerate(shards):
            made.write(number, ShardResult(rows, rows_in=len(rows)), 0.0)
        return finish(plan, made, len(shards))


def chunk(chunk_id: str, text: str, title: str = "Title") -> dict[str, Any]:
    row = {"chunk_id": chunk_id, "document_id": chunk_id, "source": "s", "title": title, "text": text, "start": 0}
    row |= {"end": len(text), "sentence_starts": [0], "tokens": 1, "language": "en", "language_confidence": 1.0}
    hashes = {"text_hash": text_hash(text), "normalised_text_hash": HASH, "cluster_id": chunk_id}
    return row | hashes | {"licence": None, "split": "train"}


def query(query_id: str, text: str, split: str = "train") -> dict[str, Any]:
    row: dict[str, Any] = {"query_id": query_id, "chunk_id": "c", "document_id": "d", "source": "s", "method": "sent"}
    row |= {"text": text, "language": "en", "split": split, "start": 0, "end": 1, "text_hash": text_hash(text)}
    none = ("task", "stated_language", "model", "prompt_version", "parse", "reply", "licence")
    return row | dict.fromkeys(none) | {"normalised_text_hash": HASH, "chunk_text_hash": HASH}


def triplet(
    query_id: str,
    positives: Sequence[str],
    negatives: Sequence[str],
    *,
    method: str = "sent",
    split: str = "train",
    scores: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """Ranks count from 1 and scores fall from 0.9, where `scores` does not say otherwise."""
    row: dict[str, Any] = {"triplet_id": f"{query_id}+{method}", "query_id": query_id, "chunk_id": positives[0]}
    row |= {"document_id": "d", "source": "s", "method": method, "language": "en", "split": split}
    row |= {"normalised_text_hash": HASH, "retriever": "r", "judge": None, "ranking": None}
    ranks = {chunk_id: rank for rank, chunk_id in enumerate([*positives, *negatives], 1)}
    given = {chunk_id: 1 - rank / 10 for chunk_id, rank in ranks.items()} | dict(scores or {})
    for kind, ids in (("positive", positives), ("negative", negatives)):
        row[f"{kind}_ids"], row[f"{kind}_ranks"] = list(ids), [ranks[i] for i in ids]
        row[f"{kind}_scores"] = [given[i] for i in ids]
    return row


def hostile(data: Path) -> Version:
    """20 triplets in two shards, two of them held out, with 1 or 2 positives and 3 negatives; every text is hostile.

    chunk i has text i, and query i has text i after "q": i runs to 20, through HOSTILE twice.
    """
    texts = [f"{text}{i // len(HOSTILE)}" for i, text in enumerate(HOSTILE * 2)]
    ids = [f"doc {i}#00" for i in range(len(texts))]
    rows = [chunk(i, text, f"T\t{text}") for i, text in zip(ids, texts, strict=True)]
    chunks = written(data, "chunks", "chunk", [rows[:13], rows[13:]])
    split = ["heldout" if i in (5, 15) else "train" for i in range(len(texts))]
    asked = [query(f"{ids[i]}~sent0", f"q{texts[i]}", split[i]) for i in range(len(texts))]
    queries = written(data, "queries", "query", [asked], [chunks])
    triplets = [
        triplet(
            f"{ids[i]}~sent0",
            [ids[i], ids[(i + 1) % 20]][: 1 + i % 2],
            [ids[(i + step) % 20] for step in (4, 7, 9)],
            split=split[i],
        )
        for i in range(len(texts))
    ]
    return written(data, "triplets", "triplet", [triplets[:11], triplets[11:]], [chunks, queries])
