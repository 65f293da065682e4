"""What second opinions and evaluation sets say of a row stands beside it, as text, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builders.cards.page import write_page
from builders.store.version_sets import VersionSet, version_set
from tests.browser.making import release, write
from tests.cards.page_making import page_facts
from tests.making import rows_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
HOSTILE = "</p><script>alert(9)</script>\u202e<img src=x onerror=alert(8)>"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """(page, a row that both were asked about, a row of which nothing was said and that was not ranked)."""
    folder = tmp_path_factory.mktemp("findings")
    made = version_set(release(folder / "data"))
    triplets, (queries,) = made.named[0], made.of("queries")
    row, other = [one for one in rows_of(triplets) if one["method"] == "sent"][5:7]
    opinions = [_opinion(row, row["negative_ids"][0], True, False), _opinion(row, row["negative_ids"][2], True, True)]
    overlaps = [
        _overlap(row, "query", row["query_id"], "exact", 1.0),
        _overlap(row, "positive", row["positive_ids"][0], "ngram", 0.625),
    ]
    asked = write(folder / "data", "opinions", "opinion", opinions, (triplets,))
    compared = write(folder / "data", "contamination", "overlap", overlaps, (triplets, queries))
    blank = {
        f"{side}_{of}": [None] * len(other[f"{side}_ids"])
        for side in ("positive", "negative")
        for of in ("ranks", "scores")
    }
    other = other | blank | {"triplet_id": "unranked+sent", "retriever": None, "ranking": None}
    unranked = write(folder / "data", "triplets", "triplet", [other], (queries, *made.of("chunks")))
    versions = VersionSet((*made.named, unranked), (*made.versions, unranked, asked, compared))
    write_page(folder / "report.html", page_facts(made), versions)
    return folder / "report.html", row, other


def _opinion(row: dict[str, Any], chunk_id: str, first: bool, second: bool) -> dict[str, Any]:
    shared = ("triplet_id", "query_id", "method", "source", "language", "split", "normalised_text_hash")
    said = [
        {"by": by, "kind": "retriever", "score": score, "reference": None, "relevant": relevant}
        for by, score, relevant in ((f"dense {HOSTILE}", 0.75, first), ("copy bm25", 12.5, second))
    ]
    verdict = "split" if first != second else "relevant" if first else "not_relevant"
    return {name: row[name] for name in shared} | {
        "opinion_id": f"{row['triplet_id']}={chunk_id}", "chunk_id": chunk_id, "side": "negative", "rank": 2, "band": "1..10",
        "stratum_share": 0.5, "opinions": said, "verdict": verdict,
    }  # fmt: skip


def _overlap(row: dict[str, Any], kind: str, row_id: str, match: str, share: float) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "language", "split")} | {
        "overlap_id": f"{kind}:{row_id}", "kind": kind, "row_id": row_id, "set": f"set {HOSTILE}", "role": "query", "evaluation_id": "q<7>",
        "match": match, "share": share, "training_text_hash": "0" * 32,
    }  # fmt: skip


def open_row(open_page: Open, file: Path, row: dict[str, Any]) -> "Page":
    page = open_page("rows", file)
    page.evaluate("id => location.hash = `row=${encodeURIComponent(id)}`", row["triplet_id"])
    page.wait_for_selector("#query")
    return page


def test_opinions_stand_by_the_chunk_that_they_are_of(open_page: Open, found: tuple[Path, Any, Any]) -> None:
    file, row, _ = found
    page = open_row(open_page, file, row)
    chunks = page.locator(".negatives .chunk")
    told = [chunks.nth(at).locator(".opinions").all_text_contents() for at in range(chunks.count())]
    assert [len(one) for one in told] == [1, 0, 1, *[0] * (chunks.count() - 3)]
    assert "Second opinions, split: " in told[0][0]
    assert "alert(9)</script>⟨U+202E⟩<img" in told[0][0]
    assert "copy bm25 says not relevant (12.50)" in told[0][0]
    assert "Second opinions, relevant: " in told[2][0]
    assert page.locator("#detail img, #detail script").count() == 0


def test_overlaps_stand_by_the_query_and_by_the_positive(open_page: Open, found: tuple[Path, Any, Any]) -> None:
    file, row, _ = found
    page = open_row(open_page, file, row)
    beside = page.locator("#detail > .overlap").all_text_contents()
    assert len(beside) == 1 and beside[0].endswith("as its query q<7>: the same text.")
    assert "⟨U+202E⟩<img src=x" in beside[0]
    of_positive = page.locator(".positives .overlap").all_text_contents()
    assert len(of_positive) == 1 and of_positive[0].endswith("ngram, 63% in common.")
    assert page.locator(".negatives .overlap").count() == 0


def test_a_row_that_was_not_ranked_has_no_numbers_and_says_nothing(
    open_page: Open, found: tuple[Path, Any, Any]
) -> None:
    file, _, other = found
    page = open_row(open_page, file, other)
    assert page.locator(".opinions, .overlap").count() == 0
    assert page.locator("#detail .chunk").count() == len(other["positive_ids"] + other["negative_ids"])
    assert "".join(page.locator("#detail .numbers").all_text_contents()) == ""
    for order in page.locator("select[name=order] option").evaluate_all("all => all.map(one => one.value)"):
        page.select_option("select[name=order]", order)
        page.wait_for_selector("#list[aria-busy=false]", state="attached")
        count = page.text_content("#count") or ""
        assert count.split(" of ")[0] == count.split(" of ")[1].split()[0], order
