"""croissant.json: read by mlcroissant from the folder, without network."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from builders.cards.croissant import checked_croissant
from builders.cli.errors import UserError
from tests.cards.making import hostile_facts

mlc = pytest.importorskip("mlcroissant")


def test_every_record_is_read(card: Path, facts: dict[str, Any]) -> None:
    data = mlc.Dataset(jsonld=str(card / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    assert not data.metadata.ctx.issues.warnings
    assert [one.id for one in data.metadata.record_sets] == ["corpus", "queries", "triplets", "pairs"]
    for config in facts["configs"]:
        records = list(data.records(config["name"]))
        assert len(records) == sum(split["rows"] for split in config["splits"]) > 20
        names = {column["name"] for column in config["columns"]} | {"split"}
        assert set(records[0]) == {f"{config['name']}/{name}" for name in names}
    splits = [record["pairs/split"].decode() for record in data.records("pairs")]
    assert {split: splits.count(split) for split in splits} == {
        split["name"]: split["rows"] for split in facts["configs"][3]["splits"]
    }
    one = next(iter(data.records("triplets")))
    assert len(one["triplets/negative_ids"]) == len(one["triplets/negative_scores"]) > 1


def test_every_file_has_its_hash(card: Path) -> None:
    told = json.loads((card / "croissant.json").read_text())
    files = [one for one in told["distribution"] if one["@type"] == "cr:FileObject"]
    assert len(files) == len(list(card.rglob("*.parquet"))) > 4
    for file in files:
        assert sha256((card / file["contentUrl"]).read_bytes()).hexdigest() == file["sha256"]
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert told["version"] == "1.0.0"


def test_hostile_names_are_accepted_as_text(facts: dict[str, Any]) -> None:
    worse = hostile_facts(facts)
    assert "<script>" in checked_croissant(worse)["description"]


def test_what_mlcroissant_does_not_accept_is_said(facts: dict[str, Any]) -> None:
    facts["configs"][0]["splits"][0]["files"][0]["sha256"] = None
    with pytest.raises(UserError, match="mlcroissant does not accept the metadata of notes-drama"):
        checked_croissant(facts)
