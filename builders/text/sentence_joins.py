"""Where the sentence engine errs: `joins` judges each of its boundaries, `missed` finds those that it did not offer."""

import re

from builders.text.abbreviations import ENDING, LEADING, NO_ABBREVIATIONS, TRAILING

_NONE: frozenset[str] = frozenset()
_STOPS = frozenset(".!?…")
_OPENING = "([{«“„‘‚\"'‹「『《〈（【¿¡"
_OPENERS = frozenset(_OPENING)
_BEGINNERS = _OPENERS | frozenset("→<")
_QUOTES = frozenset('"»«”“’」』》›')
_DASHES = frozenset("—–-")
# In Chinese, Japanese and Korean prose a bare number with a full stop is an item, a date or the number of a section.
_NUMBER_NEVER_ENDS = frozenset({"ja", "ko", "zh"})
# Ordinals of German: "im 19. Jahrhundert", "der 3. Versuch"; after other words a number may end a sentence.
_ORDINAL_BEFORE = frozenset(
    {"ab", "am", "bis", "das", "dem", "den", "der", "des", "die", "im", "jeder", "jedes", "seit", "vom", "zum", "zur"}
)
# What goes on with the sentence after a closed quotation, in languages that have no lowercase to show it.
_AFTER_QUOTE = {
    "ar": ("ثم ", "و"),
    "fa": ("و ", "که ", "را "),
    "ja": ("と", "って", "という", "なんて", "とか", "など", "の", "は", "が", "を", "に"),
}
# Names of one letter that end sentences in technical text ("escrito en C.", "le système X."): in the development
# corpora two thirds of the boundaries after one capital are theirs, and all of those are true.
_NOT_INITIALS = frozenset("CRX")
# Where an ordinal is a number with a full stop, and a lowercase word after it shows it: "bu örnek 1. örneğe".
_ORDINALS = frozenset({"tr"})
_LONGEST_TOKEN = 24
_LETTERS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"[\w(/.=-]")  # what goes on after the letters of "apr_bucket", "end()", "a.b"
_SIGNS = ".!?…"
_QUOTE_MARKS = frozenset("'\"‘“«„")


# A stop, the quotes and the bracket that it closes, spaces, and a capital or what opens a sentence. The class at the
# start is what makes the search fast.
_MISSED = re.compile(r"[.!?]([\"'”»’]?\)?)\s+(?=[^\W\d_a-z]|[\"“„«(\[¿¡])")
_MISSED_LOWERCASE = re.compile(r"[.!?]([\"'”»’]?\)?)\s+(?=[^\W\d_]|[\"“„«(\[¿¡])")
# Directly after a CJK stop a letter, a digit, an arrow or a tag; after its bracket and a space, anything.
_MISSED_CJK = re.compile(r"[。！？](?:[”」』]?(?=[A-Za-z0-9→<])|[)）]\s+(?=\w))")
_CJK = frozenset({"ja", "zh"})
_NONE_MISSED: frozenset[tuple[int, int]] = frozenset()
_CAPITALS = re.compile(r"[^\W\d_a-z](?:[^\W\d_a-z]|/)*[^\W\d_a-z]")
_NUMERAL = re.compile(r"[IVXLCDM]+")
# "EE. UU.", "AA. VV.": the plurals of Romance abbreviations are doubled capitals. Names follow the other ones.
_PLURAL = re.compile(r"(\w)\1")
_TITLES = frozenset("cf cv dr ft jr lt mt nb nr ps pt sr st".split())
_COMPANIES = frozenset("co corp inc ltd".split())
_BEFORE_NAME_OF_ONE_LETTER = frozenset({"em", "en", "in", "OS", "système"})
# Languages in which the engine never ends a sentence before a lowercase word, as names of programs are.
_LOWERCASE_NEVER_BEGINS = frozenset({"de", "fi"})
_LONG_ABBREVIATIONS = frozenset("abzgl allgem ausschl einschl entspr insbes zuzügl".split())
_PARTICLES = _AFTER_QUOTE["ja"] + ("で", "も", "へ", "から", "まで", "より", "や")
_QUOTED = 500  # characters to look back for an open bracket or quotation


def missed(
    text: str, start: int, first_stop: int, language: str, offered: list[tuple[int, int]]
) -> frozenset[tuple[int, int]]:
    """The boundaries in `text[start:]` that the engine should have offered, in the form of `offered`.

    No stop stands before `first_stop`.
    """
    pattern = _MISSED_LOWERCASE if language in _LOWERCASE_NEVER_BEGINS else _MISSED
    known = {begin for _, begin in offered}
    matches = [match for match in pattern.finditer(text, first_stop) if match.end() not in known]
    if language in _CJK:
        matches += [match for match in _MISSED_CJK.finditer(text, start) if match.end() not in known]
    if not matches:
        return _NONE_MISSED
    return frozenset(
        (match.start() + len(match[0].rstrip()), match.end())
        for match in matches
        if _begins(text, match, start, language)
    )


def _begins(text: str, match: re.Match[str], block_start: int, language: str) -> bool:
    stop, right = match.start(), match.end()
    if text[stop] in "。！？":
        if text[stop] == "！" and text[stop - 1].isascii():  # "Yahoo！Japan"
            return False
        return not text.startswith(_PARTICLES, right) and not _open(text, match.end(), block_start)
    opening, first = text[right], text[right : right + _LONGEST_TOKEN].lstrip(_OPENING)[:1]
    token = text[max(block_start, stop - _LONGEST_TOKEN) : stop].rpartition(" ")[2].lstrip(_OPENING)
    key = token.lower().replace("’", "'").rpartition("'")[2]
    if ")" in match[1]:
        wanted = first.isupper() and _full(token, key, language)
    elif text[stop] != "." or match[1]:
        return False
    elif opening == '"':
        wanted = len(token) > 4 and token.isalpha() and key not in TRAILING.get(language, _NONE)
        return wanted and not _open(text, stop, block_start)
    elif first.isupper():
        wanted = _complete_word(text, token, key, stop, language)
    else:
        wanted = language in _LOWERCASE_NEVER_BEGINS and _lowercase_may_begin(token, key, first)
    return wanted and not _open(text, match.end(1), block_start)


def _full(token: str, key: str, language: str) -> bool:
    """Whether the stop before a closing bracket ends a sentence, not an abbreviation: "(in that order.) Note"."""
    known = LEADING.get(language, _NONE) | TRAILING.get(language, _NONE) | ENDING | _COMPANIES
    return key not in known and (len(token) > 2 or not token.isalpha()) and "." not in token.strip(".")


def _complete_word(text: str, token: str, key: str, stop: int, language: str) -> bool:
    if key in ENDING or key in NO_ABBREVIATIONS.get(language, _NONE):
        return True
    if language == "ru" and key == "д" and text.endswith(("т. д", "т.д"), 0, stop):
        return True
    if len(token) == 1:
        before = text[max(0, stop - _LONGEST_TOKEN) : stop - 1].split()
        return token in _NOT_INITIALS and bool(before) and before[-1] in _BEFORE_NAME_OF_ONE_LETTER
    if not _CAPITALS.fullmatch(token) or _PLURAL.fullmatch(token) or _NUMERAL.fullmatch(token):
        return False
    return key not in _TITLES and key not in LEADING.get(language, _NONE)


def _lowercase_may_begin(token: str, key: str, first: str) -> bool:
    word = token.rstrip(")")
    return (
        first.islower() and len(word) > 5 and word.isalpha() and word[1:].islower() and key not in _LONG_ABBREVIATIONS
    )


def _open(text: str, end: int, block_start: int) -> bool:
    """Whether a bracket or a quotation is open at `end`: what it holds is one sentence with what is around it."""
    begin = max(block_start, end - _QUOTED)
    if text.count('"', begin, end) % 2:
        return True
    return any(text.count(a, begin, end) > text.count(b, begin, end) for a, b in ("()", "（）", "“”", "«»", "「」"))


def joins(text: str, end: int, start: int, language: str, block_start: int, sentence_start: int) -> bool:
    """Whether the boundary between a sentence that ends at `end` and one that begins at `start` is none.

    `text[end:start]` is the whitespace between them.
    """
    last, first = text[end - 1], text[start]
    if end == start and (last in _STOPS or not (first.isalnum() or first in _BEGINNERS)):
        return _glued(text, end, first)
    if end < sentence_start + 3 and not any(map(str.isalnum, text[sentence_start:end])):
        return True  # a sign and what it does: "? matches one character"
    if last == ".":
        return _after_full_stop(text, end, start, language, block_start)
    if language == "th" and last.isalpha():
        return end == start  # Thai ends a sentence with a space
    if first in _DASHES:  # «Иди сюда!» — крикнула она.
        return text[start + 1 : start + 4].lstrip()[:1].islower()
    if last == "…":
        return first.islower() or _caseless(first)
    if last in _QUOTES or last in "!'":
        return (first.islower() and _sign_before(text, end, start)) or (
            last in _QUOTES and _after_quotation(text, end, start, language, sentence_start)
        )
    # The engine splits between brackets in code ("poll(1, 2000)"): no stop, no sentence.
    return last.isalpha() or last.isdecimal() or last in ",;:+"


def _caseless(character: str) -> bool:
    return character.isalpha() and character.lower() == character.upper()


def _glued(text: str, end: int, first: str) -> bool:
    """Names of files and modules, version numbers and decimals have no space after their stop; sentences have.

    Where the script has no case ("다.그", "است.این") a missing space is more likely a slip than a name.
    """
    if first in _OPENERS:
        return False
    if not (_caseless(first) and end > 1 and _caseless(text[end - 2])):
        return True
    return end < 3 or not text[end - 3].isalpha()  # "ر.ک.": one letter is an abbreviation in any script


def _sign_before(text: str, end: int, start: int) -> bool:
    """Whether no sentence ends: a quoted sign ("the '?' must be", « ? » à), a cry before a word ("Done! message")."""
    if text[end - 1] == "!":
        word = _WORD.match(text, start)
        return word is not None and word.end() - start > 1 and not _NAME.match(text, word.end())
    token = text[max(0, end - _LONGEST_TOKEN) : end - 1].rstrip()
    sign = token.rstrip(_SIGNS)
    return len(sign) < len(token) and sign.rstrip()[-1:] in _QUOTE_MARKS


def _after_full_stop(text: str, end: int, start: int, language: str, block_start: int) -> bool:
    first = text[start]
    token = text[max(block_start, end - _LONGEST_TOKEN) : end - 1].rpartition(" ")[2].lstrip(_OPENING)
    lower = first.islower()
    key = token.lower().replace("’", "'").rpartition("'")[2]  # "l'art. 5", "dell'avv. Neri"
    if _abbreviated(key, language, lower, first):
        return True
    if not token or token[-1] in ".\"'»”":
        return _no_word_before(text, end, first, token, lower)
    if "." in token and _dotted(token):
        return True
    if token[-1].isdigit():
        return _after_number(text, end, token, language, block_start)
    if len(token) > 1 and token[-2] != "-":
        return False
    return _after_letter(token, text[max(block_start, end - _LONGEST_TOKEN) : end - len(token) - 1], first, lower)


def _abbreviated(key: str, language: str, lower: bool, first: str) -> bool:
    if key in LEADING.get(language, _NONE) or (lower and _LETTERS.fullmatch(key)):  # "i.e. a name"
        return True
    return (lower or first.isdigit()) and key in TRAILING.get(language, _NONE)


def _dotted(token: str) -> bool:
    """An abbreviation of a script without case ("कि.मी.", "ق.م."); "3.14입니다" and "data.csv" are none."""
    caseless = not token[-1].isascii() and token[-1].lower() == token[-1].upper()
    return caseless and all(0 < len(part) < 5 and not part[0].isdigit() for part in token.split("."))


def _no_word_before(text: str, end: int, first: str, token: str, lower: bool) -> bool:
    if token.endswith("..") or text[end - 3 : end] == "...":  # without case a pause is likelier than an end
        return lower or _caseless(first)
    return lower and not any(map(str.isalnum, token))  # ". and .. are folders": the stop itself is meant


def _after_number(text: str, end: int, token: str, language: str, block_start: int) -> bool:
    if language in _NUMBER_NEVER_ENDS or (language in _ORDINALS and text[end + 1 : end + 2].islower()):
        return token.replace(".", "").isdigit()
    label = text[max(block_start, end - 2 * _LONGEST_TOKEN) : end - 1 - len(token)].split()
    if language == "de" and label and len(token) < 3 and token.isdigit():
        return label[-1].lower() in _ORDINAL_BEFORE
    # The caption "Example 14.1. Zone file": a label and its number open the block.
    return len(label) == 1 and "." in token and end - block_start < _LONGEST_TOKEN and token.replace(".", "").isdigit()


def _after_letter(token: str, before: str, first: str, lower: bool) -> bool:
    if not token[-1].isupper():
        return lower and len(token) == 1 and token.islower()  # "p. ej.", "т. е."
    if len(token) > 1:  # "J.-P. Sartre", but "ANSI-C"
        return all(len(part.rstrip(".")) == 1 for part in token.split("-"))
    words = before.split()
    # An initial follows a short word or a name ("et A. Camus"); "l'utilisateur B." ends a sentence.
    named = not words or len(words[-1]) < 4 or words[-1][0].isupper()
    return named and token not in _NOT_INITIALS and (lower or first.isupper())


def _after_quotation(text: str, end: int, start: int, language: str, sentence_start: int) -> bool:
    if end < 2 or text[end - 2] not in "!?！？。.…":
        return False
    if end == start and language == "ko":  # the particle is written to the quotation: "…?"라고
        return True
    if text.startswith(_AFTER_QUOTE.get(language, ()), start):
        return True
    if text[start] in _OPENERS or text[sentence_start] not in _OPENERS:
        return False
    # A sentence that is all quotation waits for who said it ("“你去哪儿？”她问。"). Chinese puts even a full stop
    # inside; elsewhere a comma stands there, so that only ! and ? leave the sentence open.
    return language == "zh" or (language == "ko" and text[end - 2] != ".")


def opener_at_end(text: str, end: int) -> bool:
    """Whether a sentence ends in the quotation mark that opens the next one: `hän huusi. ”` + `Minua pelottaa.”`."""
    return end > 2 and text[end - 1] in _QUOTES and text[end - 2].isspace() and text[end - 3] in _STOPS
