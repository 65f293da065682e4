"""The sample of pairs: seeded, of each stratum, the same by a brute count, and a larger one holds the smaller."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from builders.quality.sampling import PairSample, Stratum, band_order, draw_pairs
from builders.store.versions import Version
from tests.making import rows_of
from tests.triplet_making import make


@pytest.fixture(scope="module")
def triplets(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    import shutil

    return make(Path(shutil.copytree(searched, tmp_path_factory.mktemp("sampled") / "data")))


def sampled(triplets: Version, sample: PairSample) -> list[dict[str, Any]]:
    return [pair for shard in triplets.shards() for pair in sample.pairs(str(shard))]


def stratum(pair: dict[str, Any]) -> Stratum:
    return Stratum(*(pair[name] for name in Stratum._fields))


def band(side: str, rank: int | None) -> str:
    """Said once more: six bands of negatives, ten ranks of positives."""
    if rank is None:
        return "unranked"
    if side == "positive" and rank <= 10:
        return str(rank)
    ends = (10, 20, 30, 50, 100)
    last = next((end for end in ends if rank <= end), None)
    if last is None:
        return "101.."
    return f"{([0, *ends][ends.index(last)]) + 1}..{last}"


def all_pairs(triplets: Version) -> Counter[Stratum]:
    counted = Counter[Stratum]()
    for row in rows_of(triplets):
        for side in ("positive", "negative"):
            for chunk, rank in zip(row[f"{side}_ids"], row[f"{side}_ranks"], strict=True):
                if side == "negative" or chunk != row["chunk_id"]:
                    counted[Stratum(side, row["method"], row["source"], row["language"], band(side, rank))] += 1
    return counted


def test_without_a_limit_every_pair_is_there_once(triplets: Version) -> None:
    sample = draw_pairs([triplets], None, 0)
    pairs, there = sampled(triplets, sample), all_pairs(triplets)
    assert len(there) > 10 and {stratum.side for stratum in there} == {"positive", "negative"}
    assert Counter(map(stratum, pairs)) == there
    assert {name: one.there for name, one in sample.strata.items()} == there
    assert {pair["stratum_share"] for pair in pairs} == {1.0}
    assert len({(pair["triplet_id"], pair["chunk_id"]) for pair in pairs}) == len(pairs)


def test_each_stratum_gives_its_share_and_a_larger_sample_holds_the_smaller(triplets: Version) -> None:
    there = all_pairs(triplets)
    seen = []
    for most in (2, 5):
        pairs = sampled(triplets, draw_pairs([triplets], most, 0))
        assert Counter(map(stratum, pairs)) == {name: min(most, count) for name, count in there.items()}
        assert all(pair["stratum_share"] == min(most, there[stratum(pair)]) / there[stratum(pair)] for pair in pairs)
        seen.append({(pair["triplet_id"], pair["chunk_id"]) for pair in pairs})
    assert seen[0] < seen[1]
    other = sampled(triplets, draw_pairs([triplets], 5, 1))
    assert {(pair["triplet_id"], pair["chunk_id"]) for pair in other} != seen[1]


@pytest.mark.slow
def test_a_pair_is_drawn_as_often_as_any_other(triplets: Version) -> None:
    """Over many seeds each pair of one stratum is among the first few in its share."""
    name = max(all_pairs(triplets).items(), key=lambda item: item[1])[0]
    drawn: dict[tuple[str, str], int] = defaultdict(int)
    shard = next(
        s
        for s in triplets.shards()
        if any(map(lambda p: stratum(p) == name, draw_pairs([triplets], None, 0).pairs(str(s))))
    )
    alone = Version(triplets.folder, triplets.manifest | {"files": [{"path": shard.name, "rows": 1}]})
    draws = 20
    for seed in range(draws):
        for pair in draw_pairs([alone], 3, seed).pairs(str(shard)):
            if stratum(pair) == name:
                drawn[pair["triplet_id"], pair["chunk_id"]] += 1
    assert sum(drawn.values()) == 3 * draws
    assert max(drawn.values()) < draws / 2


def test_bands_are_in_the_order_of_ranks() -> None:
    bands = ["unranked", "101..", "11..20", "2", "1..10", "10"]
    assert sorted(bands, key=band_order) == ["1..10", "2", "10", "11..20", "101..", "unranked"]
