"""The facts of a release: what DuckDB counts, counted again row by row."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from builders.cards.columns import pair_columns, size_category
from builders.cards.facts import release_facts
from builders.cards.histograms import MOST_BINS, percentile, series_of
from builders.cli.errors import UserError
from builders.store.schemas import columns
from builders.store.version_sets import VersionSet, version_set
from tests.cards.making import QUALITY, named, parts
from tests.making import rejected_of, rows_of
from tests.triplet_making import make


@pytest.fixture
def versions(tables: Path) -> VersionSet:
    return version_set(named(tables))


@pytest.fixture
def rows(versions: VersionSet) -> dict[str, list[dict[str, Any]]]:
    tables = ("chunks", "queries", "triplets", "candidates")
    found = {table: [row for version in versions.of(table) for row in rows_of(version)] for table in tables}
    assert all(len(rows) > 20 for rows in found.values())
    return found


def test_facts_are_json_and_the_same_each_time(versions: VersionSet, facts: dict[str, Any]) -> None:
    again = release_facts(versions, parts({}), QUALITY)
    left_out = ("configs", "size_category")
    assert {k: v for k, v in again.items() if k not in left_out} == {
        k: v for k, v in facts.items() if k not in left_out
    }
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_counts_by_language_source_and_method_are_those_of_the_rows(
    rows: dict[str, list[dict[str, Any]]], facts: dict[str, Any]
) -> None:
    for key, column in (("languages", "language"), ("sources", "source")):
        for kind in ("chunks", "queries", "triplets"):
            told = {row["code" if key == "languages" else "name"]: row[kind] for row in facts[key]}
            assert told == {name: 0 for name in told} | Counter(row[column] for row in rows[kind])
    assert len(facts["languages"]) == 6
    assert facts["sources"][0]["documents"] == len({row["document_id"] for row in rows["chunks"]})
    for method in facts["methods"]:
        chosen = [row for row in rows["triplets"] if row["method"] == method["name"]]
        assert method["queries"] == sum(row["method"] == method["name"] for row in rows["queries"])
        assert method["triplets"] == len(chosen)
        assert method["positives"] == sum(len(row["positive_ids"]) for row in chosen)
        assert method["negatives"] == sum(len(row["negative_ids"]) for row in chosen)
    assert [method["name"] for method in facts["methods"]] == ["qgen", "sent"]


def test_lengths_are_words_or_characters(rows: dict[str, list[dict[str, Any]]], facts: dict[str, Any]) -> None:
    lengths = defaultdict(list)
    for row in rows["queries"]:
        words = row["text"].split()
        lengths[row["method"]].append(len("".join(words)) if row["language"] == "ja" else len(words))
    _check_series(facts["distributions"]["query_words"], lengths)
    assert any(row["language"] == "ja" for row in rows["queries"])
    negatives = defaultdict(list)
    for row in rows["triplets"]:
        negatives[row["method"]].append(len(row["negative_ids"]))
    _check_series(facts["distributions"]["negatives"], negatives)
    _check_series(facts["distributions"]["chunk_tokens"], {"notes": [row["tokens"] for row in rows["chunks"]]})


def _check_series(told: dict[str, Any], values: dict[str, list[int]]) -> None:
    assert {series["name"] for series in told["series"]} == set(values)
    for series in told["series"]:
        found = sorted(values[series["name"]])
        assert len(found) > 5
        for share in (10, 50, 90):
            assert series[f"p{share}"] == found[math.ceil(len(found) * share / 100) - 1]
        for each in series["bins"]:
            assert each["count"] == sum(each["from"] <= value < each["to"] for value in found)
        assert sum(each["count"] for each in series["bins"]) == len(found)


def test_ranks_and_scores_are_those_of_the_candidates(
    rows: dict[str, list[dict[str, Any]]], facts: dict[str, Any]
) -> None:
    by_language = defaultdict(list)
    for row in rows["candidates"]:
        by_language[row["language"]].append(row["own_rank"] or math.inf)
    assert {row["language"] for row in facts["retrieval"]} == set(by_language)
    for row in facts["retrieval"]:
        ranks = by_language[row["language"]]
        assert row["queries"] == len(ranks)
        for name, deepest in (("first", 1), ("in_10", 10), ("in_50", 50)):
            assert row[name] == pytest.approx(sum(rank <= deepest for rank in ranks) / len(ranks), abs=1e-6)
    bands = {row["band"]: row["queries"] for row in facts["distributions"]["own_rank"]}
    ranks = [rank for found in by_language.values() for rank in found]
    assert bands.pop("1", 0) == sum(rank == 1 for rank in ranks)
    assert bands.pop("not found", 0) == sum(rank == math.inf for rank in ranks)
    assert sum(bands.values()) == sum(1 < rank < math.inf for rank in ranks)
    assert len(facts["distributions"]["score_by_rank"]) == 12
    for told in facts["distributions"]["score_by_rank"]:
        scores = sorted(
            row["scores"][told["rank"] - 1] for row in rows["candidates"] if len(row["scores"]) >= told["rank"]
        )
        for share in (10, 50, 90):
            assert told[f"p{share}"] == pytest.approx(scores[math.ceil(len(scores) * share / 100) - 1], rel=0.006)


def test_rejections_are_those_that_are_kept(versions: VersionSet, facts: dict[str, Any]) -> None:
    tables = ("documents", "chunks", "queries", "candidates", "triplets")
    kept = Counter((v.table, row["reason"]) for t in tables for v in versions.of(t) for row in rejected_of(v))
    told: Counter[tuple[str, str]] = Counter()
    for row in facts["distributions"]["rejections"]:
        told[row["table"], row["reason"]] += row["rows"]
        assert (row["method"] is None) == (row["table"] in ("documents", "chunks"))
    assert kept == told
    assert len(kept) > 3
    for stage in facts["stages"]:
        assert sum(stage["rejected_by_reason"].values()) == stage["rejected"]


def test_stages_are_told_in_order_without_passes(versions: VersionSet, facts: dict[str, Any]) -> None:
    told = [f"{stage['table']}/{stage['version']}" for stage in facts["stages"]]
    assert told == [str(v) for v in versions.versions if v.table in {name.split("/")[0] for name in told}]
    assert {stage["table"] for stage in facts["stages"]} == {"documents", "chunks", "queries", "candidates", "triplets"}
    for at, stage in enumerate(facts["stages"]):
        assert set(stage["inputs"]) <= set(told[:at])
        assert bool(stage["inputs"]) == (stage["table"] != "documents")
    (prompt,) = facts["prompts"]
    assert prompt["text"] == (Path(__file__).parents[2] / f"prompts/{prompt['name']}.toml").read_text()
    assert {(m["id"], *m["roles"], m["licence"]) for m in facts["models"]} == {
        ("fake", "writes queries", "MIT"),
        ("hash", "retrieves", None),
    }


def test_configs_have_the_columns_of_their_schema(facts: dict[str, Any]) -> None:
    assert [config["name"] for config in facts["configs"]] == ["corpus", "queries", "triplets", "pairs"]
    for config, record in zip(facts["configs"], ("chunk", "query", "triplet"), strict=False):
        assert [column["name"] for column in config["columns"]] == columns(record)
    assert facts["configs"][3]["columns"] == pair_columns(2)
    types = {column["name"]: column["type"] for column in facts["configs"][2]["columns"]}
    assert (types["negative_scores"], types["judge"]) == ("list of float64 or null", "string or null")


def test_a_row_of_two_versions_is_counted_once(tables: Path) -> None:
    """As in a release: the row of the version that was named first."""
    first, written = named(tables)
    second = make(tables, negatives=(4, 8))
    for order in ((first, second), (second, first)):
        rows = {row["triplet_id"]: row for version in order[::-1] for row in rows_of(version)}
        assert len(rows) < sum(version.manifest["rows"]["out"] for version in order)
        again = release_facts(version_set([*order, written]), parts({}), QUALITY)
        told = again["methods"][1]
        assert told["triplets"] == len(rows)
        assert told["negatives"] == sum(len(row["negative_ids"]) for row in rows.values())
        (series,) = again["distributions"]["negatives"]["series"]
        assert sum(each["count"] for each in series["bins"]) == len(rows)


@pytest.mark.parametrize(
    ("licences", "sentence"),
    [
        ({"fake": "MIT"}, "documents of the source notes state no licence: give --licence 'notes=SPDX'"),
        ({"notes": "MIT"}, "The licence of the model fake, which writes queries, is not known"),
        ({"notes": "CCBY", "fake": "MIT"}, "'CCBY' of the source notes is no SPDX expression (did you mean CC-BY-"),
        ({"note": "MIT", "fake": "MIT"}, "--licence note=MIT names no source and no model of this release (did you mean notes?)"),
    ],
)  # fmt: skip
def test_a_licence_that_is_lacking_or_wrong_is_named(
    versions: VersionSet, licences: dict[str, str], sentence: str
) -> None:
    with pytest.raises(UserError) as raised:
        release_facts(versions, parts({}, licences=licences), QUALITY)
    assert sentence in str(raised.value)


def test_only_what_wrote_counts_for_the_licence(facts: dict[str, Any]) -> None:
    told = [(row["what"], row["licence"]) for row in facts["licence"]["by"]]
    assert told == [("source notes", "CC-BY-SA-4.0"), ("model fake, which wrote queries", "MIT")]
    assert facts["licence"]["strictest"] == "CC-BY-SA-4.0"
    assert facts["sources"][0]["licences"] == ["CC-BY-SA-4.0"]
    assert facts["sources"][0]["stated"][0]["stated"] is None


@pytest.mark.parametrize("values", [[3], [0, 0, 1], list(range(500)), [7] * 500 + [90_000], [256, 255] * 9])
def test_bins_cover_every_value_once(values: list[int]) -> None:
    counts = Counter(values)
    (series,) = series_of({"one": counts})
    bins = series["bins"]
    assert 1 <= len(bins) <= MOST_BINS
    assert sum(each["count"] for each in bins) == len(values)
    assert [each["to"] for each in bins[:-1]] == [each["from"] for each in bins[1:]]
    widths = {each["to"] - each["from"] for each in bins[:-1]}
    assert len(widths) <= 1
    assert percentile(counts, 0.5) == sorted(values)[math.ceil(len(values) / 2) - 1]


def test_size_categories_are_the_hubs() -> None:
    given = {0: "n<1K", 999: "n<1K", 1000: "1K<n<10K", 123_456: "100K<n<1M", 10**9: "1B<n<10B", 10**13: "n>1T"}
    assert {rows: size_category(rows) for rows in given} == given
