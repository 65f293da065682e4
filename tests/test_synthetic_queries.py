"""QGen: what becomes a row, what is rejected and why, and what is asked."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.prompts import load_prompt
from builders.llm.requests import Engine, EngineStopped, Finish, Model, Reply, Request
from builders.store.schemas import first_fault
from builders.store.versions import Version, read_rows
from builders.synthetic_queries import SyntheticQueries, main


class Answers:
    """An engine that answers from a function, and remembers what it was asked."""

    model = Model("fake", "1")

    def __init__(self, answer: Callable[[str], str | Reply]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request)
            given = self.answer(request.messages[-1]["content"])
            yield reply(request, given) if isinstance(given, str) else given

    def close(self) -> None:
        self.asked = []


def reply(request: Request, text: str, finish: Finish = "stop") -> Reply:
    return Reply(request.key, text, finish, "", 100, 10, 0.1)


def asked_for(query: str) -> str:
    return json.dumps({"task": "Given a question, find an answer.", "query": query, "language": "English"})


def distinct(text: str) -> str:
    """A query of its own for every chunk, in Latin letters, too short to tell a language from."""
    return asked_for(f"topic {abs(hash_of(text)) % 10**9}")


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:64], "little")


def built(chunks: Version, engine: Engine, **settings: object) -> Version:
    data = chunks.folder.parent.parent
    options = EngineOptions(engine="openai", model="fake")
    version = main(SyntheticQueries(str(chunks), data=data, llm=options, **settings), engine)  # type: ignore[arg-type]
    assert version is not None
    return version


def rows_of(version: Version) -> list[dict[str, object]]:
    return [row for shard in version.shards() for row in read_rows(shard)]


def rejections_of(version: Version) -> dict[str, dict[str, object]]:
    return {str(row["row_id"]): row for shard in version.rejected_shards() for row in read_rows(shard)}


def test_every_chunk_is_a_row_or_a_rejection_and_rows_keep_where_they_come_from(chunks: Version) -> None:
    version = built(
        chunks, Answers(lambda text: asked_for("what is kept in store number four") if "a" in text else "no")
    )
    rows, rejected = rows_of(version), rejections_of(version)
    wanted = {f"{row['chunk_id']}~qgen0" for row in rows_of(chunks)}
    assert {str(r["query_id"]) for r in rows} | set(rejected) == wanted
    assert len(rows) + len(rejected) == len(wanted)
    assert rows
    by_id = {row["chunk_id"]: row for row in rows_of(chunks)}
    for row in rows:
        assert first_fault("query", row) is None
        assert row["model"] == "fake@1"
        assert row["prompt_version"] == load_prompt("synthetic_query").version
        assert row["chunk_text_hash"] == by_id[row["chunk_id"]]["text_hash"]
        assert row["split"] == by_id[row["chunk_id"]]["split"]
        assert json.loads(str(row["reply"]))["query"] == row["text"]


def test_the_same_query_for_several_chunks_is_kept_once(chunks: Version) -> None:
    version = built(
        chunks,
        Answers(lambda text: asked_for("A query, for all of them!" if len(text) % 2 else "a QUERY for all of them")),
    )
    in_latin = [r for r in rejections_of(version).values() if r["reason"] == "duplicate"]
    assert len(rows_of(version)) == 1
    assert len(in_latin) > 3
    assert all(str(rows_of(version)[0]["query_id"]) in str(r["detail"]) for r in in_latin)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("refusal", "refusal"), ("context_too_long", "context_too_long"), ("failed", "request_failed")],
)
def test_a_request_without_a_text_is_rejected_by_its_name(chunks: Version, finish: Finish, reason: str) -> None:
    engine = Answers(lambda _: "")
    engine.answer = lambda _: reply(engine.asked[-1], "", finish)
    version = built(chunks, engine, limit=3)
    assert version.manifest["rows"]["rejected_by_reason"] == {reason: 3}
    assert version.manifest["rows"]["out"] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "empty"), (asked_for(" ?! "), "empty"), ("I would rather not.", "unparsable"), (asked_for(""), "empty")],
)
def test_a_reply_without_a_query_is_rejected_by_its_name(chunks: Version, text: str, reason: str) -> None:
    version = built(chunks, Answers(lambda _: text), limit=2)
    assert version.manifest["rows"]["rejected_by_reason"] == {reason: 2}
    assert {r["raw"] for r in rejections_of(version).values()} == {text}


def test_a_copied_chunk_and_a_copied_example_are_rejected(chunks: Version) -> None:
    example = load_prompt("synthetic_query").examples[0]["query"]

    def answer(text: str) -> str:
        inner = text.removeprefix("<text>").removesuffix("</text>").strip()
        return asked_for(example.upper() if len(inner) % 2 else inner)

    reasons = built(chunks, Answers(answer)).manifest["rows"]["rejected_by_reason"]
    assert reasons.get("copy_of_example", 0) + reasons.get("wrong_language", 0) > 0
    assert reasons["copy_of_chunk"] > 3
    assert reasons["copy_of_example"] > 3


def test_a_query_in_another_language_is_rejected_and_a_short_one_is_not(chunks: Version) -> None:
    german = "Wie kann man im Winter einen alten Ofen heizen, ohne dass es im ganzen Haus nach Rauch riecht?"
    english = [row["chunk_id"] for row in rows_of(chunks) if row["language"] == "en"]
    assert english
    version = built(chunks, Answers(lambda _: asked_for(german)))
    assert all(rejections_of(version)[f"{c}~qgen0"]["reason"] == "wrong_language" for c in english)
    short = built(chunks, Answers(lambda _: asked_for("Ofen heizen")), seed=1)
    assert not any(rejections_of(short).get(f"{c}~qgen0", {}).get("reason") == "wrong_language" for c in english)


def test_a_stopped_run_keeps_its_replies_and_a_larger_sample_asks_only_for_what_is_new(chunks: Version) -> None:
    total = chunks.manifest["rows"]["out"]
    first = Answers(distinct)

    def until_the_fourth(text: str) -> str:
        if len(first.asked) == 4:
            raise EngineStopped("the server is down")
        return distinct(text)

    first.answer = until_the_fourth
    with pytest.raises(EngineStopped):
        built(chunks, first, limit=6)
    second = Answers(distinct)
    small = built(chunks, second, limit=6)
    assert len(second.asked) == 3
    third = Answers(distinct)
    large = built(chunks, third)
    assert len(third.asked) == total - 6
    assert {str(r["query_id"]) for r in rows_of(small)} <= {str(r["query_id"]) for r in rows_of(large)} | set(
        rejections_of(large)
    )
    assert built(chunks, Answers(lambda _: pytest.fail("asked again")), limit=6).name == small.name


def test_what_the_engine_is_told_is_part_of_the_version_and_of_the_journal(chunks: Version) -> None:
    data = chunks.folder.parent.parent
    names = set()
    for arguments in ("{}", '{"temperature": 9}'):
        engine = Answers(distinct)
        options = EngineOptions(engine="openai", model="fake", engine_args=arguments)
        version = main(SyntheticQueries(str(chunks), data=data, llm=options, limit=4), engine)
        assert version is not None
        assert len(engine.asked) == 4
        names.add(version.name)
    assert len(names) == 2


def test_a_dry_run_asks_nobody_and_shows_the_request(chunks: Version, capsys: pytest.CaptureFixture[str]) -> None:
    options = EngineOptions(engine="openai", model="fake", price=(1.0, 2.0))
    data = chunks.folder.parent.parent
    assert main(SyntheticQueries(str(chunks), data=data, llm=options, dry_run=True, limit=5)) is None
    shown = capsys.readouterr().err
    assert "5 requests" in shown
    assert "<text>" in shown
    assert "in money" in shown


def test_tokens_and_money_are_in_the_manifest(chunks: Version) -> None:
    options = EngineOptions(engine="openai", model="fake", price=(2.0, 10.0))
    data = chunks.folder.parent.parent
    version = main(SyntheticQueries(str(chunks), data=data, llm=options, limit=5), Answers(distinct))
    assert version is not None
    assert version.manifest["usage"]["prompt_tokens"] == 500
    assert version.manifest["usage"]["reply_tokens"] == 50
    assert version.manifest["usage"]["money"] == pytest.approx(500 * 2e-6 + 50 * 10e-6)


def test_wrong_arguments_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--model"):
        EngineOptions(engine="vllm")
    with pytest.raises(UserError, match="JSON object"):
        EngineOptions(engine="openai", model="m", engine_args="[1]")
    with pytest.raises(UserError, match="not used by --engine local"):
        EngineOptions(engine_args='{"x": 1}')
    with pytest.raises(UserError, match="no price"):
        EngineOptions(price=(-1.0, float("nan")))
    with pytest.raises(UserError, match="limit"):
        SyntheticQueries(limit=0)
    with pytest.raises(UserError, match="There is no prompt file"):
        load_prompt(str(tmp_path / "mine.toml"))
