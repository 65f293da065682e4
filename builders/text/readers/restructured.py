"""The readable text of a reStructuredText file."""

import re
from collections.abc import Iterator

ADORNMENT = re.compile(r"([=\-`:.'\"~^_*+#<>])\1{2,}[ \t]*$")
DIRECTIVE = re.compile(r"(?P<indent>\s*)\.\. (?P<name>[\w:+.-]+)::(?:\s+(?P<argument>.*))?$")
COMMENT = re.compile(r"(?P<indent>\s*)\.\.(?:\s.*)?$")
OPTION = re.compile(r"\s*:[\w-]+:(?:\s.*)?$")
TABLE_RULE = re.compile(r"\s*(?:\+(?:[-=]+\+)+|=+(?:\s+=+)+)\s*$")

# Directives whose argument is the beginning of their text; that of others is a language, a file or an option.
SPOKEN = frozenset(
    "note warning tip hint important caution danger attention seealso admonition topic rubric deprecated versionadded "
    "versionchanged function class method module attribute data exception".split()
)
# Directives with nothing to read in them.
SILENT = frozenset(
    "toctree image figure include literalinclude contents index raw meta highlight automodule autoclass autofunction "
    "currentmodule py:currentmodule only tabularcolumns plot".split()
)

ROLE = re.compile(r"(?<![\w`]):[a-z][\w:+.-]{0,40}:`(?P<text>[^`]{1,300})`")
LITERAL = re.compile(r"``(?P<text>[^\n]{1,400}?)``")
LINK = re.compile(r"`(?P<text>[^`<>]{1,300}?)\s{0,20}<[^<>`]{1,1000}>`_{1,2}")
REFERENCE = re.compile(r"`(?P<text>[^`]{1,300})`_{0,2}")
STRONG = re.compile(r"(?<![\w*])\*\*(?=\S)(?P<text>[^*]{1,300}?)(?<=\S)\*\*(?![\w*])")
EMPHASIS = re.compile(r"(?<![\w*])\*(?=\S)(?P<text>[^*]{1,300}?)(?<=\S)\*(?![\w*])")
TARGETED = re.compile(r"(?P<text>[^<>]+?)\s*<[^<>]+>$", re.DOTALL)
BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
HELD = re.compile("\x00(?P<at>\\d+)\x00")


def restructured_text(page: str) -> tuple[str, str]:
    """The title and the text of a reStructuredText file, with the marks removed that would stand between words.

    Removed: heading lines, directives that show no text (toctree, image), the marks and options of the others,
    comments, link targets, roles, emphasis, backticks. Kept: literal blocks, lists, the cells of tables. The title is
    the first heading; where it begins the file it is not repeated in the text.
    """
    lines = page.replace("\x00", "").split("\n")
    title, kept = _without_adornments(lines)
    text = _inline("\n".join(_without_directives(kept)))
    text = BLANK_LINES.sub("\n\n", text).strip("\n")
    title = _inline(title)
    first, _, rest = text.partition("\n")
    return title, rest.strip("\n") if title and first.strip() == title and rest.strip() else text.rstrip()


def _without_adornments(lines: list[str]) -> tuple[str, list[str]]:
    """The first heading, and the lines without those that under- or overline headings."""
    title = ""
    kept: list[str] = []
    for at, line in enumerate(lines):
        before = lines[at - 1].strip() if at else ""
        if ADORNMENT.match(line):
            if before and not ADORNMENT.match(before):
                title = title or before
            continue
        if not TABLE_RULE.match(line):
            kept.append(line)
    return title, kept


def _without_directives(lines: list[str]) -> Iterator[str]:
    """The lines to be read. A directive or comment reaches to the next line that is not indented below it."""
    silent_below = -1  # the indent of the directive or comment whose body is being left out
    options = True  # a file may begin with fields, which are options of the whole of it
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if silent_below >= 0:
            if not line.strip() or indent > silent_below:
                continue
            silent_below = -1
        directive = DIRECTIVE.match(line)
        if directive:
            name = directive["name"].removeprefix("py:")
            if name in SILENT:
                silent_below = indent
            else:
                yield f"{directive['indent']}{directive['argument'] or ''}" if name in SPOKEN else ""
            options = True
        elif COMMENT.match(line):
            silent_below = indent
        elif not (options and OPTION.match(line)):
            options = False
            yield line


def _inline(text: str) -> str:
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match["text"])
        return f"\x00{len(held) - 1}\x00"

    def role(match: re.Match[str]) -> str:
        shown = TARGETED.sub(r"\g<text>", match["text"]).lstrip("~!")
        return shown

    text = LITERAL.sub(hold, text)
    text = REFERENCE.sub(r"\g<text>", LINK.sub(r"\g<text>", ROLE.sub(role, text)))
    text = EMPHASIS.sub(r"\g<text>", STRONG.sub(r"\g<text>", text))
    text = re.sub(r"^[ \t]{0,40}::$", "", text, flags=re.M)
    text = re.sub(r"::$", ":", text, flags=re.M)
    return HELD.sub(lambda match: held[int(match["at"])], text)
