"""What a version of preferences says about its judge, for a reader."""

from collections.abc import Iterator
from typing import Any

from builders.cli.progress import say
from builders.relevance.agreement import Bias, constant_judge, kendall_tau, position_bias, replies_in
from builders.store.versions import Version, read_rows

# A judge that ranks fewer of its lists whole than this share has not understood what it is asked for.
FEWEST_USABLE = 0.5
_COLUMNS = ["chunk_id", "chunk_ids", "own_rank", "retriever_ranks", "rank_agreement", "first_agreement"]


def print_report(preferences: Version) -> None:
    """Rows and failures, how the judge differs from the retriever, and warnings where it follows places or examples."""
    manifest = preferences.manifest
    rows, counts = manifest["rows"], manifest["counts"]
    say(f"  {rows['out']:,} of {rows['in']:,} queries judged, {_share(rows['rejected'], rows['in'])} rejected")
    if replies := replies_in(counts):
        parses = (f"{_share(counts.get(f'reply:{p}', 0), replies)} {p}" for p in ("complete", "repaired", "partial"))
        failed = counts.get("reply:failed", 0)
        say(f"  of {replies:,} replies {', '.join(parses)}, {_share(failed, replies)} failed")
        usable = sum(counts.get(f"reply:{parse}", 0) for parse in ("complete", "repaired"))
        if usable < replies * FEWEST_USABLE:
            say(
                f"Warning: {_share(replies - usable, replies)} of the replies are no whole ranking: this model is too "
                "small for --method listwise; name a larger one, or use --method likelihood."
            )
    for line in _agreement(preferences):
        say(f"  {line}")
    if bias := position_bias(counts):
        _print_bias(bias)
    for line in constant_judge(counts):
        say(f"Warning: {line}: this judge may not have read the passages.")


def _agreement(preferences: Version) -> Iterator[str]:
    rows: list[dict[str, Any]] = [row for shard in preferences.shards() for row in read_rows(shard, _COLUMNS)]
    if not rows:
        return
    n = len(rows)
    tau = sum(kendall_tau(row["retriever_ranks"], sorted(row["retriever_ranks"])) for row in rows) / n
    same = sum(row["retriever_ranks"][0] == 1 for row in rows)
    yield f"the judge's first is the retriever's in {_share(same, n)}; mean Kendall tau with its order {tau:.2f}"
    before = sum(row["own_rank"] is not None and row["retriever_ranks"][row["own_rank"] - 1] == 1 for row in rows)
    after = sum(row["own_rank"] == 1 for row in rows)
    yield f"the query's own chunk is first in {_share(before, n)} before and {_share(after, n)} after"
    repeated = [row for row in rows if row["rank_agreement"] is not None]
    if repeated:
        taus, firsts = (
            sum(row[column] for row in repeated) / len(repeated) for column in ("rank_agreement", "first_agreement")
        )
        yield f"shuffled repeats agree with tau {taus:.2f}, and {firsts:.0%} of them on the first"


def _print_bias(bias: Bias) -> None:
    say(
        f"  places, in {bias.replies:,} rankings of {bias.shown} shuffled passages ({(bias.shown + 1) / 2:.1f} is fair)"
    )
    say("    shown at    " + "".join(f"{place:>6}" for place in range(1, bias.shown + 1)))
    say("    mean rank   " + "".join(f"{rank:>6.1f}" for rank in bias.ranks))
    say(f"    tau of the order shown and the order given: {bias.tau:.2f} (0.00 is fair)")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"
