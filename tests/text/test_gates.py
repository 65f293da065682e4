"""Gates on text: prose of every script passes, blobs and rulers and numbers do not."""

import base64
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.text.gates import LONGEST_WORD, letter_share, not_text, word_count

PROSE = {
    "en": "A plain sentence with a number (42) in it.",
    "hi": "हर सुबह गाँव के लोग पुराने कुएँ के पास इकट्ठा होते हैं",
    "bn": "গ্রামের মানুষ প্রতিদিন সকালে কথা বলে",
    "te": "ప్రతి ఉదయం గ్రామస్తులు పాత బావి దగ్గర కలుసుకుంటారు",
    "th": "ทุกเช้าชาวบ้านจะมารวมตัวกันที่บ่อน้ำเก่า",
    "ar": "كَتَبَ الوَلَدُ الدَّرْسَ فِي الدَّفْتَرِ",
    "my": "မြန်မာဘာသာစကားသည် လှပသည်",
    "km": "ភាសាខ្មែរមានប្រវត្តិយូរលង់",
    "yo": "Àwọn ará abúlé máa ń pàdé lẹ́gbẹ̀ẹ́ kànga",
    "zh": "村里的人们每天早上都聚集在老井旁边",
}
BLOB = base64.b64encode(random.Random(1).randbytes(3000)).decode()


@pytest.mark.parametrize("language", PROSE)
def test_prose_is_nearly_all_letters_and_marks(language):
    assert letter_share(PROSE[language]) > 0.8
    assert not_text(PROSE[language], 0.4) is None


@pytest.mark.parametrize("language", ["th", "zh", "my", "km"])
def test_a_script_without_spaces_has_no_endless_words(language):
    assert not_text(PROSE[language].replace(" ", "") * 40, 0.4) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "letters"),
        ("=" * 70, "letters"),
        ("1 2 3 4 5 6 | 7.5e-3 | 0x12", "letters"),
        ("१२३ ४५६ ७८९ ০১২৩ ๑๒๓", "letters"),  # digits of other scripts are no letters either
        ("+---+---+\n| a | b |\n+---+---+", "letters"),
        (BLOB, "word of"),
        (f"data: {BLOB} end", "word of"),
        ("x" * (LONGEST_WORD + 1) + " " + BLOB, "word of"),  # the longest word counts, not the first that is too long
    ],
)
def test_what_is_no_text_is_told_why(text, why):
    assert why in not_text(text, 0.4)


def test_a_blob_in_longer_prose_is_let_through():
    word = "x" * (LONGEST_WORD + 1)
    assert not_text(word, 0.4) is not None
    assert not_text(f"{PROSE['en'] * 6} {word}", 0.4) is None


@given(st.text())
def test_a_share_is_a_share(text):
    share = letter_share(text)
    assert 0 <= share <= 1
    assert share == letter_share(f" {text}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two-three, four", 3),
        ("- * 3 + x", 2),
        ("北京大学", 2),
        ("go 北京", 2),
        ("ข้าว", 2),
        ("《》、。", 0),
    ],
)
def test_words_are_counted_in_every_script(text, words):
    assert word_count(text) == words


def test_half_a_megabyte_of_almost_endless_words_takes_no_time():
    start = time.perf_counter()
    not_text(("x" * LONGEST_WORD + " ") * 2500, 0.4)
    assert time.perf_counter() - start < 2
