"""Text of others in a Markdown page: shown as it is, whatever it holds, and never read as Markdown or HTML."""

import re
import unicodedata
from typing import Any

# What would begin something inside a line, and what would at its start.
_INLINE = re.compile(r"([\\`*_\[\]<>|~&$])")
_NUMBERED = re.compile(r"^(\d+)([.)])(?= |$)")
_START = re.compile(r"^([-+=:#!])")
_SPACES = re.compile(r"\s+")
# Unseen characters that spelling needs (Persian, Indic scripts) and that move nothing.
_JOINERS = "\u200c\u200d"


class Markdown(str):
    """Text that is Markdown already; any other is escaped where it is put into a page."""

    __slots__ = ()


def visible(text: str, kept: str = "") -> str:
    """Controls, bidi marks and other unseen characters as \\u{202e}: what is unseen could reorder or hide a line."""
    return "".join(
        f"\\u{{{ord(char):x}}}"
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char not in kept + _JOINERS
        else char
        for char in text
    )


def one_line(text: str) -> str:
    return visible(_SPACES.sub(" ", text).strip())


def escape(value: Any) -> str:
    """The value as words of a line; jinja2 calls it for every expression of the template (`finalize`)."""
    if isinstance(value, Markdown):
        return value
    text = _INLINE.sub(r"\\\1", one_line(str(value)))
    return _NUMBERED.sub(r"\1\\\2", _START.sub(r"\\\1", text))


def code(value: Any) -> Markdown:
    """A code span, for prose and headings."""
    text = one_line(str(value))
    if not text:
        return Markdown("(empty)")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return Markdown(f"{ticks}{pad}{text}{pad}{ticks}")


def cell(value: Any) -> Markdown:
    """A code span in a cell of a table, where a bar would end the cell even inside a code span."""
    return Markdown(code(value).replace("|", "\\|"))


def fence(text: str, language: str = "") -> Markdown:
    """A fenced block that the text cannot close."""
    lines = visible(text.replace("\r\n", "\n"), "\n\t").rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", lines)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Markdown(f"{ticks}{language}\n{lines}\n{ticks}")


def number(value: float) -> Markdown:
    return Markdown(f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip("."))


def percent(share: float) -> Markdown:
    """As many digits as tell a small share from none."""
    if share in (0, 1):
        return Markdown(f"{share:.0%}")
    if share < 0.0001:
        return Markdown("< 0.01%")
    return Markdown(f"{share:.2%}" if share < 0.01 else f"{min(share, 0.999):.1%}")
