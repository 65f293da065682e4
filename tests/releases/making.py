"""Releases of small versions, made with stand-ins for checks, card and page."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from builders.release import Release, release
from builders.store.versions import Version
from tests.exports.making import chunk, query, triplet, written

LETTERS = "abcdefghijkl"


def small(
    data: Path,
    negatives: Sequence[str] = ("efghijk", "fghijkl", "ab"),
    *,
    text: str = "text",
    split: str = "train",
    method: str = "sent",
) -> Version:
    """Triplets of queries q0, q1, ... over chunks a to l, each with chunk d for its positive; q0 is held out."""
    texts = [chunk(i, f"{text} {i}") | {"split": "heldout" if i == "a" else split} for i in LETTERS]
    chunks = written(data, "chunks", "chunk", [texts[:5], texts[5:]])
    asked = [query(f"q{n}", f"asks {n}", "train" if n else "heldout") for n in range(len(negatives))]
    queries = written(data, "queries", "query", [asked], [chunks])
    rows = [
        triplet(f"q{n}", ["d"], list(ids), split="train" if n else "heldout", method=method)
        for n, ids in enumerate(negatives)
    ]
    return written(data, "triplets", "triplet", [rows], [chunks, queries])


def released(versions: Sequence[Version], out: Path, **options: Any) -> Path:
    """The folder of a release of those versions, named `small` where no other name is given."""
    config = Release("small", tuple(map(str, versions)), data=versions[0].folder.parent.parent, out=out)
    made = release(replace(config, **options))
    assert made is not None
    assert made.folder == out
    return out


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def rows_in(folder: Path, config: str, split: str = "train") -> list[dict[str, Any]]:
    """The rows of a split, in the order of its files."""
    files = manifest_of(folder)["configs"][config]["splits"][split]["files"]
    return [row for file in files for row in pq.read_table(folder / file["path"]).to_pylist()]


def files_of(folder: Path) -> Iterator[str]:
    yield from sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
