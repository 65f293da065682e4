"""Which language a text is in, and how sure that is (py3langid; its weights are in the wheel)."""

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from typing import Any

# On about 30 characters every identifier tried was weak (15 of 20 at best); on one long sentence it was 20 of 20.
SHORT_LETTERS = 40
# The time is in proportion to the text (0.2 ms on 300 characters), and one long sentence is enough.
SAMPLE_CHARACTERS = 256
UNDETERMINED = "und"
# A language is sure from this probability on, and another ruled out up to that.
SURE, RULED_OUT = 0.9, 0.01
WINDOW = 1_000
LEAST_TO_COMPARE = 12
# What a model calls the languages of the paper, and some neighbours that it may mistake them for.
NAMES = dict(
    pair.split(":")
    for pair in """
    arabic:ar bengali:bn catalan:ca chinese:zh czech:cs danish:da dutch:nl english:en farsi:fa finnish:fi french:fr
    german:de greek:el hebrew:he hindi:hi hungarian:hu indonesian:id italian:it japanese:ja korean:ko malay:ms
    mandarin:zh norwegian:no persian:fa polish:pl portuguese:pt romanian:ro russian:ru spanish:es swahili:sw
    swedish:sv tamil:ta telugu:te thai:th turkish:tr ukrainian:uk urdu:ur vietnamese:vi yoruba:yo
    """.split()
)
# The script that a language is written in, as scripts() calls it; the others are written in LATIN.
_SCRIPTS = dict(
    pair.split(":")
    for pair in """
    ar:ARABIC bn:BENGALI el:GREEK fa:ARABIC he:HEBREW hi:DEVANAGARI ru:CYRILLIC ta:TAMIL te:TELUGU th:THAI uk:CYRILLIC
    ur:ARABIC
    """.split()
) | dict.fromkeys(("ja", "ko", "zh"), "EAST ASIAN")
_LETTER = re.compile(r"[^\W\d_]")
# Runs of ASCII that is no letter: code, tables and numbers say nothing about the language, and would fill the sample.
_NO_WORDS = re.compile(r"[\x00-\x40\x5b-\x60\x7b-\x7f]{2,}")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def is_short(text: str) -> bool:
    """Too few letters to be sure of a language. A letter of an ideographic script counts for two."""
    letters = _LETTER.findall(sample(text))
    wide = sum(1 for letter in letters if letter >= "\u2e80")
    return len(letters) + wide < SHORT_LETTERS


def identify(text: str) -> tuple[str, float]:
    """(ISO 639-1 code, probability). Short text gives (und, 0.0): better no answer than a guess."""
    return _identify(sample(text))


def sample(text: str) -> str:
    """The beginning of the text that is looked at, without what holds no words."""
    return _NO_WORDS.sub(" ", text[: 4 * SAMPLE_CHARACTERS])[:SAMPLE_CHARACTERS]


@lru_cache(maxsize=8)  # a document begins as its first chunk does
def _identify(text: str) -> tuple[str, float]:
    if is_short(text):
        return UNDETERMINED, 0.0
    language, probability = _identifier().classify(text)
    return str(language), round(float(probability), 4)


def language_of(query: str, chunk_language: str) -> str:
    """A query's language: its own where that is sure and the chunk's is ruled out, else the chunk's.

    In an English chunk only a query with other letters than ASCII is looked at: identifying takes as long as the rest
    of cropping, and another language that is written without any such letter hardly stands there.
    """
    if chunk_language == "en" and query.isascii():
        return chunk_language
    language, probability = identify(query)
    if probability >= SURE and probability_of(query, chunk_language) <= RULED_OUT:
        return language
    return chunk_language


def language_of_document(text: str, declared: str | None) -> str:
    """What most of three windows are in; a declared language stands unless most agree on another, and surely.

    One window misleads: a document may open with a paragraph that was never translated.
    """
    middle = len(text) // 2
    windows = [text[:WINDOW], text[middle : middle + WINDOW], text[-WINDOW:]] if len(text) > 2 * WINDOW else [text]
    found = [identify(window) for window in windows]
    sure = [language for language, probability in found if probability >= SURE]
    most = max(sure, key=sure.count, default=UNDETERMINED)
    if declared:
        return most if sure.count(most) * 2 > len(windows) else declared
    return most if sure else found[0][0]


def against_english(text: str, language: str) -> float | None:
    """The probability of that language where the only other is English: even a short text can be told by it.

    None where the text holds too little, or the language is English or not known to the identifier.
    """
    if language in (UNDETERMINED, "en") or len(_LETTER.findall(text)) < LEAST_TO_COMPARE:
        return None
    ranked = {name: float(p) for name, p in _identifier().rank(sample(text))}
    own, english = ranked.get(language), ranked["en"]
    return own / (own + english) if own is not None and own + english > 0 else None


def guess(text: str) -> str:
    """The likeliest language however short the text is: one witness, to be believed only beside another."""
    return str(_identifier().classify(sample(text))[0])


def named_language(words: str) -> str | None:
    """The code of a language given by its English name or its code ("Simplified Chinese", "de"), or None."""
    if words.strip().casefold() in NAMES.values():
        return words.strip().casefold()
    return next((NAMES[word] for word in re.findall(r"[a-z]+", words.casefold()) if word in NAMES), None)


def language_name(code: str) -> str | None:
    """The English name of a language of NAMES, or None."""
    return next((name.capitalize() for name, known in NAMES.items() if known == code), None)


def script_of(code: str) -> str:
    """The script in which a language of NAMES is written, as `scripts` calls it."""
    return _SCRIPTS.get(code, "LATIN")


def probability_of(text: str, language: str) -> float:
    """The probability that the text is in that language; 0 for a language that the identifier does not know."""
    ranked = _identifier().rank(sample(text))
    return next((float(p) for name, p in ranked if name == language), 0.0)


# Written side by side in Japanese, and in part in Chinese and Korean: one script for the purpose of telling them apart.
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"}


def scripts(text: str) -> set[str]:
    """The scripts of at least a fifth of the letters, by their Unicode names: LATIN, ARABIC; EAST ASIAN for several."""
    counts: Counter[str] = Counter()
    for letter, count in Counter(c for c in text if c.isalpha()).items():
        name = unicodedata.name(letter, "UNNAMED").split()[0]
        counts["EAST ASIAN" if name in _EAST_ASIAN else name] += count
    return {name for name, count in counts.items() if count >= counts.total() / 5}
