"""A text as terms to match: words of scripts with spaces, pairs of characters of scripts without."""

import re

from builders.text.hashes import normalise

# Thai, Lao, Burmese, Khmer, kana, Han. Korean is spaced, but its words carry their particles: pairs match stems.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def terms(text: str) -> list[str]:
    """The terms, in order and with repeats. An empty text, or one of signs alone, has none."""
    found = []
    for word in normalise(text).split():
        if word.isascii():
            found.append(word)
            continue
        end = 0
        for run in _UNSPACED.finditer(word):
            if run.start() > end:
                found.append(word[end : run.start()])
            found.extend(_pairs(run.group()))
            end = run.end()
        if end < len(word):
            found.append(word[end:])
    return found


def _pairs(run: str) -> list[str]:
    """Overlapping pairs of characters, the usual terms of Chinese and Japanese retrieval; one alone is a term.

    Han characters are terms by themselves too: 冬の川 and 川は冬に share two words and no pair.
    """
    if len(run) == 1:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)] + _HAN.findall(run)
