"""Languages: all twenty told from one long sentence each, and none guessed from little."""

import pytest

from builders.text.languages import SHORT_LETTERS, UNDETERMINED, identify, is_short, named_language, probability_of

LONG = {
    "ar": "يجتمع سكان القرية كل صباح قرب البئر القديمة ليتحدثوا عن الحصاد وعن المطر الذي تأخر كثيرا في هذا العام.",
    "bn": "গ্রামের মানুষ প্রতিদিন সকালে পুরনো বটগাছের নিচে বসে ফসল আর বৃষ্টির দেরি হওয়া নিয়ে অনেকক্ষণ কথা বলে।",
    "de": "Jeden Morgen treffen sich die Bewohner des Dorfes am alten Brunnen und sprechen über die Ernte und den Regen, der ausbleibt.",
    "en": "Every morning the people of the village meet at the old well and talk about the harvest and about the rain that is late this year.",
    "es": "Todas las mañanas los vecinos del pueblo se reúnen junto al pozo viejo y hablan de la cosecha y de la lluvia que no llega.",
    "fa": "هر صبح مردم روستا کنار چاه قدیمی جمع می‌شوند و دربارهٔ برداشت گندم و بارانی که امسال دیر کرده است گفتگو می‌کنند.",
    "fi": "Joka aamu kylän asukkaat kokoontuvat vanhan kaivon luo ja puhuvat sadosta sekä sateesta, joka on tänä vuonna myöhässä.",
    "fr": "Chaque matin, les habitants du village se retrouvent près du vieux puits et parlent de la récolte et de la pluie qui tarde.",
    "hi": "हर सुबह गाँव के लोग पुराने कुएँ के पास इकट्ठा होते हैं और फसल तथा इस साल देर से आने वाली बारिश के बारे में बातें करते हैं।",
    "id": "Setiap pagi warga desa berkumpul di dekat sumur tua dan berbicara tentang panen serta hujan yang terlambat datang tahun ini.",
    "it": "Ogni mattina gli abitanti del paese si incontrano vicino al vecchio pozzo e parlano del raccolto e della pioggia che non arriva.",
    "ja": "村の人々は毎朝古い井戸のそばに集まり、今年の収穫のことや、なかなか降らない雨のことについて長いあいだ話し合っている。",
    "ko": "마을 사람들은 매일 아침 오래된 우물가에 모여서 올해의 수확과 좀처럼 내리지 않는 비에 대하여 오랫동안 이야기를 나눈다.",
    "pt": "Todas as manhãs os moradores da aldeia encontram-se junto ao poço antigo e conversam sobre a colheita e a chuva que não vem.",
    "ru": "Каждое утро жители деревни собираются у старого колодца и подолгу говорят об урожае и о дожде, который в этом году запаздывает.",
    "sw": "Kila asubuhi wanakijiji hukutana karibu na kisima cha zamani na kuzungumza kuhusu mavuno na mvua ambayo imechelewa mwaka huu.",
    "te": "ప్రతి ఉదయం గ్రామస్తులు పాత బావి దగ్గర కలుసుకుని పంట గురించి, ఈ సంవత్సరం ఆలస్యమైన వర్షం గురించి చాలాసేపు మాట్లాడుకుంటారు.",
    "th": "ทุกเช้าชาวบ้านจะมารวมตัวกันที่บ่อน้ำเก่าเพื่อพูดคุยเรื่องการเก็บเกี่ยวและฝนที่มาช้ากว่าปกติในปีนี้",
    "yo": "Ní gbogbo òwúrọ̀ àwọn ará abúlé máa ń pàdé lẹ́gbẹ̀ẹ́ kànga àtijọ́ láti sọ̀rọ̀ nípa ìkórè àti òjò tí kò tètè rọ̀ ní ọdún yìí.",
    "zh": "村里的人们每天早上都聚集在老井旁边，谈论今年的收成以及迟迟没有下来的雨水，一直谈到太阳升得很高才回家。",
}


def test_there_are_twenty_languages():
    assert set(LONG) == set("ar bn de en es fa fi fr hi id it ja ko pt ru sw te th yo zh".split())


@pytest.mark.parametrize("language", LONG)
def test_a_long_sentence_tells_its_language(language):
    found, probability = identify(LONG[language])
    assert found == language
    assert probability > 0.5  # Indonesian is all but Malay
    assert probability_of(LONG[language], language) == pytest.approx(probability, abs=1e-3)


@pytest.mark.parametrize("language", LONG)
def test_its_first_words_are_too_short_to_tell(language):
    beginning = LONG[language][:19]
    assert identify(beginning) == (UNDETERMINED, 0.0)


@pytest.mark.parametrize(
    "text", ["", " " * 500, "3.14 " * 200, "-" * 500, "the end " + "1234567890 " * 100, "👩‍🔬" * 99]
)
def test_what_has_few_letters_is_short_however_long(text):
    assert is_short(text)
    assert identify(text) == (UNDETERMINED, 0.0)


def test_a_letter_of_an_ideographic_script_counts_for_two():
    assert is_short("a" * (SHORT_LETTERS - 1))
    assert not is_short("a" * SHORT_LETTERS)
    assert is_short("水" * (SHORT_LETTERS // 2 - 1))
    assert not is_short("水" * (SHORT_LETTERS // 2))


def test_a_language_unknown_to_the_identifier_has_probability_zero():
    assert probability_of(LONG["en"], "tlh") == 0.0
    assert probability_of(LONG["en"], "en") > 0.99
    assert probability_of(LONG["en"], "fi") < 0.01


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("English", "en"),
        ("it is English", "en"),
        ("Simplified Chinese", "zh"),
        ("de", "de"),
        ("Python", None),
        ("", None),
    ],
)
def test_a_language_is_known_by_its_english_name_or_its_code(words: str, code: str | None) -> None:
    assert named_language(words) == code
