"""The readable text of an HTML page."""

import codecs
import re

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, PageElement, PreformattedString, Tag
from bs4.exceptions import ParserRejectedMarkup

# What is on a page without being its text.
DROPPED = frozenset(
    "script style nav template noscript svg iframe object button select textarea head title canvas audio video".split()
)
BLOCKS = frozenset(
    "address article aside blockquote body center details dialog dl div fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html main ol p pre section summary table ul".split()
)
LINES = frozenset("br caption dd dt legend li option tr".split())
CELLS = frozenset(("td", "th"))

# Stand for what the white space around them becomes, until runs of white space are folded. NUL, SOH and STX cannot
# come from the page: the parser maps NUL away and the others are removed first.
BLOCK, LINE, KEPT_LINE, KEPT_SPACE = "\x01", "\x02", "\x03", "\x04"
MARKS = re.compile("[\x01-\x04]")


def html_text(page: str) -> tuple[str, str]:
    """The title and the text of a page: blank lines between blocks, lines for list items and rows, <pre> as it is.

    Scripts, styles, navigation and form controls are dropped; where the page marks its main part, that part is taken.
    """
    soup = _parsed(MARKS.sub(" ", page))
    return _title(soup), _folded(_pieces(_main(soup)))


def _parsed(page: str) -> BeautifulSoup:
    try:
        return BeautifulSoup(page, "html.parser")
    except ParserRejectedMarkup:  # <![ that begins neither CDATA nor a condition is text
        return BeautifulSoup(page.replace("<![", "&lt;!["), "html.parser")


def declared_encoding(page: bytes) -> str | None:
    """The encoding that a page declares of itself, if Python has it."""
    declared = EncodingDetector.find_declared_encoding(page, is_html=True)
    try:
        return codecs.lookup(declared).name if declared else None
    except LookupError:
        return None


def _title(soup: BeautifulSoup) -> str:
    for tag in (soup.find("title"), soup.find("h1")):
        title = " ".join(tag.get_text().replace("¶", "").split()) if isinstance(tag, Tag) else ""
        if title:
            return title
    return ""


def _main(soup: BeautifulSoup) -> Tag:
    marked = [tag for tag in soup.find_all(_is_main, limit=2) if isinstance(tag, Tag)]
    # A page with two main parts is not what the mark promises, nor one whose main part a script fills in.
    return marked[0] if len(marked) == 1 and marked[0].get_text(strip=True) else soup


def _is_main(tag: Tag) -> bool:
    return tag.name == "main" or tag.get("role") == "main"


def _pieces(root: Tag) -> list[str]:
    """The texts and marks of the tree in order. Without recursion: a page may nest as deep as its size allows."""
    pieces: list[str] = []
    todo: list[PageElement | str] = [root]
    kept = 0  # how many <pre> are open
    while todo:
        node = todo.pop()
        if isinstance(node, Tag):
            if _is_dropped(node):
                continue
            before, after = _around(node)
            pieces.append(before)
            kept += node.name == "pre"
            todo.append("</pre>" if node.name == "pre" else "")
            todo.append(after)
            todo.extend(reversed(node.contents))
        elif isinstance(node, NavigableString):
            # Comments, declarations and processing instructions are preformatted strings too.
            if not isinstance(node, PreformattedString) or isinstance(node, CData):
                pieces.append(_as_it_is(node) if kept else str(node))
        elif node == "</pre>":
            kept -= 1
        else:
            pieces.append(str(node))
    return pieces


def _is_dropped(tag: Tag) -> bool:
    # The pilcrow that documentation generators put after each heading is a link to itself.
    return (
        tag.name in DROPPED
        or tag.get("role") == "navigation"
        or tag.has_attr("hidden")
        or (tag.name == "a" and "headerlink" in (tag.get("class") or ()))
    )


def _around(tag: Tag) -> tuple[str, str]:
    if tag.name in BLOCKS:
        return BLOCK, BLOCK
    if tag.name in LINES:
        return LINE, "" if tag.name == "br" else LINE
    return ("", " ") if tag.name in CELLS else ("", "")


def _as_it_is(text: str) -> str:
    return text.expandtabs().replace("\n", KEPT_LINE).replace(" ", KEPT_SPACE)


def _folded(pieces: list[str]) -> str:
    text = re.sub(r"\s+", " ", "".join(pieces))
    text = re.sub(f"[ {BLOCK}{LINE}]*{BLOCK}[ {BLOCK}{LINE}]*", "\n\n", text)
    text = re.sub(f"[ {LINE}]*{LINE}[ {LINE}]*", "\n", text)
    return text.replace(KEPT_LINE, "\n").replace(KEPT_SPACE, " ").strip()
