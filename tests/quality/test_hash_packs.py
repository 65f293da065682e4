"""Hash packs: what was written is read back, and nothing else is taken for a pack."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.cli.errors import UserError
from builders.quality import hash_packs
from builders.quality.evaluation_sets import open_set
from builders.quality.hash_packs import KEY, HashPack, open_pack, pieces, write_pack
from builders.quality.text_keys import text_keys
from builders.store.schemas import first_fault
from tests.quality.planting import DOCUMENTS, QUERIES, beir


@pytest.fixture
def pack(tmp_path: Path) -> HashPack:
    return write_pack([open_set("small", str(beir(tmp_path / "set")), None)], "all", tmp_path / "small.parquet")


def test_a_pack_holds_the_keys_of_the_texts_in_portions_of_any_size(
    pack: HashPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = QUERIES | DOCUMENTS
    monkeypatch.setattr(hash_packs, "ROWS_AT_ONCE", 7)
    small = write_pack([open_set("small", str(tmp_path / "set"), None)], "all", tmp_path / "portions.parquet")
    assert len(list(pieces(small))) == 12 + len(list(pieces(pack))) - 1
    for one in (pack, small):
        assert open_pack(one.path) == one
        seen = []
        for piece in pieces(one):
            alone = text_keys([texts[i] for i in piece.rows["evaluation_id"]])
            for name in ("words", "ngrams", "starts", "minhashes"):
                assert np.array_equal(getattr(piece.keys, name), getattr(alone, name))
            assert piece.keys.hashes == alone.hashes == piece.rows["normalised_text_hash"].to_list()
            seen += piece.rows.select("role", "evaluation_id").rows()
        assert seen == [*(("query", i) for i in QUERIES), *(("document", i) for i in DOCUMENTS)]
    (told,) = pack.sets
    assert (told.queries, told.documents) == (len(QUERIES), len(DOCUMENTS))
    assert (told.short_queries, told.short_documents) == (1, 0)


def test_documents_may_be_the_positives_alone_or_none(tmp_path: Path) -> None:
    one = open_set("small", str(beir(tmp_path / "set")), None)
    for which, left in (("positives", len(DOCUMENTS) - 1), ("none", 0)):
        pack = write_pack([one], which, tmp_path / f"{which}.parquet")
        assert pack.sets[0].documents == left
        assert sum(len(p.rows) for p in pieces(pack)) == len(QUERIES) + left
        assert sum(len(p.rows) for p in pieces(pack, documents=False)) == len(QUERIES)


def test_a_pack_is_the_same_bytes_twice_has_no_text_and_follows_its_schemas(pack: HashPack, tmp_path: Path) -> None:
    again = write_pack([open_set("small", str(tmp_path / "set"), None)], "all", tmp_path / "again.parquet")
    content = pack.path.read_bytes()
    assert again.path.read_bytes() == content
    table = pq.read_table(pack.path)
    values = repr(table.to_pylist()) + repr(table.schema.metadata) + repr(pq.read_metadata(pack.path).metadata)
    for text in [*QUERIES.values(), *DOCUMENTS.values()]:
        assert text.split()[0] not in values
    assert str(tmp_path) not in values
    for row in table.to_pylist():
        assert first_fault("evaluation_hashes", row) is None
    assert first_fault("hash_pack", json.loads(pq.read_metadata(pack.path).metadata[KEY])) is None


def rewritten(path: Path, facts: Any = None, change: Callable[[pa.Table], pa.Table] | None = None) -> None:
    """The pack with other facts, or other rows under the same facts."""
    told = json.loads(pq.read_metadata(path).metadata[KEY]) if facts is None else facts
    table = pq.read_table(path)
    with pq.ParquetWriter(path, (change or (lambda t: t))(table).schema) as writer:
        writer.write_table((change or (lambda t: t))(table))
        writer.add_key_value_metadata({KEY.decode(): told if isinstance(told, str) else json.dumps(told)})


def replaced(name: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        values = [value, *table.column(name).to_pylist()[1:]]
        return table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (replaced("set", "other"), "it holds a set that it does not name"),
        (replaced("role", "title"), "it holds a role that is neither"),
        (replaced("evaluation_id", ""), "it holds a text without an id"),
        (replaced("evaluation_id", "q7"), "its rows are not those that were written"),
        (replaced("normalised_text_hash", "xyz"), "it holds a hash that is none"),
        (replaced("words", 3), "it holds other n-grams than its words have"),
        (replaced("minhash", [1, 2]), "it holds a MinHash of another length"),
        (lambda table: table.slice(1), "its rows are not those that were written"),
        (lambda table: table.drop_columns(["words"]), "its columns are not those of a pack"),
    ],
)
def test_a_pack_that_was_changed_is_refused(pack: HashPack, change: Callable[[pa.Table], pa.Table], told: str) -> None:
    rewritten(pack.path)
    assert open_pack(pack.path) == pack  # only what `change` does is at fault
    rewritten(pack.path, change=change)
    with pytest.raises(UserError, match=rf"small.parquet is damaged \({told}.*make it again from its sets with --pack"):
        open_pack(pack.path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, r"is of another version \(format 2, here 1\)"),
        ({"hashes": 0, "schema": "abc"}, r"is of another version \(hashes 0, here \d+; schema abc, here \w+\)"),
        ({"sets": []}, r"is damaged \(sets"),
        ({"documents": "some"}, r"is damaged \(documents"),
    ],
)
def test_a_pack_of_another_version_is_refused(pack: HashPack, change: dict[str, Any], told: str) -> None:
    facts = json.loads(pq.read_metadata(pack.path).metadata[KEY])
    rewritten(pack.path, facts | change)
    with pytest.raises(UserError, match=told):
        open_pack(pack.path)


def test_what_is_no_pack_is_one_sentence(pack: HashPack, tmp_path: Path) -> None:
    for facts, told in (("[1]", "another version"), ("{", "no JSON")):
        rewritten(pack.path, facts)
        with pytest.raises(UserError, match=told):
            open_pack(pack.path)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "plain.parquet")
    (tmp_path / "cut.parquet").write_bytes(pack.path.read_bytes()[:-9])
    for name, told in (
        ("plain", "is a Parquet file and no hash pack"),
        ("cut", "cannot be read"),
        ("gone", "cannot be"),
    ):
        with pytest.raises(UserError, match=rf"{name}.parquet {told}"):
            open_pack(tmp_path / f"{name}.parquet")
