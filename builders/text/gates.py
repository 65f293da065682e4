"""Gates on text: each says why a text is no good, or None."""

import re
import unicodedata

from builders.text.hashes import MARKS

# A word this long is a blob (base64, a minified file), unless its script writes no spaces.
LONGEST_WORD = 200
_WORD = re.compile(
    rf"[^\s\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\uffef\U00020000-\U0003ffff]{{{LONGEST_WORD + 1},}}"
)
# Thai, Lao, Tibetan, Myanmar, Khmer, CJK, kana (not their punctuation)
_UNSPACED = re.compile(
    "[\u0e01-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_NUMBER = re.compile(r"[\W\d_]+")
_PLAIN_WORD = re.compile(
    rf"[(\[\"'«„“‘¿¡*`]*(?:[^\W\d_]|[{MARKS}])+(?:[-'’·./\u200c](?:[^\W\d_]|[{MARKS}])+)*[)\]\"'»”’.,;:!?…؟،؛।*`]*"
)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
# Blocks that hold marks, with their letters and digits: Latin, Hebrew, Arabic, all of India to Myanmar, Khmer, kana.
_WITH_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u06ed\u0900-\u109f\u1780-\u17ff\u1ab0-\u1aff\u3099\u309a]")


def letter_share(text: str) -> float:
    """Letters and their marks among the characters that are not white space, 0 to 1."""
    solid = "".join(text.split())
    if not solid:
        return 0.0
    marks = sum(unicodedata.category(c)[0] == "M" for c in _WITH_MARKS.findall(solid))
    letters = len(_NOT_LETTERS.sub("", solid)) + marks
    dense = len(_DENSE.findall(solid))  # a letter that says a syllable or a word weighs as much as two
    return (letters + dense) / (len(solid) + dense)


def plain_word_share(text: str) -> float:
    """Words that are nothing but letters (a mark before or after is no matter) among those that are not numbers."""
    unspaced = len(_UNSPACED.findall(text)) / 2
    words = [word for word in _UNSPACED.sub(" ", text).split() if not _NUMBER.fullmatch(word)]
    plain = sum(1 for word in words if _PLAIN_WORD.fullmatch(word))
    return (plain + unspaced) / (len(words) + unspaced) if words or unspaced else 0.0


def not_prose(text: str, least_letters: float, least_plain_words: float) -> str | None:
    """Why this is no sentence of a language: not text, or too few plain words, as in code and logs."""
    if fault := not_text(text, least_letters):
        return fault
    share = plain_word_share(text)
    if share < least_plain_words:
        return f"{share:.0%} of its words are plain, at least {least_plain_words:.0%} are asked for"
    return None


def not_text(text: str, least_letters: float) -> str | None:
    """Why this is not text: an endless word, or too few letters among its characters."""
    blob = max(map(len, _WORD.findall(text)), default=0)
    if blob > len(text) / 2:
        return f"a word of {blob} characters is more than half of it"
    share = letter_share(text)
    return (
        f"{share:.0%} of its characters are letters, at least {least_letters:.0%} are asked for"
        if share < least_letters
        else None
    )


def word_count(text: str) -> float:
    """Words that hold a letter or digit; in scripts without spaces every two characters count for one."""
    unspaced = len(_UNSPACED.findall(text))
    return sum(1 for word in _UNSPACED.sub(" ", text).split() if any(c.isalnum() for c in word)) + unspaced / 2
