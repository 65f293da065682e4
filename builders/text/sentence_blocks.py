"""The blocks of a document: runs of lines that belong together, so that no sentence goes from one into the next."""

import re
from collections.abc import Iterator

# A paragraph ends at a blank line, and at the two characters that mean a new page and a new paragraph. They are rare,
# and a pattern that looks for them too is five times slower.
_BLANK_LINES = re.compile(r"\n\s*\n")
_PARAGRAPH_ENDS = re.compile(r"\n\s*\n|[\f\u2029]")

# Longer lines were not wrapped by hand: there each line is a block. Help pages and handbooks have one block a line
# (a paragraph, a step, an item, a heading); docstrings and the items of package descriptions wrap at 60 to 100 columns.
_WIDEST_WRAP = 120
# Nor is prose wrapped narrower than this, so a heading, or a list of short lines, is not taken for wrapped prose.
_NARROWEST_WRAP = 50
_WIDE_SCRIPTS = frozenset({"ja", "ko", "zh"})  # one character fills two columns

# A bullet, a number ("3.", "3)", "(3)", "3.1."), a heading of Markdown, a doctest prompt, a row of a table.
MARKER = re.compile(r"(?:[-*+•‣▪◦·–]|\(?\d{1,3}(?:\.\d{1,3}){0,3}[.)]|#{1,6}|>>>|\|)(?:\s+|$)")
MARKER_STARTS = frozenset("-*+•‣▪◦·–#>|(0123456789०१२३४५६७८९০১২৩৪৫৬৭৮৯٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹")
_UNDERLINE = re.compile(r"([=\-~^*_#])\1{2,}")
_UNDERLINES = frozenset("=-~^*_#")
# A line that ends so is complete even before a lowercase word: an item after a colon, a sentence about `dpkg`.
_COMPLETE = frozenset(";:.!?…。！？؟।॥")


def block_spans(text: str, language: str) -> Iterator[tuple[int, int]]:
    """The half-open spans of the blocks of `text`, in order and stripped; all that lies outside them is whitespace.

    Lines end in "\\n".
    """
    wide = language in _WIDE_SCRIPTS
    ends = _PARAGRAPH_ENDS if "\f" in text or "\u2029" in text else _BLANK_LINES
    start = 0
    for blank in ends.finditer(text):
        yield from _paragraph_blocks(text[start : blank.start()], start, wide)
        start = blank.end()
    yield from _paragraph_blocks(text[start:], start, wide)


def _paragraph_blocks(paragraph: str, start: int, wide: bool) -> list[tuple[int, int]]:
    if "\n" not in paragraph:
        body = paragraph.strip()
        begin = start + paragraph.index(body[0]) if body else start
        return [(begin, begin + len(body))] if body else []
    lines = paragraph.split("\n")
    width = _wrap_width(lines, wide)
    spans: list[tuple[int, int]] = []
    begin = stop = -1
    previous = ""
    item_indent = -1  # of the list item that the block is, or -1
    for line in lines:
        body = line.strip()
        if body:
            first = body[0]
            indent = line.index(first)
            marked = first in MARKER_STARTS and MARKER.match(body) is not None
            if marked or not (
                -1 < item_indent < indent  # hangs under its list item
                or (previous and _continues(previous, body, width - indent, wide))
            ):
                if previous:
                    spans.append((begin, stop))
                begin, item_indent = start + indent, indent if marked else -1
            previous = body
            stop = start + indent + len(body)
        start += len(line) + 1
    if previous:
        spans.append((begin, stop))
    return spans


def _wrap_width(lines: list[str], wide: bool) -> int:
    """Where the paragraph is wrapped, if it is: at its longest line, leaving out those too long for that."""
    narrowest, widest = (_NARROWEST_WRAP // 2, _WIDEST_WRAP // 2) if wide else (_NARROWEST_WRAP, _WIDEST_WRAP)
    longest = max(map(len, lines))
    if longest > widest:
        longest = max((length for length in map(len, lines) if length <= widest), default=0)
    return max(narrowest, longest)


def _continues(previous: str, body: str, width: int, wide: bool) -> bool:
    """Whether a line goes on with the sentence or the paragraph of the line before it.

    The measure: a line break inside prose stands where the next word had no room. Where it had, the break was meant.
    """
    first, last, head = body[0], previous[-1], previous[0]
    if last in _UNDERLINES and _UNDERLINE.fullmatch(previous):
        return False
    if first in _UNDERLINES and _UNDERLINE.fullmatch(body):
        return True
    if head in MARKER_STARTS and (marker := MARKER.match(previous)):
        if marker.end() == len(previous):  # "1." alone on its line, its text on the next
            return True
        if head == "#":
            return False
    if last not in _COMPLETE and (first.islower() or last == ","):
        return True
    widest = _WIDEST_WRAP // 2 if wide else _WIDEST_WRAP
    if len(previous) > widest or len(body) > widest:
        return False
    word = 1 if wide else len(body.split(None, 1)[0])
    return len(previous) + 1 + word > width
