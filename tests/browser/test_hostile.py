"""Text that would rather be markup, a command or a megabyte is shown as text."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.making import HOSTILE, LONG

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
SHOWN = {
    "markup": HOSTILE["markup"],
    "closing": HOSTILE["closing"],
    "bidi": "admin⟨U+202E⟩gpj.exe ⟨U+2066⟩ isolated ⟨U+2069⟩ ⟨U+200F⟩mark",
    "separators": "one⟨U+2028⟩two⟨U+2029⟩three ⟨U+0000⟩nul ⟨U+001B⟩[31mred ⟨U+FEFF⟩mark {{script}} <!-- data -->",
}


@pytest.mark.parametrize("name", SHOWN)
def test_hostile_text_is_text(open_page: Open, name: str) -> None:
    page = open_page("rows")
    number = list(SHOWN).index(name)
    page.fill("#search", {"markup": "onerror", "closing": "'taken'", "bidi": "gpj.exe", "separators": "nul"}[name])
    page.select_option("select[name=scope]", "queries")
    page.wait_for_selector("#list[aria-busy=false]", state="attached")
    page.click("#list a >> nth=0")
    assert page.text_content("#query") == SHOWN[name]
    assert f"notes/{number:03d}" in (page.text_content("#detail") or "") or number == 0
    assert (page.locator(".positives .text, .own .text, .negatives .text").first.text_content() or "").strip()
    assert page.locator("script").count() == 1  # the page's own: those of the data are read and gone
    assert page.locator("img, iframe, b, object, link").count() == 0
    assert page.title() == "small-notes v1.0.0"
    assert page.evaluate("[...document.body.children].map(e => e.tagName).join()") == "A,HEADER,NOSCRIPT,P,MAIN,SCRIPT"


def test_hostile_facts_are_text(open_page: Open) -> None:
    page = open_page()
    lead = page.locator("#overview .lead").text_content()
    assert lead == "</script><script>alert(4)</script>⟨U+202E⟩<img src=x onerror=alert(5)>"
    page.click("#checks summary >> nth=0")
    assert "⟨U+202E⟩<img" in (page.locator("#checks .examples").first.text_content() or "")


def test_a_megabyte_is_cut_and_says_how_long_it_was(open_page: Open, page_file: object) -> None:
    page = open_page("row=notes/004%230000~qgen0%2Bqgen")
    assert page.text_content("#query") == "a long one"
    item = page.locator(".positives .chunk").first
    assert len(item.locator(".text").text_content() or "") == 4_000
    assert f"Cut: the first 4,000 of {LONG:,} characters." in (item.text_content() or "")


def test_the_policy_lets_nothing_else_run(open_page: Open) -> None:
    policy = open_page().locator("meta[http-equiv]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
