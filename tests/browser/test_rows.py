"""The browser of rows finds what plain Python finds, and shows a row with all that it came from."""

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from builders.store.version_sets import VersionSet
from tests.making import rows_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc]"
)
CUT = 4_000


@pytest.fixture(scope="module")
def rows(released: VersionSet) -> list[dict[str, Any]]:
    """The triplets with their texts, in the order of the page."""
    chunks = {row["chunk_id"]: row["text"] for row in rows_of(released.of("chunks")[0])}
    queries = {row["query_id"]: row["text"] for row in rows_of(released.of("queries")[0])}
    found = [row | {"version": str(version)} for version in released.named for row in rows_of(version)]
    for row in found:
        row["query"] = queries[row["query_id"]]
        row["chunks"] = [chunks[i][:CUT] for i in row["positive_ids"] + row["negative_ids"]]
    return sorted(
        found, key=lambda row: [row[name] for name in ("version", "method", "language", "source", "triplet_id")]
    )


def fold(text: str) -> str:
    plain = unicodedata.normalize("NFC", MARKS.sub("", unicodedata.normalize("NFKD", text))).lower()
    return re.sub(r"\s+", " ", plain.replace("ß", "ss").replace("ς", "σ"))


def listed(page: "Page") -> list[str]:
    """The ids of all rows found, from page to page of the list."""
    found: list[str] = []
    read = "links => links.map(link => new URLSearchParams(link.hash.slice(1).replaceAll('+', '%2B')).get('row'))"
    while True:
        found += page.locator("#list a").evaluate_all(read)
        if page.locator("#next").is_disabled():
            break
        page.click("#next")
    return found


def choose(page: "Page", **wanted: str) -> None:
    """Set filters, the order and the search, then wait until the list is theirs."""
    for name, value in wanted.items():
        if name == "search":
            page.fill("#search", value)
        else:
            page.select_option(f"select[name={name}]", value)
    page.wait_for_selector("#list[aria-busy=false]", state="attached")


def test_every_filter_and_any_two_find_what_python_finds(open_page: Open, rows: list[dict[str, Any]]) -> None:
    page = open_page("rows")
    assert listed(page) == [row["triplet_id"] for row in rows]
    tried = [
        {"method": "rerank"},
        {"language": "ar"},
        {"source": "guide"},
        {"split": "heldout"},
        {"version": rows[-1]["version"]},
    ]
    tried += [{"method": "sent", "language": "zh"}, {"source": "notes", "split": "heldout"}]
    for wanted in tried:
        page.click("text=Clear")
        choose(page, **wanted)
        expected = [row["triplet_id"] for row in rows if all(row[name] == value for name, value in wanted.items())]
        assert 0 < len(expected) < len(rows)
        assert listed(page) == expected, wanted
        assert page.text_content("#count") == f"{len(expected)} of {len(rows)} rows"


ASKED = (
    ["resume", "RÉSUMÉ", "strasse", "straße", "οδος", "ΟΔΌΣ", "كيف أثبت", "النظام", "安装", "カタカナ", "ガイド", "カイド", "가게", "각", "ระบบ",
     "curriculum vitae", '"vitae of an elf"', '"elf of an"', "naive cooperation", "<script>", "nowhere at all", "u202e", "Nul"]
)  # fmt: skip


def test_search_finds_what_python_finds(open_page: Open, rows: list[dict[str, Any]]) -> None:
    page = open_page("rows")
    for row in rows:
        row["folded"] = fold(row["query"]), [fold(text) for text in row["chunks"]]
    for asked in ASKED:
        terms = [fold(quoted or word).strip() for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', asked)]
        in_query = [all(term in row["folded"][0] for term in terms) for row in rows]
        in_chunk = [any(all(term in text for term in terms) for text in row["folded"][1]) for row in rows]
        ids = [row["triplet_id"] for row in rows]
        choose(page, search=asked, scope="all")
        assert listed(page) == [i for i, one, other in zip(ids, in_query, in_chunk, strict=True) if one or other], asked
        choose(page, scope="queries")
        assert listed(page) == [i for i, one in zip(ids, in_query, strict=True) if one], asked


def test_some_searches_find_some(rows: list[dict[str, Any]]) -> None:
    """What the test above compares is not two nothings."""
    for term in ("resume", "strasse", "οδοσ", fold("كيف أثبت"), "안", "安装", fold("カタカナ"), fold("가게")):
        found = [row for row in rows if term in fold(row["query"]) or any(term in fold(text) for text in row["chunks"])]
        assert (0 < len(found) < len(rows)) == (term != "안"), term


def test_orders_are_those_of_python(open_page: Open, rows: list[dict[str, Any]]) -> None:
    def gap(row: dict[str, Any]) -> float:
        return float(min(row["positive_scores"]) - max(row["negative_scores"]))

    page = open_page("rows")
    choose(page, order="gap")
    assert listed(page) == [row["triplet_id"] for row in sorted(rows, key=gap)]
    choose(page, order="length", language="zh")
    chinese = [row for row in rows if row["language"] == "zh"]
    assert listed(page) == [row["triplet_id"] for row in sorted(chinese, key=lambda row: -len(row["query"]))]


def test_a_row_shows_its_texts_ranks_scores_and_where_it_comes_from(
    open_page: Open, rows: list[dict[str, Any]], released: VersionSet
) -> None:
    page = open_page("rows")
    row = next(row for row in rows if row["method"] == "rerank" and row["language"] == "ja")
    choose(page, method="rerank", language="ja")
    page.click("#list a >> nth=0")
    assert page.text_content("#query") == row["query"]
    shown = page.locator(".negatives .chunk")
    assert [text.strip() for text in shown.locator(".text").all_text_contents()] == [
        text.strip() for text in row["chunks"][1:]
    ]
    assert [int(n.split()[-1]) for n in shown.locator(".numbers div:first-child").all_text_contents()] == row[
        "negative_ranks"
    ]
    assert shown.locator(".numbers div:nth-child(2)").first.text_content() == f"score {row['negative_scores'][0]:.3f}"
    detail = page.locator("#detail")
    for word in (
        "writer@1",
        "judge@2",
        "Find the text.",
        "synthetic_query-abc",
        "Kendall's tau 0.80",
        "[2] > [1] > [3]",
    ):
        assert word in (detail.text_content() or ""), word
    chain = [f"{version}" for version in page.locator(".why a").all_text_contents()]
    tables = ("preferences", "candidates", "queries", "chunks", "documents")
    assert chain == [row["version"], *(str(released.of(table)[0]) for table in tables)]
    assert page.locator(".why li").last.text_content() is not None
    assert "notes.jsonl, row 1" in (page.locator(".why li").last.text_content() or "")


def test_a_crop_is_marked_in_its_chunk(open_page: Open, rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["method"] == "sent" and row["language"] == "zh")
    page = open_page()
    page.evaluate("id => location.hash = `row=${encodeURIComponent(id)}`", row["triplet_id"])
    assert page.text_content(".positives .crop") == row["chunks"][0][2:7]


def test_what_was_judged_says_so(open_page: Open) -> None:
    page = open_page("rows")
    choose(page, method="supervised")
    page.click("#list a >> nth=0")
    assert "judged 2" in (page.locator(".positives .numbers").first.text_content() or "")
    assert "judged 0" in (page.locator(".negatives .numbers").first.text_content() or "")
    assert "judged" not in (page.locator(".negatives .numbers").nth(1).text_content() or "")


def test_what_is_searched_for_is_marked(open_page: Open) -> None:
    page = open_page("rows")
    choose(page, search="resume")
    page.click("#list a >> nth=0")
    assert set(page.locator("#query mark, #list mark").all_text_contents()) == {"résumé"}


def test_a_link_opens_its_row_and_the_way_back_leads_back(open_page: Open, rows: list[dict[str, Any]]) -> None:
    page = open_page("rows")
    page.click("#next")
    page.click("#list a >> nth=7")
    address = page.url
    assert page.text_content("#query") == rows[57]["query"]
    page.click("nav >> text=Checks")
    assert page.locator("#browser").is_hidden()
    page.go_back()
    assert page.url == address
    assert page.text_content("#query") == rows[57]["query"]
    other = open_page(address.split("#")[1])
    assert other.text_content("#query") == rows[57]["query"]
    assert other.locator("#list a[aria-current]").count() == 1
    unknown = open_page("row=nobody%3Cb%3E")
    assert "nobody<b> is not on this page" in (unknown.text_content("#detail") or "")
