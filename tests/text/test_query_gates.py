"""Gates on a written query: each named rejection, and near misses that must pass."""

import pytest

from builders.text.query_gates import copied, query_fault

CHUNK = (
    "Rennet sets milk into curd by cutting one protein, which otherwise keeps the casein particles apart. "
    "Too much of it makes the young cheese bitter, since what is left over goes on cutting proteins while it ripens."
)
THAI = "ชาวนาในภาคเหนือปลูกข้าวเหนียวบนที่ราบระหว่างภูเขา และเก็บเกี่ยวในเดือนพฤศจิกายนเมื่อฝนหยุดตกแล้ว"
JAPANESE = "梅雨の時期に収穫した小麦は穂についたまま芽を出すことがある。芽を出した粒ではでんぷんを分解する酵素が働く。"
EXAMPLES = ["why does my homemade cheese taste bitter after ageing", "小麦 穂発芽 対策 早生品種"]


def reason(query, chunk=CHUNK, language="en", examples=EXAMPLES):
    fault = query_fault(query, chunk, language, examples)
    return fault.reason if fault else None


@pytest.mark.parametrize("query", ["", "  ", "...", "?!", "🙂", "___", "+++", "C#"[1:]])
def test_a_query_without_a_word_is_empty(query):
    assert reason(query) == "empty"


@pytest.mark.parametrize(
    ("query", "chunk", "language"),
    [
        ("Too much of it makes the young cheese bitter", CHUNK, "en"),
        ("TOO MUCH OF IT makes the young cheese bitter, since...", CHUNK, "en"),
        (CHUNK, CHUNK, "en"),
        ("“" + CHUNK.replace(" ", "  ") + "”", CHUNK, "en"),
        ("Rennet", "rennet!", "en"),
        ("穂についたまま芽を出すことがある", JAPANESE, "ja"),
        ("ปลูกข้าวเหนียวบนที่ราบระหว่างภูเขา", THAI, "th"),
    ],
)
def test_a_copied_sentence_is_a_copy_of_the_chunk(query, chunk, language):
    assert reason(query, chunk, language) == "copy_of_chunk"


@pytest.mark.parametrize(
    ("query", "chunk", "language"),
    [
        ("casein particles", CHUNK, "en"),
        ("how does rennet set milk into curd", CHUNK, "en"),
        ("C++", "C is not C++ and neither is C#.", "en"),
        ("でんぷんを分解する酵素", JAPANESE, "ja"),  # eleven characters, four words: a term
        ("ปลูกข้าวเหนียว", THAI, "th"),  # fourteen characters, two words
        ("小麦の穂発芽を防ぐには", JAPANESE, "ja"),
    ],
)
def test_a_term_of_the_chunk_is_no_copy(query, chunk, language):
    assert reason(query, chunk, language) is None


def test_one_word_in_ten_may_differ_in_a_copy():
    words = (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split() * 2
    )
    text = " ".join(f"{w}{i}" for i, w in enumerate(words))
    assert copied(text, text)
    assert copied(text + " more", text)
    assert not copied(" ".join(text.split()[::2]), text)


@pytest.mark.parametrize("query", [*EXAMPLES, EXAMPLES[0].upper() + "?", EXAMPLES[0] + "."])
def test_an_example_of_the_prompt_is_no_query(query):
    assert reason(query, chunk=CHUNK + JAPANESE, language="und") == "copy_of_example"
    assert reason(query, chunk=CHUNK + JAPANESE, language="und", examples=[]) is None


def test_a_long_query_in_another_language_is_in_the_wrong_one():
    german = "Warum schmeckt junger Käse manchmal bitter, wenn man zu viel Lab in die Milch gegeben hat?"
    assert reason(german) == "wrong_language"
    assert reason(german, chunk=CHUNK, language="und") is None
    assert reason(german, chunk="Lab spaltet ein Eiweiß der Milch.", language="de") is None


@pytest.mark.parametrize(
    "query", ["Lab Käse bitter", "queso amargo", "rennet Gerinnung", "cheese ripening temperature"]
)
def test_a_short_query_is_never_judged_by_its_words(query):
    assert reason(query) is None


@pytest.mark.parametrize("query", ["сыр", "チーズ 苦い", "ชีส", "how does rennet work"])
def test_a_query_in_another_script_is_in_the_wrong_language(query):
    chunk, language = (THAI, "th") if query.isascii() else (CHUNK, "en")
    assert reason(query, chunk, language) == "wrong_language"
    assert reason(f"{query} 42", query + " ...", "und") is None


@pytest.mark.parametrize(
    ("query", "stated", "rejected"),
    [
        ("add a screen to your computer", "English", True),
        ("add a screen to your computer", "German", True),
        ("add a screen to your computer", "", True),
        ("screen", "", False),
        ("Monitor USB", "", False),
        ("Bildschirm am Rechner anschließen", "English", False),
        ("Bildschirm am Rechner anschließen", "German", False),
    ],
)
def test_a_short_query_is_compared_with_english_and_with_its_writers_word(
    query: str, stated: str, rejected: bool
) -> None:
    chunk = "Schließen Sie den Bildschirm an den Rechner an und warten Sie, bis er erkannt wird."
    fault = query_fault(query, chunk, "de", [], stated)
    assert (fault.reason if fault else None) == ("wrong_language" if rejected else None)
