"""Clean a document's text: NFC, control characters, white space; and count what changed."""

import re
import unicodedata
from collections import Counter

# Everything of category Cc but tab and newline; soft hyphens, byte-order marks, lone surrogates, non-characters; the
# zero-width space, which only says where a line may be broken (as a blank it would end Thai sentences); and what makes
# a page show another text than it holds: bidi embeddings, overrides and isolates (Trojan Source), tag characters. The
# joiners U+200C and U+200D stay: Persian and Indic spelling needs them. So do U+200E and U+200F.
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Inside a line: runs of blanks, and any blank that is not a plain space. Indentation is kept: it carries the structure
# of code and lists.
_BLANKS = re.compile(
    r"(?<=\S)(?:[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]{2,}|[\t\u00a0\u1680\u2000-\u200a\u202f\u205f])"
)
# Tried once a run, and possessive: a run of blanks before a word would otherwise cost its length squared.
_TRAILING = re.compile(r"(?<![^\S\n])[^\S\n]++$", re.MULTILINE)
# What is left of the link beside a heading, in the text of a documentation page.
_HEADING_LINKS = re.compile(r"(?<=\S)[ \t]?¶$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> tuple[str, Counter[str]]:
    """The cleaned text, and counts: characters removed, line ends and runs of blanks folded, whether NFC changed it."""
    changed: Counter[str] = Counter()
    text, changed["line_ends_folded"] = _LINE_ENDS.subn("\n", text)
    text, changed["control_characters_removed"] = _CONTROLS.subn("", text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        changed["texts_made_nfc"] = 1
    text, changed["blanks_folded"] = _BLANKS.subn(" ", text)
    text, changed["trailing_blanks_removed"] = _TRAILING.subn("", text)
    text, changed["heading_links_removed"] = _HEADING_LINKS.subn("", text)
    text, changed["empty_lines_folded"] = _EMPTY_LINES.subn("\n\n", text)
    return text.strip(), +changed


def clean_line(text: str) -> str:
    """A title or a query: cleaned, and on one line."""
    return " ".join(clean(text)[0].split())
