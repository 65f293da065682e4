"""Sentences of a text, as spans of code points: blocks of lines, the engine of the language, and a pass that mends."""

import re

from sentencex import segment

from builders.text.sentence_blocks import MARKER, MARKER_STARTS, block_spans
from builders.text.sentence_joins import joins, missed, opener_at_end

# No engine is handed more than this at once: some rules of sentencex are quadratic (a text of « without » takes 44 ms
# at 25,000 characters and 4 ms at 8,000), and crfcut makes some 80 strings a word.
_LARGEST_PIECE = 8_000
_LARGEST_THAI_PIECE = 1_000
# Without this an ASCII block is one sentence, as most are in code and lists: the engine need not see it.
_MAY_END = re.compile(r"[.!?][\"')\]}]*[\s\"'(\[{]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_THAI = re.compile("[\u0e01-\u0e4e]")


def sentence_spans(text: str, language: str) -> list[tuple[int, int]]:
    """The sentences of `text` as half-open spans of code points, in order.

    They are disjoint, not empty and stripped, and all that lies outside them is whitespace. A blank line ends a
    sentence; `sentence_blocks` says which other line ends do. `language` is a code such as "en" or "pt-BR"; one that
    the engine does not know is read as English. Time grows linearly with the text, whatever is in it.
    """
    language = language.replace("_", "-").partition("-")[0].lower()
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    spans: list[tuple[int, int]] = []
    for start, end in block_spans(text, language):
        block = text[start:end].replace("\n", " ")
        # The engine takes a list marker for a sentence, or the item for one that it must not split.
        marker = MARKER.match(block) if block[0] in MARKER_STARTS else None
        head = marker.end() if marker else 0
        begin = first_stop = 0
        if block.isascii():
            stop = _MAY_END.search(block, head)
            if stop is None:
                spans.append((start, end))
                continue
            first_stop = stop.start()
        offered = _boundaries(block, head, language)
        more = missed(block, head, max(head, first_stop), language, offered)
        for left, right in sorted([*offered, *more]) if more else offered:
            if not (more and (left, right) in more) and joins(block, left, right, language, head, max(begin, head)):
                continue
            if left == right and opener_at_end(block, left):
                right = left - 1
                left = begin + len(block[begin:right].rstrip())
            if left > begin:
                spans.append((start + begin, start + left))
                begin = right
        spans.append((start + begin, end))
    return spans


def _boundaries(block: str, start: int, language: str) -> list[tuple[int, int]]:
    """Where the engine ends a sentence of `block[start:]`, and where it begins the next."""
    split, largest = _sentencex, _LARGEST_PIECE
    if language == "th" and _THAI.search(block):
        split, largest = _crfcut, _LARGEST_THAI_PIECE
    if len(block) - start <= largest:
        return _between(split(block[start:], language), start) if start < len(block) else []
    found: list[tuple[int, int]] = []
    while start < len(block):
        found += _between(split(block[start : start + largest], language), start)
        # The last sentence of a piece may have been cut, so the next piece begins with it; unless that gains little, as
        # in a word without end. Then the cut stands inside the sentence, and is no boundary.
        right = found[-1][1] if found else 0
        start = right if right - start > largest // 2 and start + largest < len(block) else start + largest
    return found


def _between(parts: list[str], position: int) -> list[tuple[int, int]]:
    if len(parts) < 2:
        return []
    found: list[tuple[int, int]] = []
    left = -1
    for part in parts:
        body = part.strip()
        if body:
            right = position + part.index(body[0])
            if left >= 0:
                found.append((left, right))
            left = right + len(body)
        position += len(part)
    return found


def _sentencex(text: str, language: str) -> list[str]:
    try:
        parts: list[str] = segment(language, text)
    except UnicodeEncodeError:  # half of a surrogate pair, as broken JSON has it
        parts = segment(_SURROGATE.sub("", language), _SURROGATE.sub("\ufffd", text))
    return parts


def _crfcut(text: str, language: str) -> list[str]:
    from pythainlp.tokenize.crfcut import segment as segment_thai  # 0.1 s, and its dictionary 0.4 s more

    parts: list[str] = segment_thai(text)
    return parts if "".join(parts) == text else _sentencex(text, language)
