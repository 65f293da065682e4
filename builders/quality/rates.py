"""What an audit estimates: the share of pairs that both opinions call relevant, and how far the two agree."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from builders.quality.sampling import band_order
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

    from builders.store.version_sets import VersionSet

# 95 in 100 intervals.
_Z = 1.959964
# Agreement below this is called slight (Landis and Koch, 1977).
_SLIGHT = 0.2
# What rates are told by, beside all.
BY = ("method", "source", "language", "band")


@dataclass(frozen=True)
class Agreement:
    """Of two opinions, weighted. kappa is None where both always say the same one thing: chance explains it all."""

    raw: float
    kappa: float | None


def wilson(rate: float, size: float) -> tuple[float, float]:
    """The Wilson score interval (Wilson, 1927) of a share found in `size` draws.

    size need not be whole: of pairs that stand for different numbers of others, it is Kish's effective size
    (sum w)^2 / sum w^2 with w = 1 / share (Kish, 1965), so that few pairs of a large stratum give a wide interval. What
    stratification gains is not taken off, so intervals are rather too wide.
    """
    spread = _Z * _Z / size
    centre = (rate + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(rate * (1 - rate) / size + spread / (4 * size))
    return max(0.0, centre - half), min(1.0, centre + half)


def cohens_kappa(first: float, second: float, both: float, neither: float) -> Agreement:
    """first, second: the share that each calls relevant; both, neither: that both do, and that none does."""
    raw = both + neither
    by_chance = first * second + (1 - first) * (1 - second)
    kappa = None if by_chance >= 1 - 1e-12 else (raw - by_chance) / (1 - by_chance)
    return Agreement(raw, kappa)


def rates(opinions: Version) -> list[dict[str, Any]]:
    """{side, by, value, pairs, relevant, split, rate, low, high, wrong, wrong_low, wrong_high}: of all pairs of a side,
    and of each part of them.

    rate: sum of w over relevant pairs / sum of w over all, w being what a pair stands for (1 / its stratum's share).
    wrong: the same of what both opinions speak against: negatives that they call relevant, and positives that they call
    not relevant. A positive on which they differ is neither right nor wrong.
    """
    rows = []
    for side in ("negative", "positive"):
        for by in ("all", *BY):
            name = "rank" if by == "band" and side == "positive" else by
            parts = _sums(opinions, side, None if by == "all" else by).to_dicts()
            order = band_order if by == "band" else str
            for part in sorted(parts, key=lambda part: order(part["value"])):
                size = part["w"] ** 2 / part["w2"]
                wrong = part["w_relevant" if side == "negative" else "w_not_relevant"]
                counts = {"pairs": part["pairs"], "relevant": part["relevant"], "split": part["split"]}
                shares = _shares(part["w_relevant"] / part["w"], size, ("rate", "low", "high"))
                shares |= _shares(wrong / part["w"], size, ("wrong", "wrong_low", "wrong_high"))
                rows.append({"side": side, "by": name, "value": part["value"], **counts, **shares})
    return rows


def _shares(rate: float, size: float, names: tuple[str, str, str]) -> dict[str, float]:
    return dict(zip(names, (round(one, 6) for one in (rate, *wilson(rate, size))), strict=True))


def agreement(opinions: Version, side: str) -> Agreement | None:
    """Of the two opinions on one side; None where no pair of it was looked at."""
    import polars as pl

    found = _scanned(opinions, side).select(
        pl.col("w").sum(),
        *(
            (pl.col("w") * said).sum().alias(name)
            for name, said in {
                "first": pl.col("first"),
                "second": pl.col("second"),
                "both": pl.col("first") & pl.col("second"),
                "neither": ~pl.col("first") & ~pl.col("second"),
            }.items()
        ),
    )
    whole, *sums = found.collect(engine="streaming").row(0)
    return cohens_kappa(*(part / whole for part in sums)) if whole else None


def audit_facts(opinions: Version, versions: "VersionSet | None" = None) -> dict[str, Any]:
    """What a card tells of one version of opinions. kappa and agreement are of the negatives, where there are any.

    versions: the set that is described; the policy is that of the triplets in it that were made from these opinions,
    and keep where there are none.
    """
    told = agreement(opinions, "negative") or agreement(opinions, "positive")
    revised = [v for v in (versions.of("triplets") if versions else []) if _is_made_from(v, opinions)]
    identity = opinions.manifest["identity"]
    return {
        "version": str(opinions),
        "triplets": [f"{i['table']}/{i['version']}" for i in identity["inputs"] if i["table"] == "triplets"],
        "pairs": opinions.manifest["rows"]["out"],
        "opinions": [one["rule"]["by"] for one in identity["config"]["opinions"]],
        "kappa": None if told is None or told.kappa is None else round(told.kappa, 4),
        "agreement": None if told is None else round(told.raw, 4),
        "policy": revised[-1].manifest["identity"]["config"]["policy"] if revised else "keep",
        "strata": [{k: v for k, v in row.items() if k != "split"} for row in rates(opinions)],
    }


def _is_made_from(triplets: Version, opinions: Version) -> bool:
    given = triplets.manifest["identity"]["inputs"]
    return any(i["table"] == "opinions" and i["version"] == opinions.name for i in given)


def _scanned(opinions: Version, side: str) -> "pl.LazyFrame":
    import polars as pl

    said = {
        name: pl.col("opinions").list.get(at).struct.field("relevant") for at, name in enumerate(("first", "second"))
    }
    rows = pl.scan_parquet(opinions.shards(), glob=False).filter(pl.col("side") == side)
    return rows.with_columns(w=1 / pl.col("stratum_share"), **said)


def _sums(opinions: Version, side: str, by: str | None) -> "pl.DataFrame":
    import polars as pl

    value = pl.lit("all") if by is None else pl.col(by)
    is_relevant = pl.col("verdict") == "relevant"
    grouped = _scanned(opinions, side).group_by(value.alias("value"))
    sums = grouped.agg(
        pairs=pl.len(),
        relevant=is_relevant.sum(),
        split=(pl.col("verdict") == "split").sum(),
        w=pl.col("w").sum(),
        w2=(pl.col("w") ** 2).sum(),
        w_relevant=pl.col("w").filter(is_relevant).sum(),
        w_not_relevant=pl.col("w").filter(pl.col("verdict") == "not_relevant").sum(),
    )
    return sums.filter(pl.col("pairs") > 0).collect(engine="streaming")


_ASKS = {"negative": "negatives that both opinions call relevant", "positive": "positives that both call relevant"}


def print_audit(opinions: Version) -> None:
    """The tables, for a reader."""
    found = rates(opinions)
    by_names = [one["rule"]["by"] for one in opinions.manifest["identity"]["config"]["opinions"]]
    say(f"  opinions of {' and '.join(by_names)}")
    for side, heading in _ASKS.items():
        rows = [row for row in found if row["side"] == side]
        if not rows:
            continue
        say(f"{heading}{'':<{46 - len(heading)}} {'pairs':>7} {'relevant':>8} {'split':>6} {'rate':>7}  95% interval")
        for row in rows:
            what = row["value"] if row["by"] == "all" else f"{row['by']} {row['value']}"
            counts = f"{row['pairs']:>7,} {row['relevant']:>8,} {row['split']:>6,}"
            say(f"  {what:<44.44} {counts} {row['rate']:>7.2%}  {row['low']:.2%} .. {row['high']:.2%}")
        told = agreement(opinions, side)
        assert told is not None
        kappa = "none (chance explains all agreement)" if told.kappa is None else f"{told.kappa:.2f}"
        say(f"  the two agree on {told.raw:.1%} of the {side}s; Cohen's kappa {kappa}")
        if told.kappa is not None and told.kappa < _SLIGHT:
            say(
                f"Warning: of the {side}s the two agree little more than by chance: one of them, at least, cannot tell."
            )
