"""The page for those who use keys, a screen reader, a small screen, the dark, or paper."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
ROW = "row=notes/007%230000~qgen0%2Brerank"
SECTIONS = ("overview", "checks", "audit", "contamination", "distributions", "stages", "prompts")
# Of each element with text of its own: the text, its contrast with what is behind it, and whether it is large.
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches("script, title, :disabled, noscript")) continue;
    const style = getComputedStyle(element);
    const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [a, b] = [light(rgba(colour)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    found.push([element.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05), size >= 24 || (size >= 18.66 && style.fontWeight >= 600)]);
  }
  return found;
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out(open_page: Open, theme: str) -> None:
    """WCAG AA: 4.5 to 1, large text 3 to 1."""
    page = open_page(color_scheme=theme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
    for hash_ in ("overview", ROW):
        page.evaluate("hash => location.hash = hash", hash_)
        page.fill("#search", "o") if hash_ == ROW else None
        page.wait_for_selector("#list[aria-busy=false]", state="attached")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.mouse.move(0, 0)
        page.wait_for_timeout(200)  # colours of links fade
        texts: list[tuple[str, float, bool]] = page.evaluate(CONTRAST)
        assert len(texts) > 100
        assert [text for text in texts if text[1] < (3 if text[2] else 4.5)] == []


def test_the_two_themes_differ_and_the_button_changes_them(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    button = page.get_by_role("button", name="Colours: system")
    button.click()
    assert page.evaluate(colour) == light
    page.get_by_role("button", name="Colours: light").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Colours: dark").click()
    assert page.evaluate(colour) == light
    assert open_page(color_scheme="dark").evaluate(colour) == dark


def test_controls_have_roles_and_names(open_page: Open) -> None:
    page = open_page(ROW)
    for role, name in (
        ("navigation", "Parts of the page"), ("main", None), ("search", "Find rows"), ("searchbox", "Search"), ("combobox", "method"),
        ("combobox", "language"), ("combobox", "source"), ("combobox", "split"), ("combobox", "order"), ("button", "Previous"),
        ("button", "Next"), ("button", "Clear"), ("status", None), ("list", "Rows found"), ("article", "The row"),
        ("heading", "1 positive"), ("heading", "3 negatives"), ("heading", "Where it comes from"), ("region", "Rows"),
    ):  # fmt: skip
        found = page.get_by_role(role, name=name, exact=True) if name else page.get_by_role(role)  # type: ignore[arg-type]
        assert found.filter(visible=True).count() == 1, (role, name)
    assert page.locator("#list a[aria-current=true]").count() == 1
    assert page.locator("#nav a[aria-current=page]").text_content() == "Rows"
    page.evaluate("location.hash = 'checks'")
    for name in ("check", "severity", "status", "examined", "failing", "allowed", "tables"):
        assert page.locator("#checks").get_by_role("columnheader", name=name).count() == 1, name
    assert page.locator("#checks").get_by_role("rowheader").count() == 5  # that of a schema is folded away
    assert page.get_by_role("table", name="Checks").count() == 1


def test_charts_have_a_name_and_a_table(open_page: Open) -> None:
    page = open_page("distributions")
    figures = page.locator("#distributions figure").all()
    assert len(figures) >= 8
    for figure in figures:
        assert "median" in (figure.locator("svg[role=img]").get_attribute("aria-label") or "")
        figure.locator("summary").click()
        assert figure.get_by_role("row").count() > 5
    for table in page.locator("table").all():
        assert (table.locator("caption").text_content() or "").strip()


FAULTS = """
() => {
  const named = (e) => e.getAttribute("aria-label") || e.closest("label") || e.textContent.trim();
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]));
  return {
    nameless: [...document.querySelectorAll("button, a, select, input, summary")].filter((e) => !named(e)).map((e) => e.outerHTML),
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
    dangling: [...document.querySelectorAll("[aria-labelledby], [aria-describedby]")].filter(
      (e) => !document.getElementById(e.getAttribute("aria-labelledby") ?? e.getAttribute("aria-describedby"))).map((e) => e.outerHTML.slice(0, 80)),
    jumps: levels.filter((level, at) => at && level > levels[at - 1] + 1),
    positive: [...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex > 0).length,
    dead: [...document.querySelectorAll('a[href^="#"]')].map((a) => decodeURIComponent(a.hash.slice(1))).filter(
      (id) => !/^rows?(=|$)/.test(id) && !document.getElementById(id)),
  };
}
"""


@pytest.mark.parametrize("hash_", ["", ROW])
def test_the_structure_is_whole(open_page: Open, hash_: str) -> None:
    faults = open_page(hash_).evaluate(FAULTS)
    assert faults == {"nameless": [], "twice": [], "dangling": [], "jumps": [], "positive": 0, "dead": []}


def until(page: "Page", expression: str, value: object) -> None:
    """Waits until the expression has that value: a list is drawn when the page gets to it. Fails after 30 s."""
    page.wait_for_function(f"value => (() => ({expression}))() === value", arg=value)


def test_all_can_be_reached_and_done_by_keys(open_page: Open) -> None:
    page = open_page("rows")
    focused = "document.activeElement.id || document.activeElement.tagName"
    at = "document.activeElement.closest('li') && [...document.querySelectorAll('#list li')].indexOf(document.activeElement.closest('li'))"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("/")
    assert page.evaluate(focused) == "search"
    page.keyboard.type("j/")
    assert page.input_value("#search") == "j/"
    page.keyboard.press("Escape")
    assert page.input_value("#search") == ""
    page.wait_for_selector("#list[aria-busy=false]", state="attached")
    page.keyboard.press("Escape")
    until(page, at, 0)
    for key, place in (("j", 0), ("j", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        until(page, at, place)
        until(page, "document.querySelector('#list a[aria-current]') === document.activeElement", True)
    page.keyboard.press("End")
    until(page, "document.querySelector('#page').textContent", "151–160 of 160")
    until(page, at, 9)
    page.keyboard.press("PageUp")
    until(page, "document.querySelector('#page').textContent", "101–150 of 160")
    page.keyboard.press("Home")
    chosen = page.url
    page.keyboard.press("Enter")
    until(page, focused, "query")
    outline: Any = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Escape")
    until(page, at, 0)
    assert page.url == chosen
    stops = set()
    for _ in range(25):
        page.keyboard.press("Shift+Tab")
        stops.add(page.evaluate("document.activeElement.name || document.activeElement.textContent.slice(0, 20)"))
    assert {
        "search",
        "scope",
        "method",
        "language",
        "source",
        "split",
        "order",
        "Checks",
        "Skip to the content",
    } <= stops


def test_single_keys_can_be_turned_off(open_page: Open) -> None:
    page = open_page(ROW)
    chosen = page.url
    page.click(".keys summary")
    page.click("text=j, k and / are keys")
    page.locator("#list a >> nth=0").focus()
    page.keyboard.press("j")
    page.keyboard.press("/")
    assert page.url == chosen
    assert page.evaluate("document.activeElement.tagName") == "A"


@pytest.mark.parametrize("width", [320, 360, 700])
def test_a_narrow_screen_needs_no_scrolling_to_the_side(open_page: Open, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 640})
    over = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(over) <= 0
    page.click("#nav >> text=Rows")
    assert page.evaluate(over) <= 0
    assert page.locator("#detail").is_hidden()
    page.click("#list a >> nth=1")
    assert page.evaluate(over) <= 0
    assert page.locator("#list").is_hidden()
    assert page.locator("#query").is_visible()
    page.get_by_role("button", name="Back to the list").click()
    assert page.locator("#list").is_visible()


def test_checks_are_filtered_and_sorted(open_page: Open) -> None:
    page = open_page("checks")
    table = page.locator("#checks tbody tr")
    names = page.locator("#checks tbody th > code")
    assert names.all_text_contents()[:2] == ["negative_is_positive", "duplicate_queries"]  # what failed comes first
    page.locator("#checks").get_by_label("Severity").select_option("warning")
    assert table.count() == 2
    page.locator("#checks").get_by_label("Search").fill("LANGUAGE")
    assert names.all_text_contents() == ["query_language"]
    page.locator("#checks").get_by_label("Search").fill("")
    page.locator("#checks").get_by_label("Severity").select_option("")
    head = page.locator("#checks").get_by_role("columnheader", name="examined")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert names.first.text_content() == "ids_unique"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert names.first.text_content() == "judged_twice"


def test_motion_and_paper(open_page: Open) -> None:
    moving = open_page("rows").evaluate("getComputedStyle(document.querySelector('#nav a')).transitionDuration")
    page = open_page("rows", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('#nav a')).transitionDuration") == "0s" != moving
    page.evaluate("location.hash = 'overview'")
    page.emulate_media(media="print")
    assert page.locator("#nav").is_hidden()
    for name in SECTIONS:
        assert page.locator(f"#{name}").is_visible()
