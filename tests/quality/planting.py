"""Training data and an evaluation set of made-up words, and copies of its texts planted in the training data."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet, written
from tests.judged_sets import fields, lines

SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qi ro su ta ve wi xo zu".split()
HAN = [chr(0x4E00 + 7 * i) for i in range(900)]


def words(seed: int, count: int) -> list[str]:
    """Words of three syllables; 8,000 there are, so that no two texts share a run of 8 by chance."""
    draw = random.Random(seed)
    return ["".join(draw.choices(SYLLABLES, k=3)) for _ in range(count)]


def text(seed: int, count: int) -> str:
    return " ".join(words(seed, count))


def han(seed: int, count: int) -> str:
    return "".join(random.Random(seed).choices(HAN, k=count))


def loud(plain: str) -> str:
    """The same but for case, punctuation, width and spacing."""
    return "  " + plain.upper().replace(" ", ",\n", 2).replace(" ", " – ", 3) + "!?"


def edited(plain: str, seed: int) -> str:
    """A word in ten replaced, at random places that are ten words apart on average."""
    draw = random.Random(seed)
    given = plain.split()
    for place in draw.sample(range(len(given)), len(given) // 10):
        given[place] = f"edit{place}"
    return " ".join(given)


QUERIES = {f"q{i}": text(1_000 + i, 8 + i % 12) for i in range(40)} | {"short": "two words", "han": han(1, 24)}
DOCUMENTS = {f"d{i}": text(2_000 + i, 60 + i) for i in range(40)} | {"d-han": han(2, 120), "other": text(2_999, 80)}
# what is planted, where: {training text: (kind, match, role, evaluation id)}
Planted = dict[str, tuple[str, str, str]]


def beir(folder: Path, queries: Mapping[str, str] = QUERIES, documents: Mapping[str, str] = DOCUMENTS) -> Path:
    """The set: every query has a document; the document `other` answers none."""
    lines(folder / "corpus.jsonl", [{"_id": i, "title": "", "text": t} for i, t in documents.items()])
    lines(folder / "queries.jsonl", [{"_id": i, "text": t} for i, t in queries.items()])
    answers = [i for i in documents if i != "other"]
    judged = [(q, answers[n % len(answers)], 1) for n, q in enumerate(queries)]
    fields(folder / "qrels" / "test.tsv", [("query-id", "corpus-id", "score"), *judged, ("q0", "other", 0)])
    return folder


def planted() -> tuple[Planted, Planted]:
    """({text of a training query: (match, role, evaluation id)}, the same of positives)."""
    asked = {
        QUERIES["q1"]: ("exact", "query", "q1"),
        loud(QUERIES["q2"]): ("exact", "query", "q2"),
        "Two  words!": ("exact", "query", "short"),
        loud(DOCUMENTS["d3"]): ("exact", "document", "d3"),
        f"{text(1, 5)} {QUERIES['q4']} {text(2, 9)}": ("ngram", "query", "q4"),
        " ".join(DOCUMENTS["d5"].split()[20:34]): ("ngram", "document", "d5"),
        f"{han(11, 30)}{QUERIES['han']}。{han(12, 9)}": ("ngram", "query", "han"),
        DOCUMENTS["d-han"][40:70]: ("ngram", "document", "d-han"),
        # the eighth of 15 words differs: no run of 8 is left, and 10 of 16 runs of three
        QUERIES["q7"].replace(QUERIES["q7"].split()[7], "other"): ("minhash", "query", "q7"),
    }
    positives = {
        DOCUMENTS["d0"]: ("exact", "document", "d0"),
        DOCUMENTS["d1"].replace(" ", " - ").title(): ("exact", "document", "d1"),
        f"{text(3, 40)} {QUERIES['q8']} {text(4, 50)}": ("ngram", "query", "q8"),
        f"{text(5, 30)} {' '.join(DOCUMENTS['d9'].split()[:40])} {text(6, 20)}": ("ngram", "document", "d9"),
        **{edited(DOCUMENTS[f"d{i}"], i): ("ngram", "document", f"d{i}") for i in range(10, 40)},
    }
    return asked, positives


@dataclass(frozen=True)
class Made:
    """Triplets in two shards, and what of them overlaps: {(kind, row id, role, evaluation id): match}."""

    triplets: Version
    expected: dict[tuple[str, str, str, str], str]


def training(data: Path, clean: int = 60) -> Made:
    """Planted texts among clean ones: a triplet for each query, each with two positives and one negative."""
    asked, positives = planted()
    queries = [*asked, *(text(5_000 + i, 6 + i % 20) for i in range(clean))]
    texts = [*positives, *(text(7_000 + i, 70) for i in range(2 * len(queries) - len(positives)))]
    negatives = [text(9_000 + i, 70) for i in range(4)] + [DOCUMENTS["d2"]]  # a negative is no training positive
    chunks = [chunk(f"c{i:03d}", t) for i, t in enumerate([*texts, *negatives])]
    made = written(data, "chunks", "chunk", [chunks[:90], chunks[90:]])
    rows = [query(f"c{2 * i:03d}~sent0", t) | {"chunk_id": f"c{2 * i:03d}"} for i, t in enumerate(queries)]
    asked_version = written(data, "queries", "query", [rows[:20], rows[20:]], [made])
    last = f"c{len(chunks) - 1:03d}"
    triplets = [triplet(row["query_id"], [f"c{2 * i:03d}", f"c{2 * i + 1:03d}"], [last]) for i, row in enumerate(rows)]
    version = written(data, "triplets", "triplet", [triplets[:30], triplets[30:]], [asked_version, made])
    return Made(
        version, _expected("query", rows, "query_id", asked) | _expected("positive", chunks, "chunk_id", positives)
    )


def _expected(kind: str, rows: Sequence[Mapping[str, Any]], key: str, given: Planted) -> dict[Any, str]:
    found = {(kind, row[key], *given[row["text"]][1:]): given[row["text"]][0] for row in rows if row["text"] in given}
    assert len(found) == len(given)
    return found
