"""The readable text of a Markdown file."""

import re
from collections.abc import Iterator

FRONT_MATTER = re.compile(r"\A(?P<mark>---|\+\+\+)[ \t]*\n(?P<fields>.*?)^(?P=mark)[ \t]*(?:\n|\Z)", re.DOTALL | re.M)
FRONT_TITLE = re.compile(r"^title\s*[:=]\s*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)\s*$", re.M)
FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})")

# Every pattern below is bounded, so that no file, however hostile, takes more than linear time.
CODE = re.compile(r"(?<!`)(?P<mark>`{1,3})(?!`)(?P<code>[^\n]{1,400}?)(?<!`)(?P=mark)(?!`)")
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t](?P<text>[^\n]*)$", re.M)
UNDERLINED = re.compile(r"^(?! {4}|[ \t]*[-*+|>])(?P<text>[^\n]{1,300})\n {0,3}(?:={2,}|-{2,})[ \t]*$", re.M)
TAG = re.compile(
    r"</?(?:a|b|br|center|code|dd|details|div|dl|dt|em|font|h[1-6]|hr|i|img|kbd|li|ol|p|picture|pre|samp|small|source"
    r"|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|u|ul|video)\b[^<>]{0,2000}>",
    re.I,
)
DEFINITION = re.compile(r"^ {0,3}\[[^\[\]\n]{1,200}\]:[ \t]+\S+[^\n]*$", re.M)
IMAGE = re.compile(r"!\[(?P<text>[^\[\]]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]{0,200}\])")
LINK = re.compile(r"\[(?P<text>[^\[\]]{1,500})\](?:\((?:[^()\n]|\([^()\n]{0,200}\)){0,2000}\)|\[[^\[\]\n]{0,200}\])")
AUTOLINK = re.compile(r"<(?P<text>(?:https?://|mailto:)[^<>\s]{1,2000})>")
STARS = re.compile(
    r"(?<![\\*])(?P<mark>\*{1,3})(?=[^\s*])(?P<text>[^*\n]{1,300}?(?:\n[^*\n]{1,300}?)?)(?<=\S)(?P=mark)(?!\*)"
)
UNDERSCORES = re.compile(r"(?<![\w\\])(?P<mark>_{1,3})(?=[^\s_])(?P<text>[^\n]{1,300}?)(?<=\S)(?P=mark)(?!\w)")
RULE = re.compile(r"^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$", re.M)
TABLE_RULE = re.compile(r"^[ \t]*+\|?(?:[ \t]*+:?-++:?[ \t]*+\|)++(?:[ \t]*+:?-++:?)?[ \t]*+$\n?", re.M)
QUOTE = re.compile(r"^ {0,3}(?:>[ \t]?)+", re.M)
ESCAPE = re.compile(r"\\(?P<text>[\\`*_{}\[\]()#+\-.!|<>~])")
BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")

# Holds the place of inline code while the marks around it are removed.
HELD = re.compile("\x00(?P<at>\\d+)\x00")


def markdown_text(page: str) -> tuple[str, str]:
    """The title and the text of a Markdown file, with the marks removed that would stand between words.

    Removed: front matter, heading marks, emphasis, quote marks, the targets of links and images, comments, HTML tags,
    rules, and the backticks of inline code. Kept as they are: fenced code, lists, tables. The title is that of the
    front matter, else the first heading; a heading that begins the file and is its title is not repeated in the text.
    """
    page = page.replace("\x00", "")
    front = FRONT_MATTER.match(page)
    declared = FRONT_TITLE.search(front["fields"]) if front else None
    title = declared["title"].strip() if declared else ""
    parts: list[str] = []
    for fenced, part in _parts(page[front.end() :] if front else page):
        if fenced:
            parts.append(part)
            continue
        plain, headings = _plain(part)
        if headings and not title:
            title = headings[0]
        parts.append(plain)
    text = BLANK_LINES.sub("\n\n", "\n".join(parts)).strip("\n")
    first, _, rest = text.lstrip().partition("\n")
    return title, rest.strip("\n") if title and first.strip() == title and rest.strip() else text.rstrip()


def _parts(page: str) -> Iterator[tuple[bool, str]]:
    """Stretches of lines, and whether they are fenced code. A fence that is never closed runs to the end."""
    lines: list[str] = []
    mark = ""
    for line in page.split("\n"):
        fence = FENCE.match(line)
        if not mark and fence:
            yield False, "\n".join(lines)
            lines, mark = [line], fence["mark"]
        elif mark and fence and fence["mark"].startswith(mark) and not line[fence.end() :].strip():
            yield True, "\n".join([*lines, line])
            lines, mark = [], ""
        else:
            lines.append(line)
    yield bool(mark), "\n".join(lines)


def _plain(part: str) -> tuple[str, list[str]]:
    """A stretch of prose without its marks, and its headings in order."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match["code"].strip() or match["code"])
        return f"\x00{len(held) - 1}\x00"

    def restore(text: str) -> str:
        return HELD.sub(lambda match: held[int(match["at"])], text)

    text = _without_comments(CODE.sub(hold, part))
    text = DEFINITION.sub("", text)
    text = LINK.sub(r"\g<text>", IMAGE.sub(r"\g<text>", text))  # images first: they stand within links
    text = TAG.sub("", AUTOLINK.sub(r"\g<text>", text))
    text = TABLE_RULE.sub("", text)
    text = QUOTE.sub("", text)
    text = STARS.sub(r"\g<text>", STARS.sub(r"\g<text>", text))  # twice, for emphasis within emphasis
    text = UNDERSCORES.sub(r"\g<text>", text)
    headings: list[str] = []

    def spread(match: re.Match[str]) -> str:
        heading = match["text"].strip().rstrip("#").rstrip()
        headings.append(restore(ESCAPE.sub(r"\g<text>", heading)))
        return f"\n{heading}\n"

    text = HEADING.sub(spread, UNDERLINED.sub(r"# \g<text>", text))
    text = ESCAPE.sub(r"\g<text>", RULE.sub("", text))
    return restore(text), [heading for heading in headings if heading]


def _without_comments(text: str) -> str:
    kept: list[str] = []
    end = 0
    while (start := text.find("<!--", end)) >= 0:
        close = text.find("-->", start)
        if close < 0:
            break
        kept.append(text[end:start])
        end = close + 3
    return "".join([*kept, text[end:]])
