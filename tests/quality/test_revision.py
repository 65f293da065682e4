"""Policies: what is dropped or promoted, what the guard takes with it, which rows go; and copies that are found."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from builders.quality.rates import audit_facts
from builders.store.lineage import Found, chain
from builders.store.schemas import first_fault
from builders.store.version_sets import version_set
from builders.store.versions import Version, find_version
from tests.making import parquet_bytes, rejected_of, rows_of
from tests.quality.making import audited, topical
from tests.quality.planted_negatives import SHARES, plant_copies
from tests.triplet_making import make

EASY: dict[str, Any] = {"pairs": None, "thresholds": (0.3, 0.1)}


@pytest.fixture(scope="module")
def chosen(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = Path(shutil.copytree(searched, tmp_path_factory.mktemp("chosen") / "data"))
    make(data, least=5)
    return data


@pytest.fixture
def data(chosen: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chosen, tmp_path / "data"))


def relevant(opinions: Version) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows_of(opinions):
        if row["side"] == "negative" and row["verdict"] == "relevant":
            found.setdefault(row["triplet_id"], set()).add(row["chunk_id"])
    return found


def opinions_of(revised: Version) -> Version:
    return next(v for v in revised.inputs() if v.table == "opinions")


@pytest.mark.parametrize("by", [("dense", "bm25"), ("dense", "copy"), ("bm25", "copy")])
def test_near_copies_hidden_among_negatives_are_found(tmp_path: Path, by: Any) -> None:
    planted = plant_copies(topical(tmp_path), tmp_path, 40)
    opinions = audited(tmp_path, planted.triplets, pairs=None, by=by)
    found = {(name, chunk) for name, its in relevant(opinions).items() for chunk in its}
    hits = found & set(planted.hidden)
    assert set(planted.hidden.values()) == set(SHARES) and len(planted.hidden) == 40
    assert len(hits) >= 0.9 * len(planted.hidden)
    assert len(hits) >= 0.9 * len(found)
    assert len(rows_of(opinions)) == 40 * 11


def test_dropped_negatives_are_gone_and_rows_left_with_too_few_are_rejected(data: Path) -> None:
    triplets = find_version(data, "triplets")
    revised = audited(data, triplets, policy="drop", **EASY)
    out = relevant(opinions_of(revised))
    before, after = ({row["triplet_id"]: row for row in rows_of(v)} for v in (triplets, revised))
    rejected = {row["row_id"]: row for row in rejected_of(revised)}
    assert after and rejected and set(after) | set(rejected) == set(before) and not set(after) & set(rejected)
    assert [str(v) for v in revised.inputs()] == [str(triplets), str(opinions_of(revised))]
    changed = 0
    for name, row in before.items():
        kept = [at for at, chunk in enumerate(row["negative_ids"]) if chunk not in out.get(name, set())]
        enough = len(kept) >= min(5, len(row["negative_ids"]))
        assert (name in after) is enough
        if enough:
            lists = {
                f"negative_{what}": [row[f"negative_{what}"][at] for at in kept] for what in ("ids", "ranks", "scores")
            }
            assert after[name] == row | lists
            assert first_fault("triplet", after[name]) is None
            changed += len(kept) < len(row["negative_ids"])
        else:
            assert rejected[name]["reason"] == "too_few_negatives" and "relevant" in rejected[name]["detail"]
    assert changed
    assert revised.manifest["counts"]["dropped:relevant"] == sum(map(len, out.values()))
    assert revised.manifest["identity"]["config"] == {"policy": "drop", "least": 5}


def test_promoted_negatives_are_positives_and_take_their_kin_along(data: Path) -> None:
    triplets = find_version(data, "triplets")
    revised = audited(data, triplets, policy="promote", pairs=None, thresholds=(0.35, 0.2))
    out = relevant(opinions_of(revised))
    facts = {row["chunk_id"]: row for row in rows_of(find_version(data, "chunks"))}
    before, kin = {row["triplet_id"]: row for row in rows_of(triplets)}, 0
    moved = 0
    for row in rows_of(revised):
        assert first_fault("triplet", row) is None
        was, new = before[row["triplet_id"]], out.get(row["triplet_id"], set())
        assert row["positive_ids"][: len(was["positive_ids"])] == was["positive_ids"]
        assert set(row["positive_ids"]) == set(was["positive_ids"]) | new
        places = dict(
            zip(was["negative_ids"], zip(was["negative_ranks"], was["negative_scores"], strict=True), strict=True)
        )
        for chunk, rank, score in list(
            zip(row["positive_ids"], row["positive_ranks"], row["positive_scores"], strict=True)
        )[len(was["positive_ids"]) :]:
            assert (rank, score) == places[chunk]
            moved += 1
        positives = [facts[chunk] for chunk in row["positive_ids"]]
        for chunk in row["negative_ids"]:
            for column in ("chunk_id", "normalised_text_hash", "cluster_id", "document_id"):
                assert facts[chunk][column] not in {p[column] for p in positives}
        kin += len(was["negative_ids"]) - len(row["negative_ids"]) - len(new)
        if row["split"] == "train":
            assert not any(p["split"] == "heldout" for p in positives)
    assert moved and kin
    assert kin <= revised.manifest["counts"]["dropped:same_document"]


def test_what_is_promoted_for_a_query_is_no_negative_of_the_same_words_elsewhere(data: Path) -> None:
    from tests.triplet_making import write

    triplets = find_version(data, "triplets")
    rows = rows_of(triplets)
    first = next(row for row in rows if row["split"] == "train")
    # The other row's query has the same words, but its own chunk is another one, which nothing is near to.
    twin = next(
        r
        for r in rows
        if r["split"] == "train"
        and r["triplet_id"] != first["triplet_id"]
        and set(r["negative_ids"]) & set(first["negative_ids"])
    )
    shared = next(iter(set(twin["negative_ids"]) & set(first["negative_ids"])))
    twin["normalised_text_hash"] = first["normalised_text_hash"]
    pair = write(data, "triplets", "triplet", [first, twin], tuple(triplets.inputs()))
    said = [{"by": by, "kind": "retriever", "score": 1.0, "reference": 1.0, "relevant": True} for by in ("one", "two")]
    same = {
        k: first[k] for k in ("triplet_id", "query_id", "method", "source", "language", "split", "normalised_text_hash")
    }
    row = {**same, "opinion_id": "x", "chunk_id": shared, "side": "negative", "rank": 9, "band": "1..10"}
    opinions = write(
        data, "opinions", "opinion", [row | {"stratum_share": 1.0, "opinions": said, "verdict": "relevant"}], (pair,)
    )
    from builders.quality.revision import revise

    chunks = [v for v in pair.inputs() if v.table == "chunks"]
    revised = {r["triplet_id"]: r for r in rows_of(revise(pair, opinions, chunks, "promote", data))}
    assert shared in revised[first["triplet_id"]]["positive_ids"]
    assert shared in twin["negative_ids"] and shared not in revised[twin["triplet_id"]]["negative_ids"]


def test_a_sample_s_revision_says_what_was_not_looked_at(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audited(data, find_version(data, "triplets"), policy="drop", pairs=1)
    assert "sampled negatives of" in capsys.readouterr().err


def test_a_second_policy_asks_nothing_again_and_a_revision_can_be_audited(data: Path) -> None:
    triplets = find_version(data, "triplets")
    kept = audited(data, triplets, **EASY)
    dropped = audited(data, triplets, policy="drop", **EASY)
    again = audited(data, triplets, policy="drop", **EASY)
    assert opinions_of(dropped).name == kept.name and parquet_bytes(again.folder) == parquet_bytes(dropped.folder)
    assert audit_facts(kept)["policy"] == "keep"
    assert audit_facts(kept, version_set([dropped]))["policy"] == "drop"
    twice = audited(data, dropped, policy="drop", **EASY)
    assert relevant(opinions_of(twice)) == {}, "nothing is left to find"
    assert twice.manifest["identity"]["config"]["least"] == 5
    assert len(rows_of(twice)) == len(rows_of(dropped))


def test_the_chain_of_a_revised_row_tells_by_what_it_was_revised(data: Path) -> None:
    triplets = find_version(data, "triplets")
    revised = audited(data, triplets, policy="promote", pairs=None, thresholds=(0.35, 0.2))
    out, before = relevant(opinions_of(revised)), {row["triplet_id"]: row for row in rows_of(triplets)}
    after = next(row for row in rows_of(revised) if row["triplet_id"] in out)
    name = after["triplet_id"]
    links = chain(Found(revised, after, rejected=False))
    said = {link.row["chunk_id"] for link in links if link.version.table == "opinions"}
    assert said == out[name]
    assert [link.row for link in links if link.version.table == "triplets"] == [after, before[name]]
    same = next(row for row in rows_of(revised) if row == before[row["triplet_id"]])
    assert [link for link in chain(Found(revised, same, rejected=False)) if link.version.table == "triplets"] == [
        Found(revised, same, rejected=False)
    ]
