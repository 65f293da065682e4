"""What changed between two versions, by cause: an edited document, a setting, a prompt, another model."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from builders import corpus, cropped_sentences, synthetic_queries
from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import Model, Request
from builders.store.differences import diff, rejected_reasons
from builders.store.resources import resource
from builders.store.versions import Version, find_version
from tests.making import FakeEngine, one_query, rows_of


def ids(version: Version, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows_of(version)}


def compared_by_hand(a: Version, b: Version, key: str) -> dict[str, list[str]]:
    """Row ids by kind, from the rows themselves."""
    one, two = ids(a, key), ids(b, key)
    kinds = {
        "added": sorted(two.keys() - one.keys()),
        "changed": sorted(k for k in one.keys() & two.keys() if one[k] != two[k]),
        "dropped": sorted(one.keys() - two.keys()),
    }
    return {kind: found for kind, found in kinds.items() if found}


def by_kind(rows: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (kind, _), listed in rows.items():
        found[kind] = sorted([*found.get(kind, []), *listed])
    return found


def crop(data: Path, **settings: Any) -> Version:
    made = cropped_sentences.main(cropped_sentences.CroppedSentences(data=data, **settings))
    assert made is not None
    return made


def test_a_version_is_the_same_as_itself(chunks: Version) -> None:
    found = diff(chunks, chunks)
    assert (found.rows, found.same, found.plan) == ({}, 100, {})


@pytest.fixture
def edited(
    corpus_config: corpus.Corpus, chunks: Version, tmp_path: Path, small_shards: None
) -> tuple[Version, Version]:
    """The chunks before and after one document was edited, one left out, and one put in."""
    lines = Path(corpus_config.source).read_text().splitlines()
    row = json.loads(lines[1])
    lines[1] = json.dumps(row | {"text": row["text"] + " Ein Satz kommt hinzu, den vorher niemand geschrieben hatte."})
    lines[7] = json.dumps(json.loads(lines[7]) | {"id": "new"})
    source = tmp_path / "notes.jsonl"
    source.write_text("\n".join(lines) + "\n")
    after = corpus.main(replace(corpus_config, source=str(source), data=chunks.folder.parent.parent))
    assert after is not None
    return chunks, after


def test_an_edited_document_is_the_cause_in_chunks_and_in_queries(edited: tuple[Version, Version]) -> None:
    before, after = edited
    found = diff(before, after)
    assert by_kind(found.rows) == compared_by_hand(before, after, "chunk_id")
    assert {cause for _, cause in found.rows} == {"input"}
    assert {kind for kind, _ in found.rows} == {"added", "changed", "dropped"}
    touched = {i.split("#")[0] for listed in found.rows.values() for i in listed}
    assert touched == {"notes/de-01", "notes/de-07", "notes/new"}
    assert found.same == 100 - sum(len(found.rows.get((kind, "input"), [])) for kind in ("changed", "dropped"))

    data = before.folder.parent.parent
    old, new = crop(data, chunks=str(before)), crop(data, chunks=str(after))
    queries = diff(old, new)
    assert by_kind(queries.rows) == compared_by_hand(old, new, "query_id")
    assert {cause for _, cause in queries.rows} == {"input"}
    assert {i.split("#")[0] for listed in queries.rows.values() for i in listed} <= touched

    documents = diff(before.inputs()[0], after.inputs()[0])
    assert {k: v for k, v in documents.rows.items()} == {
        ("added", "input"): ["notes/new"],
        ("changed", "input"): ["notes/de-01"],
        ("dropped", "input"): ["notes/de-07"],
    }


def test_a_setting_is_the_cause_and_what_was_rejected_is_known(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    one, more, longer = crop(data), crop(data, per_chunk=2), crop(data, min_words=12)
    added = diff(one, more)
    assert by_kind(added.rows) == compared_by_hand(one, more, "query_id")
    assert {cause for _, cause in added.rows} == {"config"}
    assert len(added.rows["added", "config"]) > 50
    assert added.plan["config"] == (
        {"per_chunk": 1, "min_words": 4, "limit": None},
        {"per_chunk": 2, "min_words": 4, "limit": None},
    )
    dropped = diff(one, longer)
    assert set(dropped.rows) == {("changed", "config"), ("dropped", "config")}  # changed: another draw was long enough
    reasons = rejected_reasons(longer)
    assert {reasons[i] for i in dropped.rows["dropped", "config"]} == {"too_short"}


def test_a_seed_is_a_setting(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    one, other = crop(data), crop(data, seed=1)
    found = diff(one, other)
    assert by_kind(found.rows) == compared_by_hand(one, other, "query_id")
    assert {cause for _, cause in found.rows} == {"config"}
    assert len(found.rows["changed", "config"]) > 10


def test_a_prompt_and_a_model_are_causes(chunks: Version, tmp_path: Path) -> None:
    data = chunks.folder.parent.parent
    asked: list[Version] = []
    shipped = resource("prompts", "synthetic_query.toml").read_text()
    ours = tmp_path / "ours.toml"
    ours.write_text(shipped.replace("You write search queries", "You write short search queries"))
    assert ours.read_text() != shipped
    for prompt, model in (("synthetic_query", "1"), (str(ours), "1"), ("synthetic_query", "2")):

        def answer(request: Request, model: str = model) -> str:
            return one_query(request).replace("topic", f"topic {model} of {len(request.messages[0]['content'])},")

        engine = FakeEngine(answer)
        engine.model = Model("fake", model)
        options = EngineOptions(engine="openai", model="fake")
        made = synthetic_queries.main(
            synthetic_queries.SyntheticQueries(str(chunks), data, prompt=prompt, limit=20, llm=options), engine
        )
        assert made is not None
        asked.append(made)
    first, reworded, larger = asked
    for other, cause in ((reworded, "prompt"), (larger, "model")):
        found = diff(first, other)
        assert by_kind(found.rows) == compared_by_hand(first, other, "query_id")
        written = len(rows_of(first))
        assert written > 5
        assert {(kind, c): len(listed) for (kind, c), listed in found.rows.items()} == {("changed", cause): written}


def test_rows_of_other_columns_are_changed_by_code(chunks: Version) -> None:
    older = Version(chunks.folder.with_name("older"), copy.deepcopy(chunks.manifest))
    shutil.copytree(chunks.folder, older.folder)
    older.manifest["identity"]["schema"] = "before the column was added"
    for shard in older.shards():
        pq.write_table(pq.read_table(shard).drop_columns(["licence"]), shard)
    found = diff(older, chunks)
    assert {kind: len(listed) for kind, listed in found.rows.items()} == {("changed", "code"): 100}
    assert list(found.plan) == ["schema"]


def test_two_tables_are_not_compared(chunks: Version) -> None:
    documents = find_version(chunks.folder.parent.parent, "documents")
    with pytest.raises(UserError, match="hold different records") as told:
        diff(chunks, documents)
    assert told.value.exit_code == 2
