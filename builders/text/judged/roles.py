"""Which columns of rows of text hold the query, its positives, its negatives, or a label."""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields

from builders.cli.errors import UserError
from builders.text.readers.columns import listed

# Names by role. Where one of the first group is there, the second is not looked at.
QUERY = (("query", "anchor", "question", "sentence1"),)
POSITIVE = (
    ("positive", "positives", "pos", "positive_passages", "positive_ctxs", "answer", "sentence2"),
    ("passage", "document", "context", "text"),
)
LABEL = (("label", "relevance"), ("score",))
QUERY_ID = (("query_id", "query-id", "qid"),)
LANGUAGE = (("language", "lang"),)
LICENCE = (("licence", "license"),)
NEGATIVE = re.compile(r"(hard_)?neg(ative)?s?(_passages|_ctxs)?(_?\d+)?")
USUAL = {
    "query": QUERY,
    "positive": POSITIVE,
    "label": LABEL,
    "query_id": QUERY_ID,
    "language": LANGUAGE,
    "licence": LICENCE,
}
EXPECTED = (
    "a query (query, anchor, question, sentence1), a positive (positive, pos, answer, sentence2, positive_passages) "
    "and perhaps negatives (negative, negative_1, neg, negative_passages) or a label (label, score)"
)


@dataclass(frozen=True)
class Wanted:
    """The names of columns where they are not the usual ones."""

    query: str | None = None
    positive: str | None = None
    negative: str | None = None
    label: str | None = None
    query_id: str | None = None
    language: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Roles:
    """The column of each role; None where there is none. `unused` are the others."""

    query: str
    positive: str
    negatives: tuple[str, ...]
    label: str | None
    query_id: str | None
    language: str | None
    licence: str | None
    unused: tuple[str, ...]

    def told(self) -> str:
        """The roles in words, for the user to see."""
        parts = [f"query {self.query}", f"positive {self.positive}"]
        parts += [f"negative {', '.join(self.negatives)}"] if self.negatives else []
        parts += [f"{role} {name}" for role in ("label", "query_id", "language") if (name := getattr(self, role))]
        return "; ".join([*parts, f"not used: {', '.join(self.unused)}"] if self.unused else parts)


def find_roles(present: Collection[str], wanted: Wanted, place: str) -> Roles:
    """Match columns with roles, in any case of letters; UserError where one lacks, or where two could have a role.

    With a column of negatives a label has no meaning of its own (it is mostly a teacher's score), and is not used.
    """
    for field in fields(Wanted):
        name = getattr(wanted, field.name)
        if name is not None and name not in present:
            raise UserError(f"{place} has no column {name!r} for the {field.name}; it has {listed(present)}.")
    found = {role: getattr(wanted, role) or _usual(role, present, wanted, place) for role in USUAL}
    taken = set(found.values())
    negatives = tuple(name for name in present if NEGATIVE.fullmatch(name.lower()) and name not in taken)
    negatives = (wanted.negative,) if wanted.negative else negatives
    if found["query"] is None or found["positive"] is None:
        raise UserError(
            f"{place} is no judged data set that is known here: its columns are {listed(present)}, and expected is "
            f"{EXPECTED}: name them, as in --columns query NAME positive NAME."
        )
    if negatives and not wanted.label:
        found["label"] = None
    used = {*found.values(), *negatives}
    unused = tuple(name for name in present if name not in used)
    return Roles(
        found["query"],
        found["positive"],
        negatives,
        found["label"],
        found["query_id"],
        found["language"],
        found["licence"],
        unused,
    )


def _usual(role: str, present: Collection[str], wanted: Wanted, place: str) -> str | None:
    given = {getattr(wanted, field.name) for field in fields(Wanted)}
    for names in USUAL[role]:
        there = [name for name in present if name.lower() in names and name not in given]
        if len(there) > 1:
            raise UserError(
                f"{place} has {len(there)} columns that may hold the {role}, {listed(there)}: say which, as in "
                f"--columns {role} {there[0]}.",
                exit_code=2,
            )
        if there:
            return there[0]
    return None
