"""Size of a page of 10,000 rows, the time to write it, and how fast a browser opens, filters and searches it.

python -m tests.benchmarks.bench_page [--rows 10000] [--triplets 30000] [--chunks 80000] [--folder /tmp/bench] [--keep FILE]
The texts are drawn word by word, as often as words of a language are, so that no two are the same.
"""

import argparse
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from builders.cards.page import write_page
from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.version_sets import version_set
from builders.store.versions import Version
from tests.browser.making import one_chunk, one_query
from tests.cards.page_making import page_facts

SHARD, NEGATIVES, WORDS_A_CHUNK = 10_000, 20, 110
ALPHABETS = {
    "en": "etaoinshrdlcum",
    "fr": "esaitnrulodéèàc",
    "ru": "оеаинтсрвлкмдп",
    "ar": "اليمنوربتدعكسف",
    "zh": "的一是在不了有和人这中大为上个国我以要他",
}
LANGUAGES = tuple(ALPHABETS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--triplets", type=int, default=30_000)
    parser.add_argument("--chunks", type=int, default=80_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--keep", type=Path, default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        versions = version_set([drawn_triplets(Path(name) / "data", asked.chunks, asked.triplets)])
        facts = page_facts(versions)
        path = Path(name) / "report.html"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.monotonic()
        write_page(path, facts, versions, rows=asked.rows)
        seconds, peak = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"written in {seconds:.1f} s, {path.stat().st_size:,} bytes; memory {before:,.0f} -> {peak:,.0f} MB at most"
        )
        if asked.keep:
            shutil.copy(path, asked.keep)
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for attempt in range(3):
            look(path, attempt)


def drawn_triplets(data: Path, chunks: int, triplets: int) -> Version:
    vocabularies = {language: _vocabulary(language) for language in LANGUAGES}
    texts = [_text(number, vocabularies) for number in range(chunks)]
    rows = [
        one_chunk(
            f"handbook/chapter-{n:06d}.html",
            "handbook" if n % 3 else "notes",
            LANGUAGES[n % len(LANGUAGES)],
            text,
            "train",
        )
        for n, text in enumerate(texts)
    ]
    queries = [
        one_query(row, "qgen" if n % 4 else "sent", " ".join(texts[n].split()[4:15]))
        for n, row in enumerate(rows[:triplets])
    ]
    c = _version(data, "chunks", "chunk", rows, ())
    q = _version(data, "queries", "query", queries, (c,))
    ids = [row["chunk_id"] for row in rows]
    return _version(data, "triplets", "triplet", [_triplet(query, ids, n) for n, query in enumerate(queries)], (q, c))


def _triplet(query: dict[str, Any], ids: list[str], number: int) -> dict[str, Any]:
    generator = random.Random(number)
    taken = [
        query[name]
        for name in (
            "query_id",
            "chunk_id",
            "document_id",
            "source",
            "method",
            "language",
            "split",
            "normalised_text_hash",
        )
    ]
    named = dict(
        zip(
            ("query_id", "chunk_id", "document_id", "source", "method", "language", "split", "normalised_text_hash"),
            taken,
            strict=True,
        )
    )
    scores = sorted((round(generator.random(), 6) for _ in range(NEGATIVES)), reverse=True)
    return named | {
        "triplet_id": f"{query['query_id']}+{query['method']}", "retriever": "drawn@1", "judge": None, "ranking": None,
        "positive_ids": [query["chunk_id"]], "positive_ranks": [1], "positive_scores": [round(1 + generator.random(), 6)],
        "negative_ids": generator.sample(ids, NEGATIVES), "negative_ranks": list(range(31, 31 + NEGATIVES)), "negative_scores": scores,
    }  # fmt: skip


def _vocabulary(language: str) -> list[str]:
    generator = random.Random(language)
    longest = 3 if language == "zh" else 11
    return ["".join(generator.choices(ALPHABETS[language], k=generator.randint(1, longest))) for _ in range(30_000)]


def _text(number: int, vocabularies: dict[str, list[str]]) -> str:
    generator = random.Random(number)
    words = vocabularies[LANGUAGES[number % len(LANGUAGES)]]
    return " ".join(words[min(int(generator.paretovariate(0.6)), len(words)) - 1] for _ in range(WORDS_A_CHUNK))


def _version(data: Path, table: str, record: str, rows: list[dict[str, Any]], inputs: tuple[Version, ...]) -> Version:
    def work(building: Any) -> tuple[int, dict[str, Any]]:
        shards = list(_shards(rows))
        for number, part in enumerate(shards):
            building.write(number, ShardResult(part, rows_in=len(part)), 0.0)
        return len(shards), {}

    return build(Plan(table, record, "tests.bench", 1, {}, inputs=inputs), data, partial(work))


def _shards(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    yield from (rows[at : at + SHARD] for at in range(0, len(rows), SHARD))


def look(path: Path, attempt: int) -> None:
    """Open the page in a fresh browser, and time what a reader does first."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.monotonic()
        page.goto(f"{path.as_uri()}#rows", wait_until="commit")
        page.wait_for_selector("#list a")
        usable = time.monotonic() - start
        page.wait_for_selector("html[data-ready]", timeout=120_000)
        ready = time.monotonic() - start
        marks = page.evaluate(
            "Object.fromEntries(performance.getEntriesByType('mark').map(m => [m.name, m.startTime]))"
        )
        print(
            f"{attempt}: first rows after {usable:.2f} s ({marks['rows-usable'] / 1000:.2f} s by the page's clock), all texts after {ready:.2f} s"
        )
        print("   " + ", ".join(f"{what} {_milliseconds(page, name, value):,.0f} ms" for what, name, value in DONE))
        print(f"   {page.text_content('#count')}; {page.text_content('#said')}")
        browser.close()


DONE = (
    ("filter by language", "language", "fr"),
    ("all languages", "language", ""),
    ("first search", "search", "ese"),
    ("second search", "search", "eta"),
    ("order by gap", "order", "gap"),
)
# From the change to the list drawn again; the 120 ms that wait for a further key are part of it.
CHANGE = """
([name, value]) => new Promise((resolve) => {
  const field = document.querySelector(`#filters [name=${name}]`);
  const list = document.getElementById("list");
  const start = performance.now();
  new MutationObserver((_, observer) => {
    if (list.getAttribute("aria-busy") !== "false") return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  }).observe(list, { attributes: true });
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
})
"""


def _milliseconds(page: Any, name: str, value: str) -> float:
    return float(page.evaluate(CHANGE, [name, value]))


if __name__ == "__main__":
    main()
