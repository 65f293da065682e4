"""Gates on a written triplet: each is a named reason for rejection."""

from collections.abc import Mapping, Sequence

from builders.text.duplicates import JACCARD, jaccard, shingle_hashes
from builders.text.gates import not_text, word_count
from builders.text.hashes import normalise
from builders.text.languages import (
    RULED_OUT,
    SURE,
    against_english,
    identify,
    is_short,
    probability_of,
    script_of,
    scripts,
)
from builders.text.query_gates import ENGLISH, REPEATED_SHARE, Fault, copied, query_fault, shared_words

PASSAGES = ("positive", "hard_negative")
# A passage that is no longer than a query holds nothing to be found by.
LEAST_WORDS = 8
# A query this long that stands in the positive word for word was cut out of it; a shorter one may be a term.
CONTAINED_WORDS = 5
LEAST_LETTERS = 0.4


def triplet_fault(fields: Mapping[str, str], language: str, examples: Sequence[Mapping[str, str]]) -> Fault | None:
    """The first gate that the query, positive or hard negative fails, or None. `language` is what was asked for."""
    for name in PASSAGES:
        if fault := _passage_fault(fields[name], language, [example[name] for example in examples]):
            return Fault(fault.reason, f"its {name.replace('_', ' ')}: {fault.detail}")
    query, positive, negative = fields["query"], fields["positive"], fields["hard_negative"]
    if fault := query_fault(query, positive, language, [example["query"] for example in examples]):
        return fault
    return _repeated(query, fields) or _too_near(positive, negative)


def _repeated(query: str, fields: Mapping[str, str]) -> Fault | None:
    """A query that is one of its passages, or stands in it: matching words finds it, or its negative is its answer.

    Of 12 triplets of SmolLM2 that were read, one repeated its query in the negative and two in the positive, with a
    word or two changed.
    """
    for name in PASSAGES:
        passage, called = fields[name], name.replace("_", " ")
        if word_count(query) >= CONTAINED_WORDS and f" {normalise(query)} " in f" {normalise(passage)} ":
            return Fault("copy_of_chunk", f"the query stands in its {called} word for word")
        if (share := shared_words(query, passage)) >= REPEATED_SHARE:
            return Fault("copy_of_chunk", f"the query is nearly its {called} ({share:.2f} of their words)")
    return None


def _passage_fault(passage: str, language: str, examples: Sequence[str]) -> Fault | None:
    if not any(map(str.isalnum, normalise(passage))):
        return Fault("empty", "it holds no word")
    if fault := not_text(passage, LEAST_LETTERS):
        return Fault("not_text", fault)
    if (count := word_count(passage)) < LEAST_WORDS:
        return Fault("too_short", f"{count:g} words, at least {LEAST_WORDS} are asked for")
    for example in examples:
        if copied(passage, example) or shared_words(passage, example) >= REPEATED_SHARE:
            return Fault("copy_of_example", f"it repeats the prompt's example {example[:60]!r}")
    if fault := language_fault(passage, language):
        return Fault("wrong_language", fault)
    return None


def language_fault(text: str, language: str) -> str | None:
    """Why the text is not in the language, or None; a short one is believed unless its script or English speaks up."""
    own, wanted = scripts(text), script_of(language)
    if own and wanted not in own:
        return f"it is written in {'+'.join(sorted(own))}, and {language} in {wanted}"
    if is_short(text):
        own_language = against_english(text, language)
        if own_language is None or own_language >= ENGLISH:
            return None
        return f"it is rather in English than in {language} ({own_language:.3f})"
    found, probability = identify(text)
    if found == language or probability < SURE or probability_of(text, language) > RULED_OUT:
        return None
    return f"it is in {found} ({probability:.2f}), and {language} was asked for"


def _too_near(positive: str, negative: str) -> Fault | None:
    """Nearly the same text, or one that holds the other: then the negative may hold the answer."""
    alike = jaccard(*(shingle_hashes([normalise(text)]) for text in (positive, negative)))
    if alike >= JACCARD:
        return Fault("near_duplicate", f"its three-word runs are those of the positive (Jaccard {alike:.2f})")
    if copied(positive, negative) or copied(negative, positive):
        return Fault("near_duplicate", "one of its texts holds the other")
    return None
