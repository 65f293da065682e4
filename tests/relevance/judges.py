"""Candidates of the small corpus, judges of them, and the stage run on both, for the tests of preferences."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from builders.llm.engines import EngineOptions
from builders.llm.requests import Request
from builders.rerank_preferences import RerankPreferences, main
from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.versions import Version, find_version, read_rows
from builders.text.hashes import generator
from tests.making import rows_of

LISTWISE = EngineOptions(engine="openai", model="fake")
SHOWN = re.compile(r"^\[\d+\] ", re.MULTILINE)
SAME = ("query_id", "chunk_id", "document_id", "source", "method", "language", "split", "normalised_text_hash")


def write_candidates(data: Any, k: int, *, few: dict[int, int] | None = None) -> Version:
    """Candidates of the QGen queries in `data`: a seeded draw of k chunks, the query's own at a rank of its own.

    `few`: {row number: how many candidates it has instead}.
    """
    chunks, queries = find_version(data, "chunks"), find_version(data, "queries")
    ids = sorted(row["chunk_id"] for row in rows_of(chunks))
    shards = [read_rows(shard) for shard in queries.shards()]
    numbers = {row["query_id"]: number for number, row in enumerate(row for shard in shards for row in shard)}

    def row(query: dict[str, Any]) -> dict[str, Any]:
        draw = generator(0, query["query_id"], "candidates")
        others = [chunk for chunk in ids if chunk != query["chunk_id"]]
        found = draw.sample(others, k - 1)
        found.insert(draw.randrange(k), query["chunk_id"])
        found = found[: (few or {}).get(numbers[query["query_id"]], k)]
        own = query["chunk_id"]
        return {
            **{column: query[column] for column in SAME},
            "retriever": "drawn@1",
            "own_rank": found.index(own) + 1 if own in found else None,
            "chunk_ids": found,
            "scores": [round(1 - rank / 100, 6) for rank in range(len(found))],
        }

    def work(made: Any) -> tuple[int, dict[str, Any]]:
        for number, shard in enumerate(shards):
            made.write(number, ShardResult([row(query) for query in shard], rows_in=len(shard)), 0.0)
        return len(shards), {}

    config = {"k": k, "few": {str(n): m for n, m in (few or {}).items()}}
    return build(Plan("candidates", "candidates", "tests", 1, config, inputs=(chunks, queries)), data, work)


def copy_queries(built: Path, target: Path) -> Path:
    """Chunks and QGen queries in a folder of the test's own."""
    skipped = ("query_", "signatures", "clusters", "journals")
    shutil.copytree(built, target, ignore=lambda _, names: [n for n in names if n.startswith(skipped)])
    for queries in (target / "queries").iterdir():
        if json.loads((queries / "manifest.json").read_bytes())["stage"] != "builders.synthetic_queries":
            shutil.rmtree(queries)
    return target


def passages_of(request: Request) -> list[str]:
    """The passages shown, each whole."""
    listed = request.messages[-1]["content"].partition("<passages>\n")[2].partition("\n</passages>")[0]
    return [part.strip() for part in SHOWN.split(listed)[1:]]


def by_text(request: Request) -> str:
    """A judge with a taste of its own: passages in alphabetical order, wherever they stand."""
    shown = passages_of(request)
    order = sorted(range(len(shown)), key=lambda at: shown[at])
    return " > ".join(f"[{at + 1}]" for at in order)


def judged(candidates: Version, engine: Any, **settings: Any) -> Version:
    given = {"llm": LISTWISE, "data": candidates.folder.parent.parent} | settings
    version = main(RerankPreferences(str(candidates), **given), engine)
    assert version is not None
    return version


def texts_in(data: Path) -> dict[str, str]:
    return {row["chunk_id"]: row["text"] for row in rows_of(find_version(data, "chunks"))}


def score(request: Request) -> str:
    """Longer passages are likelier."""
    return repr(-1000 / (len(request.messages[-2]["content"]) + 1))
