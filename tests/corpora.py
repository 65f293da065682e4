"""A small corpus of our own writing in six languages, with the faults that real ones have."""

import random
from typing import Any

PLACES = "Arvel Brindow Caspen Dunmere Elsby Farrow Grenholt Hasling Istrel Jorvik Kelding Lomar".split()

# {p} is a place, {n} a number: with them no two sentences of the corpus are the same by chance.
SENTENCES = {
    "en": [
        "The harbour of {p} freezes for {n} weeks in an ordinary winter.",
        "Beekeepers near {p} move their hives {n} times between spring and autumn.",
        "A bridge of {n} stone arches carries the old road into {p}.",
        "The bakers of {p} let their dough rest for {n} hours before they shape it.",
        "Every {n} years the river floods the meadows below {p} and leaves fine mud behind.",
        "The lighthouse at {p} was lit with whale oil until the year 18{n}.",
    ],
    "de": [
        "Die Imker von {p} stellen ihre Stöcke im Frühling {n} Kilometer weiter nördlich auf.",
        "Im alten Bergwerk bei {p} wurde noch {n} Jahre lang nach Silber gegraben.",
        "Der Fluss tritt oberhalb von {p} alle {n} Jahre über die Ufer und überschwemmt die Wiesen.",
        "Die Glocke der Kirche in {p} wiegt {n} Zentner und wurde nie umgegossen.",
        "Wer in {p} ein Boot besitzt, muss es für {n} Monate an Land ziehen.",
    ],
    "es": [
        "Los pescadores de {p} salen al mar {n} noches antes de la luna llena.",
        "El molino de {p} dejó de funcionar hace {n} años por falta de agua.",
        "En las laderas que rodean {p} crecen {n} variedades de almendros antiguos.",
        "La biblioteca de {p} guarda {n} mapas dibujados a mano en el siglo pasado.",
        "Cada invierno los pastores de {p} bajan {n} rebaños hacia la llanura.",
    ],
    "ja": [
        "{p}の港では冬になると{n}週間ほど海が凍り、船を出すことができない。",
        "{p}の職人は{n}年かけて木の器の塗り方を覚えると言われている。",
        "川の水が増えると、{p}の下流にある田んぼは{n}日のあいだ水に沈む。",
        "{p}の古い図書館には手書きの地図が{n}枚も残されている。",
    ],
    "ar": [
        "يخرج الصيادون في {p} إلى البحر قبل الفجر مدة {n} أيام متتالية.",
        "بُني الجسر القديم في {p} من الحجر وله {n} قوسا فوق النهر.",
        "يزرع أهل القرى حول {p} أشجار الزيتون منذ {n} سنة على الأقل.",
        "تحفظ مكتبة {p} أكثر من {n} مخطوطا نادرا في علم الفلك.",
    ],
    "bn": [
        "{p} গ্রামের জেলেরা বর্ষাকালে {n} দিন নদীতে মাছ ধরতে যায় না।",
        "পুরনো সেতুটি {p} শহরের বাইরে {n} বছর আগে তৈরি হয়েছিল।",
        "{p} এলাকার চাষিরা বছরে {n} বার ধান কাটে এবং খড় জমিয়ে রাখে।",
        "শীতের সকালে {p} বাজারে {n} রকমের পিঠা বিক্রি হয়।",
    ],
}


def documents(count: int = 36, seed: int = 3) -> list[dict[str, Any]]:
    """`count` documents, the languages by turns; each of six sentences."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        language = list(SENTENCES)[i % len(SENTENCES)]
        chosen = [draw.choice(SENTENCES[language]) for _ in range(6)]
        text = " ".join(s.format(p=draw.choice(PLACES), n=draw.randrange(10, 99)) for s in chosen)
        rows.append({"id": f"{language}-{i:02d}", "title": f"Notes {i}", "text": text, "language": language})
    return rows


def faults(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that are near copies of the first, or no documents at all."""
    first = rows[0]
    return [
        first | {"id": "near", "text": first["text"].replace("the", "each", 1)},
        first | {"id": "exact"},
        {"id": "empty", "text": ""},
        {"id": first["id"], "text": "Another text stands under an id that was given out before, so it is left out."},
        {"id": "number", "text": 17},
        {"id": "digits", "text": "0123456789 " * 30},
        {"id": "controls", "text": "\x07\x00\x1b"},
    ]
