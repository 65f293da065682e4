"""Needle and passkey retrieval at growing lengths (DRAMA 4.5): texts made here, that differ in one sentence.

Every document of a length is the same filler but for its needle, which stands at a drawn depth; each query asks for one
needle. A model that does not see, or does not keep, one sentence among so many is at chance: 1 / documents.
"""

import random
from collections.abc import Callable, Sequence
from typing import Literal

from builders.cli.errors import UserError
from builders.text.hashes import generator
from drama_train.evaluation.sets import EvaluationSet, content_revision

Test = Literal["needle", "passkey"]
TESTS: tuple[Test, ...] = ("needle", "passkey")
LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
DOCUMENTS = 50
# Raise it when the same seed comes to make other texts.
REVISION = 1

# Words of our own; a sentence of the filler is one of each, so that none is a fact of a needle.
_WHEN = "In spring|After lunch|On most evenings|Before the rain|During the long winter|Early in the week|At noon".split(
    "|"
)
_WHO = (
    "the gardener|a neighbour|the old teacher|my cousin|the postwoman|a quiet visitor|the baker|a tired student".split(
        "|"
    )
)
_DOES = "waters|describes|repairs|carries|forgets|paints|remembers|looks for|writes about|counts".split("|")
_WHAT = (
    "the wooden fence|a basket of pears|the narrow path|an empty notebook|the kitchen window|a bundle of letters".split(
        "|"
    )
)
_WHERE = "behind the mill|near the station|under the walnut tree|beside the canal|across the square|on the hill".split(
    "|"
)

# What a needle says, and how a query asks for it: {name} tells the needles apart, {value} is what is not asked by.
_NEEDLES = (
    ("The lighthouse of {name} is painted {value}.", "What colour is the lighthouse of {name}?"),
    ("The library of {name} was founded by {value} sisters.", "Who founded the library of {name}?"),
    ("In {name} people eat {value} at the harvest festival.", "What do people eat at the harvest festival in {name}?"),
    ("The bridge of {name} is closed on {value}.", "When is the bridge of {name} closed?"),
)
_PASSKEY = (
    "The pass key of {name} is {value}. Remember it, {value} is the pass key.",
    "What is the pass key of {name}?",
)
_VALUES = (
    "crimson|turquoise|ivory|amber|violet|silver".split("|"),
    "three|five|seven|nine|eleven".split("|"),
    "plum soup|salted walnuts|barley cakes|pickled turnips|honey bread".split("|"),
    "Mondays|Tuesdays|Thursdays|Saturdays".split("|"),
)
_FIRST = "Bel Cor Dal Fen Gar Hol Jas Kel Lor Mar Nor Pel Quin Ros Sel Tor Ul Ves Wen Yar".split()
_LAST = "adun bourne cliffe dale esk ford garth holm inver karn lund mere ness ormond rigg stad thorpe vik wick".split()


def long_context_set(
    test: Test,
    length: int,
    token_counts: Callable[[Sequence[str]], list[int]],
    counted_by: str,
    *,
    documents: int = DOCUMENTS,
    seed: int = 0,
) -> EvaluationSet:
    """The test at `length` tokens: no document has more, and each lacks less than two sentences of them.

    token_counts: of texts as documents, with what the model adds. counted_by: the model whose tokens are meant.
    UserError where a needle alone is longer.
    """
    draw = generator(seed, f"{test}-{length}", "long context")
    names = draw.sample([first + last for first in _FIRST for last in _LAST], documents)
    pairs = [_needle(test, at, name, draw) for at, name in enumerate(names)]
    needles, queries = [needle for needle, _ in pairs], [query for _, query in pairs]
    filler = _filler(length, max(token_counts(needles)), token_counts, draw)
    planted = [_planted(filler, needle, draw.random()) for needle in needles]
    texts = _fitted(planted, needles, length, token_counts)
    ids = [f"{test}-{length}-{at:03d}" for at in range(documents)]
    content = {"queries": queries, "documents": texts, "length": length, "counted_by": counted_by, "by": REVISION}
    return EvaluationSet(
        name=f"{test}-{length}",
        queries={f"{id_}-query": query for id_, query in zip(ids, queries, strict=True)},
        documents=dict(zip(ids, texts, strict=True)),
        judgements={f"{id_}-query": {id_: 1} for id_ in ids},
        languages={f"{id_}-query": "en" for id_ in ids},
        document_languages=None,
        revision=content_revision([content]),
        max_length=length,
        notes=(f"of {length:,} tokens, counted by {counted_by}",),
    )


def _needle(test: Test, at: int, name: str, draw: random.Random) -> tuple[str, str]:
    """(the sentence, the query that asks for it)."""
    if test == "passkey":
        value = str(draw.randrange(10_000, 100_000))
        return _PASSKEY[0].format(name=name, value=value), _PASSKEY[1].format(name=name)
    kind = at % len(_NEEDLES)
    said, asked = _NEEDLES[kind]
    return said.format(name=name, value=draw.choice(_VALUES[kind])), asked.format(name=name)


def _sentence(draw: random.Random) -> str:
    when, who, does, what, where = (draw.choice(words) for words in (_WHEN, _WHO, _DOES, _WHAT, _WHERE))
    return f"{when} {who} {does} {what} {where}."


def _filler(
    length: int, needle: int, token_counts: Callable[[Sequence[str]], list[int]], draw: random.Random
) -> list[str]:
    """Sentences for a text of `length` tokens with the longest needle in it."""
    room = length - needle
    if room < 0:
        raise UserError(
            f"A text of {length} tokens has no room for a needle of {needle}: ask for {LENGTHS[0]} or more."
        )
    sentences: list[str] = []
    while True:
        # About 16 tokens a sentence; counted as one text, since a tokenizer joins across sentences as it likes.
        sentences += [_sentence(draw) for _ in range(max(8, length // 16))]
        if token_counts([" ".join(sentences)])[0] > room:
            break
    low, high = 0, len(sentences)  # the most sentences that have room
    while low < high:
        middle = (low + high + 1) // 2
        if token_counts([" ".join(sentences[:middle])])[0] <= room:
            low = middle
        else:
            high = middle - 1
    return sentences[:low]


def _planted(filler: Sequence[str], needle: str, depth: float) -> list[str]:
    place = round(depth * len(filler))
    return [*filler[:place], needle, *filler[place:]]


def _fitted(
    texts: list[list[str]], needles: Sequence[str], length: int, token_counts: Callable[[Sequence[str]], list[int]]
) -> list[str]:
    """The texts joined, without as many of their last sentences as make them too long."""
    kept = [list(sentences) for sentences in texts]
    while True:
        joined = [" ".join(sentences) for sentences in kept]
        long = [at for at, count in enumerate(token_counts(joined)) if count > length]
        if not long:
            return joined
        for at in long:
            last = next(i for i in reversed(range(len(kept[at]))) if kept[at][i] != needles[at])
            del kept[at][last]
