"""Triplets with relevant chunks hidden among their negatives, to see what an audit finds: edited copies, judged ones."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from builders.quality.pairs import as_chosen
from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.version_sets import version_set
from builders.store.versions import Version
from builders.text.hashes import generator, normalise, text_hash
from tests.making import rows_of

SHARES = (0.05, 0.1, 0.2, 0.3)
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
# A word with the space after it; of scripts without spaces two characters, as most of their words are.
_UNIT = re.compile(f"[{_UNSPACED}]{{1,2}}|[^\\s{_UNSPACED}]+\\s*|\\s+")


@dataclass(frozen=True)
class Planted:
    """The triplets, and the edit share (0 for a judged chunk) of each hidden pair by (triplet_id, chunk_id)."""

    triplets: Version
    hidden: dict[tuple[str, str], float]
    shares: dict[str, float]


def edited(text: str, share: float, draw: Random, words: Sequence[str]) -> str:
    """The text with that share of its words substituted, deleted, or followed by another, a third each."""
    units = _UNIT.findall(text)
    places = [at for at, unit in enumerate(units) if unit.strip()]
    for at in draw.sample(places, max(1, round(share * len(places)))):
        word, how = draw.choice(words), draw.randrange(3)
        units[at] = ("", word, units[at] + word)[how]
    return "".join(units)


def words_of(texts: Sequence[str]) -> list[str]:
    return sorted({unit for text in texts for unit in _UNIT.findall(text) if unit.strip()})


def texts_behind(triplets: Version, table: str) -> list[dict[str, Any]]:
    versions = version_set([triplets]).behind(as_chosen(triplets), table)
    return [row for version in versions for row in rows_of(version)]


def plant_copies(triplets: Version, data: Path, rows: int, seed: int = 0, shares: Sequence[float] = SHARES) -> Planted:
    """`rows` triplets, each with one edited copy of its own chunk, as a new chunk of no cluster, among the negatives."""
    chunks = texts_behind(triplets, "chunks")
    by_id = {row["chunk_id"]: row for row in chunks}
    texts: dict[str, list[str]] = {}
    for row in chunks:
        texts.setdefault(row["language"], []).append(row["text"])
    words = {language: words_of(its[:200]) for language, its in texts.items()}
    drawn = sorted(rows_of(triplets), key=lambda row: generator(seed, row["triplet_id"], "plant").random())[:rows]
    copies, hidden, given = [], {}, {}
    for number, row in enumerate(drawn):
        own, share = by_id[row["chunk_id"]], shares[number % len(shares)]
        draw = generator(seed, row["triplet_id"], "edits")
        text = edited(own["text"], share, draw, words[own["language"]])
        name = f"planted/{number:05d}#0000"
        copies.append(_chunk(own, name, text))
        hidden[row["triplet_id"], name] = given[row["triplet_id"]] = share
        at = draw.randrange(len(row["negative_ids"]))
        row["negative_ids"][at] = name
    return Planted(_write(data, triplets, drawn, chunks + copies), hidden, given)


def hide_judged(triplets: Version, data: Path, rows: int, *, stand_in: bool, seed: int = 0) -> Planted:
    """Rows whose judged positives are hidden among the mined negatives.

    stand_in False: rows with two or more, of which the first stays; True: rows whose own chunk is hidden, and the
    mined negative that is ranked best stands in for it, so that the row's positive is a wrong one.
    """
    chosen, hidden, given = [], {}, {}
    for row in sorted(rows_of(triplets), key=lambda row: generator(seed, row["triplet_id"], "plant").random()):
        positives = row["positive_ids"]
        if len(chosen) == rows or (not stand_in and len(positives) < 2):
            continue
        moved = positives[:1] if stand_in else positives[1:]
        kept = row["negative_ids"][:1] if stand_in else positives[:1]
        row["negative_ids"] = [*moved, *(i for i in row["negative_ids"] if i not in kept)]
        row["positive_ids"], row["chunk_id"] = kept, kept[0]
        for side in ("positive", "negative"):
            count = len(row[f"{side}_ids"])
            row[f"{side}_ranks"], row[f"{side}_scores"] = [1] * count, [0.0] * count
        hidden.update({(row["triplet_id"], chunk): 0.0 for chunk in moved})
        given[row["triplet_id"]] = 0.0
        chosen.append(row)
    return Planted(_write(data, triplets, chosen, texts_behind(triplets, "chunks")), hidden, given)


def _chunk(own: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    changed = {"chunk_id": name, "document_id": name.partition("#")[0], "cluster_id": name, "text": text}
    hashes = {"text_hash": text_hash(text), "normalised_text_hash": text_hash(normalise(text))}
    return {**own, **changed, **hashes, "end": own["start"] + len(text)}


def _write(data: Path, triplets: Version, rows: list[dict[str, Any]], chunks: list[dict[str, Any]]) -> Version:
    wanted = {row["query_id"] for row in rows}
    queries = [row for row in texts_behind(triplets, "queries") if row["query_id"] in wanted]
    named = {"of": [str(triplets), len(rows), sorted(wanted)[:1]]}
    made: tuple[Version, ...] = ()
    for table, record, its in (
        ("chunks", "chunk", chunks),
        ("queries", "query", queries),
        ("triplets", "triplet", rows),
    ):
        plan = Plan(table, record, "tests.planting", 1, {**named, "hash": _hash(its), "least": 1}, inputs=made)
        made = (*made, build(plan, data, lambda building, its=its: _written(building, its)))  # type: ignore[misc]
    return made[-1]


def _written(building: Any, rows: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    for number, part in enumerate(_halves(rows)):
        building.write(number, ShardResult(part, rows_in=len(part)), 0.0)
    return 2, {}


def _halves(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Two shards."""
    yield rows[: len(rows) // 2]
    yield rows[len(rows) // 2 :]


def _hash(rows: list[dict[str, Any]]) -> str:
    return text_hash(repr(rows))
