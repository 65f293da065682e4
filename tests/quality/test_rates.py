"""Rates, intervals and agreement: against numbers computed otherwise, and a planted rate that is covered."""

import math
import random
from pathlib import Path
from typing import Any

import pytest

from builders.quality.rates import agreement, audit_facts, cohens_kappa, rates, wilson
from builders.store.versions import Version
from tests.triplet_making import write


def test_wilson_is_where_the_score_test_ends() -> None:
    """The ends of the interval are the shares that a draw of `rate` is 1.96 standard errors away from."""
    for rate, size in ((0.1, 50.0), (0.5, 8.0), (0.93, 31.5), (0.0, 20.0), (1.0, 20.0)):
        low, high = wilson(rate, size)
        for end in {low, high} - {0.0, 1.0}:
            assert abs(rate - end) / math.sqrt(end * (1 - end) / size) == pytest.approx(1.959964, abs=1e-5)
        assert 0 <= low <= rate <= high <= 1
    assert wilson(0.0, 20.0)[0] == 0 and wilson(0.0, 20.0)[1] > 0.1
    assert wilson(0.1, 5000)[1] - wilson(0.1, 5000)[0] < 0.02


def test_kappa_of_a_table_known_from_elsewhere() -> None:
    """Cohen's own kind of table: 20 both, 15 neither, 5 and 10 apart, of 50."""
    told = cohens_kappa(25 / 50, 30 / 50, 20 / 50, 15 / 50)
    assert (told.raw, told.kappa) == (pytest.approx(0.7), pytest.approx(0.4))
    assert cohens_kappa(0, 0, 0, 1).kappa is None
    assert cohens_kappa(0.5, 0.5, 0.5, 0.5).kappa == 1
    assert cohens_kappa(0.5, 0.5, 0.0, 0.0).kappa == -1


def row(number: int, share: float, first: bool, second: bool, **changes: Any) -> dict[str, Any]:
    said = [
        {"by": by, "kind": "retriever", "score": 0.5, "reference": 1.0, "relevant": relevant}
        for by, relevant in (("one", first), ("two", second))
    ]
    verdict = "split" if first != second else "relevant" if first else "not_relevant"
    given = {"opinion_id": f"{number:05d}", "triplet_id": "t", "query_id": "q", "chunk_id": "c", "side": "negative"}
    given |= {"rank": 11, "band": "11..20", "method": "sent", "source": "s", "language": "en", "split": "train"}
    return (
        given
        | {"normalised_text_hash": "0" * 32, "stratum_share": share, "opinions": said, "verdict": verdict}
        | changes
    )


def test_a_stratum_counts_by_what_it_stands_for(tmp_path: Path) -> None:
    """4 of 10 in a stratum of 10, none of 10 in one of 990: 4 in 1,000, and not 1 in 5."""
    rows = [row(at, 1.0, at < 4, at < 5) for at in range(10)]
    rows += [row(10 + at, 10 / 990, False, at == 0, language="de", band="21..30") for at in range(10)]
    rows.append(row(99, 1.0, True, True, side="positive", rank=None, band="unranked"))
    found = {(r["side"], r["by"], r["value"]): r for r in rates(write(tmp_path, "opinions", "opinion", rows, ()))}
    whole = found["negative", "all", "all"]
    assert (whole["pairs"], whole["relevant"], whole["split"]) == (20, 4, 2)
    assert whole["rate"] == pytest.approx(0.004)
    assert found["negative", "language", "en"]["rate"] == pytest.approx(0.4)
    assert found["negative", "band", "21..30"]["rate"] == 0
    size = 1000**2 / (10 + 10 * 99**2)
    assert (whole["low"], whole["high"]) == pytest.approx(wilson(0.004, size), abs=1e-6)
    assert whole["high"] > 0.25, "ten pairs that stand for 990 tell little"
    assert found["positive", "rank", "unranked"]["rate"] == 1
    assert not any(value == "unranked" for side, _, value in found if side == "negative")


def test_a_planted_rate_is_within_the_interval_nineteen_times_in_twenty(tmp_path: Path) -> None:
    """Drawn from two strata of different sizes and rates, whose joint rate is known."""
    true, inside, draws = (200 * 0.5 + 1800 * 0.1) / 2000, 0, 30
    for seed in range(draws):
        draw = random.Random(seed)
        rows = [row(at, 0.2, yes, yes) for at in range(40) for yes in [draw.random() < 0.5]]
        more = [row(100 + at, 1 / 45, yes, yes, language="de") for at in range(40) for yes in [draw.random() < 0.1]]
        version = write(tmp_path / str(seed), "opinions", "opinion", rows + more, ())
        whole = rates(version)[0]
        inside += whole["low"] <= true <= whole["high"]
    assert inside >= draws * 0.9


def test_agreement_is_weighted_too(tmp_path: Path) -> None:
    rows = [row(0, 1.0, True, True), row(1, 1.0, True, False), row(2, 0.5, False, False)]
    told = agreement(write(tmp_path, "opinions", "opinion", rows, ()), "negative")
    assert told is not None
    again = cohens_kappa(2 / 4, 1 / 4, 1 / 4, 2 / 4)
    assert told.raw == again.raw == 0.75 and told.kappa == pytest.approx(again.kappa)
    assert agreement(write(tmp_path / "none", "opinions", "opinion", rows[:0], ()), "negative") is None


def test_facts_are_plain_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = write(tmp_path, "opinions", "opinion", [row(0, 1.0, True, True)], ())
    rules = [{"rule": {"by": by}} for by in ("one", "two")]
    version.manifest["identity"]["config"]["opinions"] = rules
    facts = audit_facts(Version(version.folder, version.manifest))
    assert list(facts) == ["version", "triplets", "pairs", "opinions", "kappa", "agreement", "policy", "strata"]
    assert (facts["opinions"], facts["kappa"], facts["agreement"], facts["policy"]) == (
        ["one", "two"],
        None,
        1.0,
        "keep",
    )
    assert {tuple(part) for part in facts["strata"]} == {
        ("side", "by", "value", "pairs", "relevant", "rate", "low", "high", "wrong", "wrong_low", "wrong_high")
    }


def test_what_one_opinion_speaks_against_is_not_wrong(tmp_path: Path) -> None:
    said = [(True, False)] * 8 + [(False, False)] + [(True, True)]
    rows = [row(at, 1.0, *one, side=side) for side in ("negative", "positive") for at, one in enumerate(said)]
    whole = {one["side"]: one for one in rates(write(tmp_path, "opinions", "opinion", rows, ())) if one["by"] == "all"}
    assert {side: (one["rate"], one["wrong"]) for side, one in whole.items()} == {
        "negative": (0.1, 0.1),
        "positive": (0.1, 0.1),
    }
    assert (whole["positive"]["wrong_low"], whole["positive"]["wrong_high"]) == pytest.approx(wilson(0.1, 10), abs=1e-6)
