"""Parse an LLM's ranking: complete as asked for, repaired, partial, or failed; never filled up from the input order."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from builders.llm.replies import after_thoughts

RankingParse = Literal["complete", "repaired", "partial", "failed"]

_ASKED = re.compile(r"\[[1-9]\d*\](?: > \[[1-9]\d*\])*")
_BRACKETED = re.compile(r"\[\s*(\d{1,4})\s*\]")
# A number by itself: no part of a word or of a decimal number.
_BARE = re.compile(r"(?<![\w.])(\d{1,4})(?!\w|\.\d)")
_ARROW = re.compile(r"[>＞»›→]")
_WORD = r"(?:passages?|documents?|docs?|texts?|candidates?|results?|identifiers?|ids?|number|no\.)"
# What may stand between two identifiers that follow each other: separators, decoration, the word for a passage, a short
# remark in round brackets. Not among them are the signs that level an order or turn it around (=, <). Every loop over
# these is possessive, so that no reply takes more than linear time.
_MARK = rf"(?:-+>|=>|[>＞»›→,;:|*_`\"'#、，；]|{_WORD}|\([^()\[\]\n]{{0,200}}\)|(?<=[ \t])[-–—](?=[ \t]))"
_BETWEEN = re.compile(rf"(?:\s|{_MARK})*+", re.IGNORECASE)
_BESIDE = re.compile(rf"(?:[^:\[\]\n]{{0,60}}:)?+(?:[ \t]*[-•])?+(?:[ \t\[\]]|{_MARK})*+[ \t.]*+", re.IGNORECASE)
_LONGEST_GAP = 240
_LIST_NUMBER = re.compile(r"[ \t>*_-]*+(\d+)[.):][*_]*+[ \t]++")
_ITEM = re.compile(rf"[ \t*_`\"'#]*+({_WORD}[ \t#]*+)?+(?=\[?[ \t]*+\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedRanking:
    """`order` holds 0-based positions of what was shown, the best first: all k, fewer where partial, none where failed.

    `fault` says why it is neither complete nor repaired.
    """

    parse: RankingParse
    order: tuple[int, ...] = ()
    fault: str = ""


def parse_ranking(text: str, k: int) -> ParsedRanking:
    """The ranking of k passages out of a reply that was asked for as `[4] > [2] > ...`, identifiers counting from 1.

    Complete: exactly that, each identifier once. Repaired: every identifier can be told without doubt: a chain with
    other arrows or text around it, a line or lines of nothing but identifiers, a numbered list, thoughts before
    (</think>); an identifier's later places and identifiers that were not shown are dropped. Partial: some of the k
    are missing. No ranking are two that differ, levels (=), a chain turned around (<), identifiers in a sentence.
    """
    text = text.strip()
    if _ASKED.fullmatch(text):
        numbers = [int(n) for n in re.findall(r"\d+", text)]
        if sorted(numbers) == list(range(1, k + 1)):
            return ParsedRanking("complete", tuple(n - 1 for n in numbers))
    answer = after_thoughts(text)
    if answer is None:
        return ParsedRanking("failed", fault="the reply ends while it is still thinking")
    answer, items = _without_list_numbers(answer)
    identifiers = _BRACKETED if _BRACKETED.search(answer) else _BARE
    chains = [_known(run, k) for run in _chains(answer, identifiers)]
    lines = _lines_of_identifiers(answer, identifiers)
    ways = (
        [*chains, *(_known(run, k) for run in lines if run)],
        [_known([n for run in block for n in run], k) for there, block in groupby(lines, bool) if there],
        [_known(items, k)],
    )
    for runs in ways:
        whole = {run for run in runs if len(run) == k}
        if len(whole) > 1:
            return ParsedRanking("failed", fault=f"the reply gives {len(whole)} different rankings")
        if whole:
            return ParsedRanking("repaired", whole.pop())
    best = max((run for runs in ways for run in runs), key=len, default=())
    if len(best) < (1 if identifiers is _BRACKETED else 2):
        return ParsedRanking("failed", fault="the reply holds no ranking" if answer else "the reply is empty")
    missing = [f"[{n + 1}]" for n in range(k) if n not in best]
    shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return ParsedRanking("partial", best, f"the ranking leaves out {len(missing)} of {k}: {shown}")


def _chains(text: str, identifiers: re.Pattern[str]) -> Iterator[list[int]]:
    """Runs of identifiers with an arrow between each two, wherever they stand."""
    yield from _runs(text, identifiers, lambda gap: bool(_ARROW.search(gap) and _BETWEEN.fullmatch(gap)))


def _runs(text: str, identifiers: re.Pattern[str], joins: Callable[[str], bool]) -> Iterator[list[int]]:
    run: list[int] = []
    end = 0
    for match in identifiers.finditer(text):
        gap = text[end : match.start()]
        if run and (len(gap) > _LONGEST_GAP or not joins(gap)):
            yield run
            run = []
        run.append(int(match[1]))
        end = match.end()
    if run:
        yield run


def _lines_of_identifiers(text: str, identifiers: re.Pattern[str]) -> list[list[int]]:
    """The identifiers of each line that holds nothing beside them, or a label before ("Ranking:"); else none."""
    lines = [line for line in text.split("\n") if line.strip()]
    alone = [_BESIDE.fullmatch(identifiers.sub("[]", line).strip()) for line in lines]
    return [
        [int(n) for n in identifiers.findall(line)] if nothing_else else []
        for line, nothing_else in zip(lines, alone, strict=True)
    ]


def _known(run: Sequence[int], k: int) -> tuple[int, ...]:
    """Positions from 0 at their first places; numbers that were not shown are left out."""
    return tuple(dict.fromkeys(n - 1 for n in run if 1 <= n <= k))


def _without_list_numbers(text: str) -> tuple[str, list[int]]:
    """The text without the ranks of a numbered list (1. [4], 2. [2], ...), and the identifiers that its items begin
    with, whatever follows them.

    Numbers that do not count 1, 2, 3 are no ranks. An item that begins with a bare number may be any sentence, so it
    tells an identifier only where the number is in brackets or called a passage.
    """
    lines = text.split("\n")
    ranks = {at: match for at, line in enumerate(lines) if (match := _LIST_NUMBER.match(line))}
    if len(ranks) < 2 or [int(match[1]) for match in ranks.values()] != list(range(1, len(ranks) + 1)):
        return text, []
    items = {at: _ITEM.match(lines[at], match.end()) for at, match in ranks.items()}
    if not all(items.values()):
        return text, []
    identifiers: list[int] = []
    for at, item in items.items():
        assert item is not None
        rest = lines[at][item.end() :]
        lines[at] = rest
        named = _BRACKETED.match(rest) or (_BARE.match(rest) if item[1] else None)
        identifiers += [int(named[1])] if named else []
    return "\n".join(lines), identifiers if len(identifiers) == len(items) else []
