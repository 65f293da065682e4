"""Gates on a written triplet: languages on short and long text, copies, and texts that are too near."""

import pytest

from builders.llm.prompts import load_prompt
from builders.text.languages import NAMES, language_name, named_language, script_of, scripts
from builders.text.triplet_gates import language_fault, triplet_fault
from tests.corpora import SENTENCES

EXAMPLES = load_prompt("synthetic_triplet").examples
GOOD = {
    "query": "how long does rye dough rest",
    "positive": "Rye takes up water slowly. Leave the dough alone for three hours in a cool room before you shape a loaf.",
    "hard_negative": "A rye loaf is done when it sounds hollow. Let it cool on a rack for a day before you cut it.",
}


def test_every_language_has_a_name_and_the_script_of_its_sentences() -> None:
    assert {named_language(language_name(code) or "") for code in NAMES.values()} == set(NAMES.values())
    for code, sentences in SENTENCES.items():
        assert all(script_of(code) in scripts(s.format(p="", n="")) for s in sentences)
    assert language_name("xx") is None


@pytest.mark.parametrize("asked", SENTENCES)
@pytest.mark.parametrize("written", SENTENCES)
def test_a_long_text_is_in_the_language_it_was_asked_for_or_is_told_apart(asked: str, written: str) -> None:
    text = " ".join(s.format(p="Lomar", n=12) for s in SENTENCES[written])
    assert (language_fault(text, asked) is None) is (asked == written)


@pytest.mark.parametrize(
    ("text", "language", "right"),
    [
        ("Der Teig ruht drei Stunden.", "de", True),
        ("The dough rests for three hours.", "de", False),
        ("The dough rests for three hours.", "en", True),
        ("Taikina lepää kolme tuntia.", "fi", True),
        ("Unga hukaa kwa saa tatu.", "sw", True),
        ("Ìyẹ̀fun náà sinmi fún wákàtí mẹ́ta.", "yo", True),
        ("生地を三時間休ませる。", "ja", True),
        ("生地を三時間休ませる。", "en", False),
        ("Тесто стоит три часа.", "ru", True),
        ("Dough rests.", "ru", False),
        ("123", "ru", True),  # no letter says anything
    ],
)
def test_a_short_text_is_believed_unless_script_or_english_speaks_up(text: str, language: str, right: bool) -> None:
    assert (language_fault(text, language) is None) is right


@pytest.mark.parametrize(
    ("changes", "language", "reason"),
    [
        ({}, "en", None),
        ({}, "de", "wrong_language"),
        ({"query": "wie lange muss der Teig aus Roggenmehl vor dem Formen ruhen"}, "en", "wrong_language"),
        ({"query": "Leave the dough alone for three hours"}, "en", "copy_of_chunk"),
        ({"query": "rye takes up water slowly"}, "en", "copy_of_chunk"),
        ({"query": "rye water"}, "en", None),
        ({"query": "let it cool on a rack for a day"}, "en", "copy_of_chunk"),
        ({"query": "how a rye loaf is done: it sounds hollow, let it cool on a rack for a day"}, "en", "copy_of_chunk"),
        (
            {"query": "Do not bake bread and let it rest", "positive": "Do not bake the bread, let it rest for hours."},
            "en",
            "copy_of_chunk",
        ),
        ({"query": EXAMPLES[0]["query"]}, "en", "copy_of_example"),
        ({"positive": EXAMPLES[0]["hard_negative"]}, "en", None),
        ({"positive": EXAMPLES[0]["positive"]}, "en", "copy_of_example"),
        ({"hard_negative": GOOD["positive"]}, "en", "near_duplicate"),
        ({"hard_negative": GOOD["positive"] + " A loaf is done when it sounds hollow."}, "en", "near_duplicate"),
        ({"hard_negative": GOOD["positive"].rpartition(" before")[0]}, "en", "near_duplicate"),
        ({"hard_negative": "A loaf cools."}, "en", "too_short"),
        ({"positive": "-- .. -- .. --"}, "en", "empty"),
        ({"query": "?!"}, "en", "empty"),
    ],
)
def test_the_first_gate_that_fails_gives_the_reason(changes: dict[str, str], language: str, reason: str | None) -> None:
    fault = triplet_fault(GOOD | changes, language, EXAMPLES)
    assert (fault.reason if fault else None) == reason
