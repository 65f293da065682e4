"""Hashes and seeded draws: normalisation folds what it should and no more, and every process draws the same."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders
from builders.text.hashes import generator, id_number, normalise


@pytest.mark.parametrize(
    "text",
    [
        "ภาษาไทยมีสระและวรรณยุกต์",
        "বাংলা ভাষার যুক্তাক্ষর",
        "తెలుగు భాషలో గుణింతాలు",
        "हिन्दी की मात्राएँ",
        "كَتَبَ الوَلَدُ الدَّرْسَ",
        "ẹ̀kọ́ èdè yorùbá",
    ],
    ids=["th", "bn", "te", "hi", "ar", "yo"],
)
def test_vowel_signs_and_tone_marks_are_parts_of_words(text):
    assert normalise(text) == text
    assert normalise(f"« {text} »!") == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  The QUICK, brown--fox!\n", "the quick brown fox"),
        ("Straße", "STRASSE"),
        ("ﬁle", "file"),
        ("ＡＢＣ１２３", "abc123"),
        ("snake_case_name", "snake case name"),
        ("I ❤️ NY", "I ❤ NY"),
        ("don't", "don’t"),
        ("Ǆungla", "ǆungla"),
        ("cafe\u0301", "café"),
    ],
)
def test_case_width_and_punctuation_are_folded(one, other):
    assert normalise(one) == normalise(other) != ""


@pytest.mark.parametrize(
    "words", [("C", "C++", "C#"), ("क", "कि", "की"), ("กา", "กำ"), ("resume", "résumé"), ("x1", "x2")]
)
def test_different_words_stay_different(words):
    assert len({normalise(word) for word in words}) == len(words)


@pytest.mark.parametrize("text", ["", " \n", "?!…—", "«»", "❤️", "🙂🙂", "___"])
def test_text_without_words_is_nothing(text):
    assert normalise(text) == ""


@given(st.text())
def test_normalising_leaves_single_spaces_and_no_capital(text):
    normal = normalise(text)
    assert normal == " ".join(normal.split(" ")).strip()
    assert normal == normal.casefold()


GOLDEN = "99dbfa3fcd476defb9711e2b9f70c296 9251217157262358175 489 204 359 800 341".split()
DRAWN = """
from builders.text.hashes import generator, id_number, text_hash
draw = generator(7, "hf/x#0001", "crop")
print(text_hash("na\\u00efve \\u2603"), id_number(7, "hf/x#0001", "split"), *(draw.randrange(1000) for _ in range(5)))
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_hashes_and_draws_are_the_same_in_every_process(hash_seed):
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(builders.__file__).parent.parent)}
    shown = subprocess.run([sys.executable, "-c", DRAWN], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == GOLDEN


def test_seed_id_and_purpose_each_change_the_draw():
    drawn = {
        id_number(seed, row, purpose) for seed in range(20) for row in ("a", "b", "ab") for purpose in ("", "a", "b")
    }
    assert len(drawn) == 20 * 3 * 3


def test_numbers_are_uniform():
    shares = [
        sum(id_number(s, f"row {i}") < share * 2**64 for i in range(4000)) / 4000
        for s in (1, 2)
        for share in (0.1, 0.5)
    ]
    assert shares == pytest.approx([0.1, 0.5, 0.1, 0.5], abs=0.03)


def test_a_generator_is_the_rows_own():
    assert generator(1, "a").random() == generator(1, "a").random() != generator(1, "b").random()
