"""Gates on a written query: each is a named reason for rejection."""

from collections.abc import Sequence
from dataclasses import dataclass

from builders.text.duplicates import shingles, words
from builders.text.gates import not_text, word_count
from builders.text.hashes import normalise
from builders.text.languages import (
    RULED_OUT,
    SURE,
    UNDETERMINED,
    against_english,
    guess,
    identify,
    is_short,
    named_language,
    probability_of,
    scripts,
)

# A copy: nearly all of the query's word triples stand in the text. A query of fewer words may well be a term of it.
COPIED_SHARE = 0.9
COPY_WORDS = 8
# A small model varies a word or two of an example instead of reading the text.
REPEATED_SHARE = 0.6
# Keywords may be names, numbers and signs (C++, HTTP 404), but not numbers and signs alone.
LEAST_LETTERS = 0.2
# A short query is English, and not in its chunk's language, where the two compare like this.
ENGLISH = 0.05


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a query is rejected: the gate's name, and what it saw."""

    reason: str
    detail: str


def copied(query: str, text: str) -> bool:
    """Whether the query is (all but) copied from the text. Both are raw; short queries never count as copies."""
    if word_count(query) < COPY_WORDS:
        return normalise(query) == normalise(text)
    own = shingles(normalise(query))
    there = set(shingles(normalise(text)))
    return sum(s in there for s in own) >= COPIED_SHARE * len(own)


def shared_words(a: str, b: str) -> float:
    """Jaccard of the two sets of words (characters in scripts without spaces)."""
    one, two = set(words(normalise(a))), set(words(normalise(b)))
    return len(one & two) / len(one | two)


def query_fault(
    query: str, chunk: str, chunk_language: str, examples: Sequence[str], stated_language: str = ""
) -> Fault | None:
    """The first gate that the query fails, or None.

    `examples` are the queries shown in the prompt, `stated_language` is what the writer calls the query's language.
    """
    if not any(map(str.isalnum, normalise(query))):
        return Fault("empty", "the query holds no word")
    if fault := not_text(query, LEAST_LETTERS):
        return Fault("not_text", fault)
    if copied(query, chunk):
        return Fault("copy_of_chunk", "nearly all of its word triples stand in the chunk")
    for example in examples:
        if copied(query, example) or shared_words(query, example) >= REPEATED_SHARE:
            return Fault("copy_of_example", f"it repeats the prompt's example {example!r}")
    return _wrong_language(query, chunk, chunk_language, stated_language)


def _wrong_language(query: str, chunk: str, chunk_language: str, stated_language: str) -> Fault | None:
    """Told from scripts at any length, and from the words where there are enough: on short text identifiers guess.

    So a short query is only compared: its chunk's language with English, which models fall back into; or, as two
    witnesses, the identifier's guess with the writer's own word for the language.
    """
    there, own = scripts(chunk), scripts(query)
    if own and not own & there:
        return Fault(
            "wrong_language", f"it is written in {'+'.join(sorted(own))}, its chunk in {'+'.join(sorted(there))}"
        )
    if chunk_language == UNDETERMINED:
        return None
    if is_short(query):
        own_language = against_english(query, chunk_language)
        if own_language is not None and own_language < ENGLISH:
            return Fault("wrong_language", f"it is rather in English than in {chunk_language} ({own_language:.3f})")
        stated = named_language(stated_language)
        if stated in (None, chunk_language) or guess(query) != stated:
            return None
        return Fault(
            "wrong_language", f"its writer says {stated_language}, and so it looks; its chunk is in {chunk_language}"
        )
    language, probability = identify(query)
    if language == chunk_language or probability < SURE or probability_of(query, chunk_language) > RULED_OUT:
        return None
    return Fault("wrong_language", f"it is in {language} ({probability:.2f}), its chunk in {chunk_language}")
