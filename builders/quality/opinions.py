"""Second opinions: who is asked, what a score must reach to say `relevant`, and where each default comes from."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from builders.quality.pairs import Pairs

OpinionName = Literal["dense", "bm25", "copy", "cross-encoder", "pointwise", "likelihood", "listwise"]
Kind = Literal["cross-encoder", "pointwise", "listwise", "retriever"]
# ratio: the share of the own chunk's score; margin: so far below it, at most; absolute: the score itself.
Form = Literal["ratio", "margin", "absolute"]


@dataclass(frozen=True)
class Measure:
    """How a score becomes a verdict, and the threshold where none is given."""

    kind: Kind
    form: Form
    default: float


# Measured with MiniLM on edited copies of the own chunk, hidden one a row among 19 mined negatives of 300 Sent rows of
# guides, gnome and pkgdesc (tests.benchmarks.bench_audit). dense at 0.5 and bm25 at 0.6 find 99 to 100 in 100 copies
# with up to 20% of the words edited, and 95 to 97 with 30%. Of what they flag, so many in 100 are copies: guides 99.7,
# pkgdesc 98, gnome 63, whose help pages repeat one sentence with another noun. copy at 0.6 with either finds as many,
# and 99.7 in 100 and more of what it flags are copies, in gnome too: no mined negative of 12,000 came above 0.71.
# On questions that people asked and judged (guides), where the own chunk itself may rank low, dense and bm25 find half
# of the judged chunks, and a quarter of what they flag was judged: ask a cross-encoder or an LLM there.
# cross-encoder, pointwise, likelihood, listwise: not measured with a model that can judge; chosen, not found.
MEASURES: dict[str, Measure] = {
    "dense": Measure("retriever", "ratio", 0.5),
    "bm25": Measure("retriever", "ratio", 0.6),
    "copy": Measure("retriever", "ratio", 0.6),
    "cross-encoder": Measure("cross-encoder", "ratio", 0.5),
    "pointwise": Measure("pointwise", "absolute", 1),
    "likelihood": Measure("pointwise", "margin", 0.5),
    "listwise": Measure("listwise", "absolute", 1),
}


@dataclass(frozen=True)
class Rule:
    """Whose opinion it is (`by`), and what its score must reach."""

    by: str
    kind: Kind
    form: Form
    threshold: float

    def is_relevant(self, score: float, reference: float) -> bool:
        """reference: the score of the query's own chunk, which is known to answer it.

        A ratio of a reference that is not above 0 measures nothing: such a pair is not relevant to this opinion.
        """
        if self.form == "ratio":
            return reference > 0 and score >= self.threshold * reference
        if self.form == "margin":
            return score >= reference - self.threshold
        return score >= self.threshold

    def opinion(self, score: "Score") -> dict[str, Any]:
        reference = None if self.form == "absolute" else score.reference
        return {
            "by": self.by,
            "kind": self.kind,
            "score": score.value,
            "reference": reference,
            "relevant": self.is_relevant(score.value, score.reference),
        }


def rule_of(name: OpinionName, by: str, threshold: float | None) -> Rule:
    measure = MEASURES[name]
    return Rule(by, measure.kind, measure.form, measure.default if threshold is None else threshold)


@dataclass(frozen=True)
class Score:
    """Of one pair; `reference` is the own chunk's (0 where the rule is absolute)."""

    value: float
    reference: float = 0.0


@dataclass(frozen=True)
class Unscored:
    """A pair that got no score: a reason of rejections, what was wrong, and what came back."""

    reason: str
    detail: str
    raw: str


class Opinion(Protocol):
    """One of the two. `prepare` does what costs, for all shards, and repeats nothing that is kept from before."""

    rule: Rule

    def identity(self) -> dict[str, Any]:
        """What determines a score beside the pairs: it names the version."""
        ...

    def first(self, pairs: Pairs) -> str:
        """What would be asked first, for a reader."""
        ...

    def prepare(self, pairs: Pairs) -> dict[str, int]:
        """Returns what was spent: prompt_tokens and reply_tokens, where there are such."""
        ...

    def scores(self, pairs: Pairs, shard: int) -> list[Score | Unscored]:
        """Of each pair of the shard, in order. `prepare` has been called."""
        ...


def verdict(first: bool, second: bool) -> str:
    """relevant where both say so, not_relevant where neither does."""
    if first == second:
        return "relevant" if first else "not_relevant"
    return "split"
