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
_COMMON_WRAP = 80
# Nor is prose wrapped narrower than this, so a heading, or a list of short lines, is not taken for wrapped prose.
_NARROWEST_WRAP = 50
# Wrapped lines end within some columns of one another. Two lines that do so by chance are common, three are not, and
# above 80 columns, where hardly anybody wraps, it takes half of the paragraph.
_RAGGED = 10
_SHORT_PARAGRAPH = 4
_WIDE_SCRIPTS = frozenset({"ja", "ko", "zh"})
# Runs of what `unicodedata.east_asian_width` calls W or F: one character fills two columns.
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003fffd]+"
)

# A bullet, a number ("3.", "3)", "(3)", "3.1."), a heading of Markdown, a doctest prompt, a row of a table.
MARKER = re.compile(r"(?:[-*+•‣▪◦·–]|\(?\d{1,3}(?:\.\d{1,3}){0,3}[.)]|#{1,6}|>>>|\|)(?:\s+|$)")
MARKER_STARTS = frozenset("-*+•‣▪◦·–#>|(0123456789०१२३४५६७८९০১২৩৪৫৬৭৮৯٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹")
_UNDERLINE = re.compile(r"([=\-~^*_#])\1{2,}")
_UNDERLINES = frozenset("=-~^*_#")
# A line that ends so is complete even before a lowercase word: an item after a colon, a sentence about `dpkg`.
_COMPLETE = frozenset(";:.!?…。！？：；؟؛।॥")
# After these a list is likelier than a line that goes on.
_LIST_FOLLOWS = frozenset(":;：；؛")
_COMMAS = frozenset(",，、،")


def block_spans(text: str, language: str) -> Iterator[tuple[int, int]]:
    """The half-open spans of the blocks of `text`, in order and stripped; all that lies outside them is whitespace.

    Lines end in "\\n".
    """
    wide = language in _WIDE_SCRIPTS
    ends = _PARAGRAPH_ENDS if "\f" in text or "\u2029" in text else _BLANK_LINES
    start = 0
    stops = [(blank.start(), blank.end()) for blank in ends.finditer(text)]
    for stop, following in [*stops, (len(text), len(text))]:
        paragraph = text[start:stop]
        if "\n" in paragraph:
            yield from _paragraph_blocks(paragraph, start, wide)
        elif body := paragraph.strip():
            begin = start + paragraph.index(body[0])
            yield begin, begin + len(body)
        start = following


def _paragraph_blocks(paragraph: str, start: int, wide: bool) -> list[tuple[int, int]]:
    lines = paragraph.split("\n")
    wrap: tuple[int, bool] | None = None  # most paragraphs are decided without it
    spans: list[tuple[int, int]] = []
    begin = stop = -1
    previous = ""
    item_indent = -1  # of the list item that the block is, or -1
    for line in lines:
        body = line.strip()
        if body:
            first = body[0]
            indent = line.index(first)
            # Nearly all lines of wrapped prose are decided by this alone.
            if not (first.islower() and previous and previous[-1].isalnum() and previous[0] != "#"):
                marked = first in MARKER_STARTS and MARKER.match(body) is not None
                # A line that stands deeper than the mark of its list item hangs under it.
                goes_on = previous != "" and not marked and (-1 < item_indent < indent or _continues(previous, body))
                # Two lines that make none together need no measure.
                if goes_on is None and (wide or len(previous) + len(line) >= _NARROWEST_WRAP):
                    wrap = wrap or _wrap_width(lines, wide)
                    goes_on = _by_length(previous, body, wrap, indent, item_indent >= 0, wide)
                if not goes_on:
                    if previous:
                        spans.append((begin, stop))
                    begin, item_indent = start + indent, indent if marked else -1
            previous = body
            stop = start + indent + len(body)
        start += len(line) + 1
    if previous:
        spans.append((begin, stop))
    return spans


def _columns(line: str, wide: bool) -> int:
    return len(line) + (sum(map(len, _WIDE.findall(line))) if wide and not line.isascii() else 0)


def _wrap_width(lines: list[str], wide: bool) -> tuple[int, bool]:
    """The longest line, leaving out those too long for a wrapped one; and whether the paragraph is wrapped there."""
    lengths = [_columns(line.rstrip(), True) for line in lines] if wide else [len(line.rstrip()) for line in lines]
    width = max(lengths)
    if width > _WIDEST_WRAP:
        width = max((length for length in lengths if length <= _WIDEST_WRAP), default=0)
    if width < _NARROWEST_WRAP:
        return width, False
    near = len([1 for length in lengths if width - _RAGGED <= length <= width])
    if near >= (3 if width <= _COMMON_WRAP else max(4, len(lines) // 2)):
        return width, True
    # Too short for that count; then all its lines but the last must come near.
    prose = next((i for i, line in enumerate(lines) if MARKER.match(line.lstrip())), len(lines))
    if not 1 < prose <= _SHORT_PARAGRAPH or width > _COMMON_WRAP or max(lengths[:prose]) > width:
        return width, False
    if any(line.rstrip()[-1:] in _LIST_FOLLOWS for line in lines[: prose - 1]):
        return width, False
    return width, min(lengths[: prose - 1]) >= width - _RAGGED


def _continues(previous: str, body: str) -> bool | None:
    """Whether a line goes on with the sentence or the paragraph of the line before it; None where its length tells."""
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
    if last not in _COMPLETE and (first.islower() or last in _COMMAS):
        return True
    if last in _LIST_FOLLOWS and not first.islower():
        return False
    return None


def _by_length(previous: str, body: str, wrap: tuple[int, bool], indent: int, in_item: bool, wide: bool) -> bool:
    width, trusted = wrap
    if in_item and not trusted:
        # Who marks the items of a list begins none without a mark, so one long line is enough there. Chinese, Japanese
        # and Korean ones are cut far from any width.
        if wide and previous[-1] not in _COMPLETE and _columns(previous, True) >= _NARROWEST_WRAP:
            return True
        trusted = _NARROWEST_WRAP <= width <= _COMMON_WRAP
    return trusted and _fills(previous, body, width - indent, wide)


def _fills(previous: str, body: str, width: int, wide: bool) -> bool:
    """Whether a line was broken because the next word had no room: where it had, the break was meant."""
    if not wide:
        word = len(body.split(None, 1)[0])
        return len(previous) <= _WIDEST_WRAP >= len(body) and len(previous) + 1 + word > width
    length = _columns(previous, True)
    if length > _WIDEST_WRAP or _columns(body, True) > _WIDEST_WRAP:
        return False
    return length + 1 + _columns(_first_word(body), True) > width


def _first_word(body: str) -> str:
    word = body.split(None, 1)[0]
    if (run := _WIDE.match(word)) and not "\uac00" <= word[0] <= "\ud7a3":
        return word[: min(run.end(), 4)]  # Chinese and Japanese break between any two characters, but hardly in a word
    return word
