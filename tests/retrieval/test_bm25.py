"""BM25 in many scripts, with exact scores and the shared rule of order."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from builders.retrieval.bm25 import BM25, K1, B
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.terms import terms

PASSAGES = {
    "en": "The river freezes in winter, and boats stop.",
    "de": "Der Fluss friert im Winter zu; Boote halten an.",
    "ru": "Река замерзает зимой, и лодки стоят.",
    "ar": "يتجمد النهر في الشتاء وتتوقف القوارب",
    "hi": "सर्दियों में नदी जम जाती है",
    "bn": "শীতকালে নদী জমে যায়",
    "te": "శీతాకాలంలో నది గడ్డకడుతుంది",
    "th": "แม่น้ำเป็นน้ำแข็งในฤดูหนาว",
    "zh": "河流在冬天结冰，船只停航。",
    "ja": "川は冬に凍り、船は止まる。",
    "ko": "겨울에는 강이 얼고 배가 멈춘다",
}
QUESTIONS = {
    "en": "RIVER winter", "de": "wann friert der fluss", "ru": "река зимой", "ar": "النهر الشتاء", "hi": "नदी सर्दियों",
    "bn": "নদী শীতকালে", "te": "నది", "th": "ฤดูหนาว", "zh": "冬天的河流", "ja": "冬の川と船", "ko": "강은 겨울에 언다",
}  # fmt: skip


def test_each_language_finds_its_own_passage() -> None:
    languages = list(PASSAGES)
    found = BM25(PASSAGES.values()).top_k([QUESTIONS[language] for language in languages], 1)
    assert found.indices[:, 0].tolist() == list(range(len(languages)))


def test_terms() -> None:
    assert terms("C++ and the RIVER, l'eau") == ["c++", "and", "the", "river", "l", "eau"]
    assert terms("冬天的河") == ["冬天", "天的", "的河", "冬", "天", "的", "河"]
    assert terms("河") == ["河"]
    assert terms("iPhone15を買う") == ["iphone15", "を買", "買う", "買"]
    assert terms("नदी") == ["नदी"]
    assert terms(" ...! ") == [] == terms("")


def by_hand(documents: list[str], query: str) -> list[float]:
    counted = [Counter(terms(document)) for document in documents]
    sizes = [sum(counts.values()) for counts in counted]
    average = sum(sizes) / len(sizes)
    scores = [0.0] * len(documents)
    for term in terms(query):
        having = sum(term in counts for counts in counted)
        weight = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        for at, counts in enumerate(counted):
            tf = counts[term]
            scores[at] += weight * tf / (tf + K1 * (1 - B + B * sizes[at] / average))
    return scores


def test_scores_are_those_of_the_formula_and_ties_go_by_index() -> None:
    draw = np.random.default_rng(0)
    words = "river stone winter bridge copper".split()
    documents = [" ".join(draw.choice(words, draw.integers(1, 6))) for _ in range(60)]
    queries = ["river stone", "winter winter bridge", "copper"]
    found = BM25(documents).top_k(queries, 20)
    for row, query in enumerate(queries):
        scores = np.round(by_hand(documents, query), 4)
        assert found.scores[row] == pytest.approx(np.sort(scores)[::-1][:20], abs=1e-4)
        for left, right in pairwise(found.indices[row]):
            assert scores[left] > scores[right] or left < right


def test_what_shares_no_term_is_not_returned() -> None:
    index = BM25(["river stone", "winter", ""])
    found = index.top_k(["stone", "unheard of", "", "winter"], 3)
    assert found.indices.tolist() == [[0, -1, -1], [-1] * 3, [-1] * 3, [1, -1, -1]]
    assert BM25([]).top_k(["river"], 2).indices.tolist() == [[-1, -1]]
    assert BM25(["", "..."]).top_k(["river"], 1).indices.tolist() == [[-1]]


def test_restriction() -> None:
    index = BM25(["river"] * 4)
    held_out = Restriction(np.array([0, 1, -1, 1]), np.array([1, 0]))
    assert index.top_k(["river", "river"], 3, restriction=held_out).indices.tolist() == [[1, 3, -1], [0, -1, -1]]
    assert index.top_k(["river"], 3, restriction=Restriction(held_out.documents)).indices.tolist() == [[0, 1, 3]]
