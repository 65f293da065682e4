"""Triplet: what is asked for, what becomes rows, what is rejected and why, and that nothing dangles."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.prompts import load_prompt
from builders.llm.requests import EngineStopped, Reply, Request
from builders.store.schemas import first_fault
from builders.store.versions import Version, all_versions, find_version
from builders.synthetic_triplets import SyntheticTriplets, main
from builders.text import brainstorm, written_triplets
from tests.making import FakeEngine, parquet_bytes, rejected_of, rows_of
from tests.writer import is_for_task, task, triplet, write, writer, written


def one(data: Path, table: str) -> Version:
    return find_version(data, table)


def reasons(version: Version) -> dict[str, int]:
    return dict(version.manifest["rows"]["rejected_by_reason"])


def test_a_triplet_is_a_query_two_chunks_and_two_judgements_and_nothing_dangles(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    judgements = written(tmp_path, tokenizer_file, FakeEngine(write), per_task=2, licence="CC0-1.0")
    rows = rows_of(judgements)
    chunks, queries = ({str(v): rows_of(v) for v in judgements.inputs()}[str(v)] for v in judgements.inputs())
    by_chunk, by_query = {c["chunk_id"]: c for c in chunks}, {q["query_id"]: q for q in queries}
    assert len(rows) == 2 * len(queries) == len(chunks) == 24
    tasks = {row["text"] for row in rows_of(one(tmp_path, "tasks"))}
    for row in rows:
        query, chunk = by_query[row["query_id"]], by_chunk[row["chunk_id"]]
        assert row["document_id"] == chunk["document_id"]
        assert (row["relevance"] == 1) is (query["chunk_id"] == chunk["chunk_id"])
        assert (chunk["source"], chunk["licence"], chunk["split"]) == ("synthetic", "CC0-1.0", "train")
        field = "positive" if row["relevance"] else "hard_negative"
        assert json.loads(query["reply"])[field] == chunk["text"]
        assert json.loads(query["reply"])["query"] == query["text"]
        assert query["task"] in tasks
        assert (query["model"], query["stated_language"], query["method"]) == ("fake@1", "English", "triplet")
        assert query["prompt_version"] == load_prompt("synthetic_triplet").version
    assert Counter(row["relevance"] for row in rows) == {1: 12, 0: 12}
    for version in all_versions(tmp_path):
        assert all(first_fault(version.record, row) is None for row in rows_of(version))


def test_tasks_are_different_and_what_is_a_duplicate_is_asked_for_again(tmp_path: Path, tokenizer_file: Path) -> None:
    def answer(request: Request) -> str | Reply:
        if not is_for_task(request):
            return write(request)
        number = len([r for r in engine.asked if is_for_task(r)])
        copies = {
            2: first,
            3: first.lower().replace("find", "FIND,").replace('"find', '"Find'),
            4: "no",
            5: json.dumps({"task": load_prompt("brainstorm_tasks").examples[1]["task"]}),
            6: json.dumps({"task": "???"}),
            7: json.dumps({"task": "Rivers."}),
            8: json.dumps(
                {"task": "Ein Mieter sucht die Regel dafür, wer im Winter den Schnee vor der Haustür räumt."}
            ),
        }
        return copies.get(number, task(request.seed) if number > 1 else first)

    first = json.dumps({"task": "Find copper lantern meadow signal texts."})
    engine = FakeEngine(answer)
    written(tmp_path, tokenizer_file, engine, tasks=9)
    tasks = one(tmp_path, "tasks")
    assert len(rows_of(tasks)) == 9
    assert len({row["text"] for row in rows_of(tasks)}) == 9
    assert len([r for r in engine.asked if is_for_task(r)]) == 16
    assert reasons(tasks) == {
        "copy_of_example": 1, "duplicate": 2, "empty": 1, "too_short": 1, "unparsable": 1, "wrong_language": 1
    }  # fmt: skip
    slots = {row["slots"] for row in rows_of(tasks)}
    assert len(slots) == 9, "requests differ by more than their seed"


def test_a_model_without_more_tasks_is_not_asked_for_ever(
    tmp_path: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: Request) -> str:
        if is_for_task(request):
            return json.dumps(
                {"task": f"Find texts about {'rivers' if request.seed % 2 else 'bridges made of stone'}."}
            )
        return write(request)

    engine = FakeEngine(answer)
    judgements = written(tmp_path, tokenizer_file, engine, tasks=6)
    assert len(rows_of(one(tmp_path, "tasks"))) == 2
    asked = [r for r in engine.asked if is_for_task(r)]
    assert len(asked) == 6 + brainstorm.IDLE_ROUNDS * 4
    assert "2 of 6" in capsys.readouterr().err
    assert len(rows_of(judgements)) == 4


def test_a_model_that_never_answers_in_form_is_given_up_after_one_large_round(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    engine = FakeEngine(lambda _: "I see.")
    with pytest.raises(UserError, match=r"No reply became a task.*150 unparsable"):
        written(tmp_path, tokenizer_file, engine, tasks=150)
    assert len(engine.asked) == 150
    with pytest.raises(UserError, match="No reply became a task"):
        written(tmp_path, tokenizer_file, engine, tasks=150)
    assert len(engine.asked) == 150


GERMAN = "Die Imker stellen ihre Stöcke im Frühling weiter nördlich auf, weil dort der Raps später blüht als im Tal."
LONG = "People who keep bees move their hives in spring, because the fields in the north flower later than the valley."
BAD = {
    "unparsable": lambda given: "Here you are!",
    "empty": lambda given: given | {"hard_negative": " … "},
    "not_text": lambda given: given | {"positive": "0123456789 " * 12},
    "too_short": lambda given: given | {"hard_negative": "Not here."},
    "wrong_language": lambda given: given | {"hard_negative": GERMAN},
    "copy_of_example": lambda given: given | {"positive": load_prompt("synthetic_triplet").examples[0]["positive"]},
    "copy_of_chunk": lambda given: given | {"query": "move their hives in spring", "positive": LONG},
    "near_duplicate": lambda given: given | {"hard_negative": given["positive"].replace("The", "A", 1)},
    "refusal": lambda given: None,
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_triplet_goes_with_its_reason_and_the_others_stay(
    reason: str, tmp_path: Path, tokenizer_file: Path
) -> None:
    spoiled: list[str] = []

    def change(request: Request, given: dict[str, str]) -> dict[str, str] | str | Reply:
        if spoiled:
            return given
        spoiled.append(request.key)
        changed = BAD[reason](given)
        return Reply(request.key, "", "refusal", "no", 1, 1, 0.1) if changed is None else changed

    judgements = written(tmp_path, tokenizer_file, writer(change))
    queries = one(tmp_path, "queries")
    assert reasons(queries) == {reason: 1}
    (rejected,) = rejected_of(queries)
    assert rejected["row_id"] == f"synthetic/{spoiled[0][:16]}-positive#0000~triplet0"
    assert len(rows_of(judgements)) == 10
    assert reasons(one(tmp_path, "triplet_drafts")) == {reason: 1}


def test_what_only_all_triplets_together_show_is_rejected(tmp_path: Path, tokenizer_file: Path) -> None:
    same = triplet(1)

    def change(request: Request, given: dict[str, str]) -> dict[str, str]:
        place = len([r for r in engine.asked if not is_for_task(r)])
        if place in (1, 2):
            return given | {"hard_negative": same["hard_negative"].replace("road", "road." * place)}
        return given | ({"query": "WHERE is it?"} if place == 3 else {"query": "where is it"} if place == 4 else {})

    engine = writer(change)
    judgements = written(tmp_path, tokenizer_file, engine)
    queries = one(tmp_path, "queries")
    assert reasons(queries) == {"duplicate": 2}
    details = sorted(row["detail"].split(" of ")[0].split(" synth")[0] for row in rejected_of(queries))
    assert details == ["its hard negative is nearly that", "the same words as"]
    texts = {row["chunk_id"]: row["text"] for row in rows_of(one(tmp_path, "chunks"))}
    negatives = [texts[row["chunk_id"]] for row in rows_of(judgements) if row["relevance"] == 0]
    assert len(negatives) == len(set(negatives)) == 4


def test_a_text_that_becomes_no_chunk_takes_its_triplet_along(
    tmp_path: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from builders.text import chunk_shards

    def not_text(text: str, least: float) -> str | None:
        return "it is spoiled" if "spoiled" in text else None

    def change(request: Request, given: dict[str, str]) -> dict[str, str]:
        place = len([r for r in engine.asked if not is_for_task(r)])
        field = {1: "positive", 2: "hard_negative"}.get(place)
        return given | ({field: given[field] + " It is spoiled."} if field else {})

    monkeypatch.setattr(chunk_shards, "not_text", not_text)
    engine = writer(change)
    judgements = written(tmp_path, tokenizer_file, engine)
    assert reasons(one(tmp_path, "queries")) == {"not_text": 2}
    chunks = {row["chunk_id"] for row in rows_of(one(tmp_path, "chunks"))}
    queries = {row["query_id"] for row in rows_of(one(tmp_path, "queries"))}
    assert len(rows_of(judgements)) == 8
    assert {row["chunk_id"] for row in rows_of(judgements)} <= chunks
    assert {row["query_id"] for row in rows_of(judgements)} == queries


@pytest.mark.parametrize("stop_at", [4, 11])  # in the brainstorm's second round; among the triplets
def test_a_stopped_run_repeats_no_request_and_ends_as_if_it_had_not_been(
    stop_at: int, tmp_path: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brainstorm, "ROUND", 3)
    monkeypatch.setattr(written_triplets, "SHARD_TASKS", 2)
    whole = FakeEngine(write)
    expected = written(tmp_path / "whole", tokenizer_file, whole)

    def until(request: Request) -> str:
        if len(first.asked) > stop_at:
            raise EngineStopped("the server is down")
        return write(request)

    first, second = FakeEngine(until), FakeEngine(write)
    with pytest.raises(EngineStopped):
        written(tmp_path / "stopped", tokenizer_file, first)
    found = written(tmp_path / "stopped", tokenizer_file, second)
    asked = [r.key for r in first.asked[:stop_at]] + [r.key for r in second.asked]
    assert asked == [r.key for r in whole.asked]
    assert found.name == expected.name
    for table in ("tasks", "triplet_drafts", "documents", "chunks", "queries", "judgements"):
        a, b = one(tmp_path / "whole", table), one(tmp_path / "stopped", table)
        assert a.name == b.name
        assert parquet_bytes(a.folder) == parquet_bytes(b.folder)


def test_more_tasks_or_a_rehearsal_ask_only_for_what_is_new(tmp_path: Path, tokenizer_file: Path) -> None:
    few, more, all_of_them = FakeEngine(write), FakeEngine(write), FakeEngine(write)
    written(tmp_path, tokenizer_file, few, limit=2)
    assert len(few.asked) == 4
    small = rows_of(written(tmp_path, tokenizer_file, more, tasks=5))
    assert len(more.asked) == 6
    large = rows_of(written(tmp_path, tokenizer_file, all_of_them, tasks=5, per_task=3))
    assert len(all_of_them.asked) == 10
    assert {row["judgement_id"] for row in small} < {row["judgement_id"] for row in large}
    again = FakeEngine(lambda request: pytest.fail(f"asked again for {request.key}"))
    written(tmp_path, tokenizer_file, again, limit=2)
    shutil.rmtree(tmp_path / "triplet_drafts")
    written(tmp_path, tokenizer_file, again, tasks=5, per_task=3)


def test_everything_that_determines_rows_is_in_the_name(tmp_path: Path, tokenizer_file: Path) -> None:
    names = [written(tmp_path, tokenizer_file, FakeEngine(write)).name]
    for changed in ({"seed": 1}, {"name": "made"}, {"languages": "en,en"}, {"licence": "MIT"}):
        names.append(written(tmp_path, tokenizer_file, FakeEngine(write), **changed).name)
    for prompt in ("brainstorm_tasks", "synthetic_triplet"):
        path = tmp_path / f"{prompt}.toml"
        path.write_text(Path(f"prompts/{prompt}.toml").read_text().replace("0.95", "0.94"))
        flag = "task_prompt" if prompt == "brainstorm_tasks" else "prompt"
        names.append(written(tmp_path, tokenizer_file, FakeEngine(write), **{flag: str(path)}).name)
    assert len(set(names)) == len(names) == 7


def test_languages_are_drawn_for_each_request_and_asked_for_by_name(tmp_path: Path, tokenizer_file: Path) -> None:
    engine = FakeEngine(write)
    with pytest.raises(UserError, match="No reply became a triplet"):
        written(tmp_path, tokenizer_file, engine, languages="ja,ar", tasks=12)
    asked = [r.messages[-1]["content"] for r in engine.asked if not is_for_task(r)]
    assert {line for text in asked for line in text.splitlines() if line.startswith("Language")} == {
        "Language: Arabic",
        "Language: Japanese",
    }
    (drafts,) = (v for v in all_versions(tmp_path) if v.table == "triplet_drafts")
    assert reasons(drafts) == {"wrong_language": 12}


def test_a_dry_run_asks_nobody_and_shows_both_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = EngineOptions(engine="openai", model="fake", price=(1.0, 2.0))
    assert main(SyntheticTriplets(tasks=30, per_task=2, data=tmp_path, dry_run=True, limit=40, llm=options)) is None
    shown = capsys.readouterr().err
    assert "30 requests for tasks" in shown
    assert "40 for" in shown
    assert "Field: " in shown
    assert "Language: " in shown
    assert "in money" in shown
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_say_what_to_do() -> None:
    for settings, word in (
        ({"tasks": 0}, "tasks"),
        ({"per_task": 0}, "per-task"),
        ({"languages": "en,xx"}, "xx"),
        ({"name": "a#b"}, "name"),
        ({"limit": 0}, "limit"),
    ):
        with pytest.raises(UserError, match=word):
            SyntheticTriplets(**settings)  # type: ignore[arg-type]
