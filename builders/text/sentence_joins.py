"""Where the sentence engine splits too much: the one pass that judges each of its boundaries."""

from builders.text.abbreviations import LEADING, TRAILING

_NONE: frozenset[str] = frozenset()
_STOPS = frozenset(".!?…")
_OPENING = "([{«“„‘‚\"'‹「『《〈（【¿¡"
_OPENERS = frozenset(_OPENING)
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
_LONGEST_TOKEN = 24


def joins(text: str, end: int, start: int, language: str, block_start: int, sentence_start: int) -> bool:
    """Whether the boundary between a sentence that ends at `end` and one that begins at `start` is none.

    `text[end:start]` is the whitespace between them.
    """
    last, first = text[end - 1], text[start]
    if end == start and (last in _STOPS or not (first.isalnum() or first in _OPENERS)):
        return _glued(text, end, first)
    if last == ".":
        return _after_full_stop(text, end, start, language, block_start)
    if language == "th" and last.isalpha():
        return end == start  # Thai ends a sentence with a space
    if first in _DASHES:  # «Иди сюда!» — крикнула она.
        return text[start + 1 : start + 4].lstrip()[:1].islower()
    if last == "…":
        return first.islower() or _caseless(first)
    if last in _QUOTES:
        return _after_quotation(text, end, start, language, sentence_start)
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


def _after_full_stop(text: str, end: int, start: int, language: str, block_start: int) -> bool:
    first = text[start]
    token = text[max(block_start, end - _LONGEST_TOKEN) : end - 1].rpartition(" ")[2].lstrip(_OPENING)
    lower = first.islower()
    key = token.lower().replace("’", "'").rpartition("'")[2]  # "l'art. 5", "dell'avv. Neri"
    if key in LEADING.get(language, _NONE):
        return True
    if (lower or first.isdigit()) and key in TRAILING.get(language, _NONE):
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


def _dotted(token: str) -> bool:
    """An abbreviation of a script without case ("कि.मी.", "ق.م."); "3.14입니다" and "data.csv" are none."""
    caseless = not token[-1].isascii() and token[-1].lower() == token[-1].upper()
    return caseless and all(0 < len(part) < 5 and not part[0].isdigit() for part in token.split("."))


def _no_word_before(text: str, end: int, first: str, token: str, lower: bool) -> bool:
    if token.endswith("..") or text[end - 3 : end] == "...":  # without case a pause is likelier than an end
        return lower or _caseless(first)
    return lower and not token  # ". and .. are folders": the stop itself is meant


def _after_number(text: str, end: int, token: str, language: str, block_start: int) -> bool:
    if language in _NUMBER_NEVER_ENDS:
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
