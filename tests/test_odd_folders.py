"""Folders of tables whose names mean something to a reader of Parquet: name=value, brackets, stars, quotes."""

import json
import re
import shutil
from pathlib import Path

import pytest

import builders
from builders import audit, contamination
from builders.store.versions import Version
from tests.making import rows_of
from tests.releases import stand_ins
from tests.releases.making import released, rows_in
from tests.triplet_making import make

# Read as a partition, the first would give every row that language.
ODD = "language=xx/text=1/a [1] it's * 100%"


@pytest.fixture(scope="module")
def triplets(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    return make(Path(shutil.copytree(searched, tmp_path_factory.mktemp("odd") / ODD / "data")))


def test_rows_keep_their_columns(triplets: Version, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_ins.stand_in(monkeypatch)
    folder = released([triplets], tmp_path / ODD / "release", negatives=3)
    own = {row["triplet_id"]: row["language"] for row in rows_of(triplets)}
    assert len(set(own.values())) > 1 and "xx" not in own.values()
    both = rows_in(folder, "triplets") + rows_in(folder, "triplets", "heldout")
    assert {row["triplet_id"]: row["language"] for row in both} == own


def test_facts_of_a_card_and_strata_of_an_audit(triplets: Version) -> None:
    from builders.cards import rows
    from builders.quality.sampling import draw_pairs

    with rows.rows_of() as asked:
        assert ("xx",) not in asked.ask([triplets], "SELECT DISTINCT language FROM rows")
    assert "xx" not in {stratum.language for stratum in draw_pairs([triplets], 5, 0).strata}


def test_an_audit_revises_and_contamination_drops(triplets: Version, tmp_path: Path) -> None:
    data = triplets.folder.parent.parent
    config = audit.Audit((str(triplets),), data, ("bm25", "copy"), (0.0, 0.0), pairs=None, policy="promote")
    revised = audit.main(config)
    assert revised is not None and revised.table == "triplets"
    beir = tmp_path / ODD / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "asks"}) + "\n")
    (beir / "corpus.jsonl").write_text(json.dumps({"_id": "d", "text": text_of(triplets)}) + "\n")
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    found = contamination.Contamination((str(triplets),), (str(beir),), data, policy="drop")
    assert contamination.main(found) is None


def text_of(triplets: Version) -> str:
    wanted = rows_of(triplets)[0]["chunk_id"]
    (chunks,) = [v for v in _behind(triplets) if v.table == "chunks"]
    return str(next(row["text"] for row in rows_of(chunks) if row["chunk_id"] == wanted))


def _behind(version: Version) -> tuple[Version, ...]:
    from builders.store.version_sets import version_set

    return version_set([version]).versions


def test_no_reader_of_ours_guesses() -> None:
    """DuckDB would take a folder a=b for a column, and polars brackets and stars for a pattern."""
    found = []
    for path in sorted(Path(builders.__file__).parent.rglob("*.py")):
        text = path.read_text()
        duckdb = re.findall(r"(?<!pl\.)\bread_parquet\((?:[^()]|\([^()]*\))*\)", text)
        found += [(path.name, call) for call in duckdb if "hive_partitioning = false" not in call]
        polars = re.findall(r"\bpl\.(?:scan|read)_parquet\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", text)
        found += [(path.name, call) for call in polars if "glob=False" not in call]
    assert not found
