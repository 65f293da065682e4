"""How far orders agree, and how far a judge follows places or examples and not passages."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from builders.llm.rankings import ParsedRanking

# Orders of one shard that are counted by name: a judge that always answers the same is among the first in each.
_NAMED_ORDERS = 5
# With fewer replies than this, or a smaller share of them, no judge is called constant.
FEWEST_REPLIES, SUSPICIOUS_SHARE = 10, 0.5
_SHUFFLED = "shuffled:"


def inversions(a: Sequence[int], b: Sequence[int]) -> int:
    """Pairs that the orders a and b of the same items put the other way round: 0 to n (n - 1) / 2.

    ValueError where they are orders of different items.
    """
    place = {item: at for at, item in enumerate(b)}
    if len(place) != len(b) or sorted(a) != sorted(b):
        raise ValueError(f"{list(a)} and {list(b)} are no orders of the same items")
    places = [place[item] for item in a]
    return sum(first > second for first, second in combinations(places, 2))


def kendall_tau(a: Sequence[int], b: Sequence[int]) -> float:
    """1 for the same order, -1 for the reverse, 0 on average for unrelated ones. No ties; two items or more."""
    pairs = len(a) * (len(a) - 1) // 2
    return 1 - 2 * inversions(a, b) / pairs


def rank_agreement(orders: Sequence[Sequence[int]]) -> float | None:
    """Mean tau over all pairs of orders; None where there is one."""
    if len(orders) < 2:
        return None
    taus = [kendall_tau(a, b) for a, b in combinations(orders, 2)]
    return round(sum(taus) / len(taus), 6)


def first_agreement(orders: Sequence[Sequence[int]], first: int) -> float | None:
    """The share of orders whose first item is `first`; None where there is one order."""
    return None if len(orders) < 2 else round(sum(order[0] == first for order in orders) / len(orders), 6)


def mean_order(orders: Sequence[Sequence[int]]) -> list[int]:
    """Items by their mean rank over the orders; equal ones as in the first order."""
    total = Counter[int]()
    for order in orders:
        total.update({item: rank for rank, item in enumerate(order)})
    return sorted(orders[0], key=lambda item: total[item])


@dataclass(frozen=True)
class Answered:
    """One listwise reply. `shuffled` where the passages were not shown in the retriever's order."""

    shown: int
    parsed: ParsedRanking
    shuffled: bool


def count_replies(replies: Iterable[Answered], examples: Sequence[Sequence[int]]) -> Counter[str]:
    """Whole numbers that sum over shards: how replies parse, how often they follow places or examples.

    reply:<parse>, reply:as_shown (the order in which the passages were shown), reply:as_example (begins with the order
    of an example of the prompt, partial replies too: a small model copies and stops), order:<one of the most frequent>.
    Of whole rankings of shuffled passages, for each number n shown: shuffled:<n>:replies, :inversions between the order
    shown and the order given, and :rank:<place>, the sum of the ranks given to what was shown at that place.
    """
    counts, orders = Counter[str](), Counter[tuple[int, ...]]()
    for reply in replies:
        order, n = reply.parsed.order, reply.shown
        counts[f"reply:{reply.parsed.parse}"] += 1
        if len(order) > 1:
            orders[order] += 1
        counts["reply:as_example"] += any(len(e) <= n and tuple(e) == order[: len(e)] for e in examples)
        if len(order) < n:
            continue
        counts["reply:as_shown"] += order == tuple(range(n))
        if reply.shuffled:
            counts[f"{_SHUFFLED}{n:03d}:replies"] += 1
            counts[f"{_SHUFFLED}{n:03d}:inversions"] += inversions(order, range(n))
            for rank, place in enumerate(order, start=1):
                counts[f"{_SHUFFLED}{n:03d}:rank:{place + 1:03d}"] += rank
    # sorted: of equal counts, the same are kept on every machine
    for order, count in sorted(orders.items(), key=lambda item: (-item[1], item[0]))[:_NAMED_ORDERS]:
        if count > 1:
            counts["order:" + " > ".join(f"[{place + 1}]" for place in order)] += count
    return counts


@dataclass(frozen=True)
class Bias:
    """What places did to `replies` whole rankings of `shown` shuffled passages.

    `ranks`: the mean rank given to what was shown first, second, ...; (shown + 1) / 2 each where places count for
    nothing. `tau`: the mean between the order shown and the order given; 0 where places count for nothing.
    """

    shown: int
    replies: int
    ranks: tuple[float, ...]
    tau: float


def position_bias(counts: Mapping[str, int]) -> Bias | None:
    """Out of a manifest's counts, for the number of passages that was shown most often; None without shuffles."""
    numbers = {int(k.split(":")[1]): n for k, n in counts.items() if k.startswith(_SHUFFLED) and k.endswith("replies")}
    if not numbers:
        return None
    shown, replies = max(numbers.items(), key=lambda item: (item[1], item[0]))
    key = f"{_SHUFFLED}{shown:03d}"
    ranks = tuple(round(counts[f"{key}:rank:{place + 1:03d}"] / replies, 3) for place in range(shown))
    tau = 1 - 4 * counts[f"{key}:inversions"] / (replies * shown * (shown - 1))
    return Bias(shown, replies, ranks, round(tau, 3))


def constant_judge(counts: Mapping[str, int]) -> list[str]:
    """What makes a judge suspicious, each in words; nothing where nothing does, or where it answered too few."""
    replies = replies_in(counts)
    if replies < FEWEST_REPLIES:
        return []
    named = {k.removeprefix("order:"): n for k, n in counts.items() if k.startswith("order:")}
    order, most = max(named.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    shares = (
        (counts.get("reply:as_example", 0), "begin with the order of an example of the prompt"),
        (counts.get("reply:as_shown", 0), "give the order in which the passages were shown"),
        (most, f"give one and the same order, {order}"),
    )
    return [f"{n / replies:.0%} of {replies:,} replies {what}" for n, what in shares if n / replies >= SUSPICIOUS_SHARE]


def replies_in(counts: Mapping[str, int]) -> int:
    return sum(counts.get(f"reply:{parse}", 0) for parse in ("complete", "repaired", "partial", "failed"))
