"""A run of a judge over candidates: stopped and resumed, sampled anew, on passages that are cut and marked."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import EngineStopped, Reply, Request
from builders.store.versions import find_version
from tests.making import FakeEngine, parquet_bytes, rows_of
from tests.relevance.judges import by_text, copy_queries, judged, score, write_candidates


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    return copy_queries(built, tmp_path / "data")


SETTINGS: list[dict[str, Any]] = [
    {"k": 6, "window": 4, "step": 2, "shuffles": 2, "limit": 24},
    {"k": 6, "method": "likelihood", "llm": EngineOptions(), "limit": 24},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["listwise", "likelihood"])
@pytest.mark.parametrize("stops_after", [0, 7, 90])
def test_stopped_and_resumed_is_as_uninterrupted_and_asks_nothing_twice(
    data: Path, settings: dict[str, Any], stops_after: int
) -> None:
    answer: Callable[[Request], str] = score if "method" in settings else unsteady
    candidates = write_candidates(data, 8)
    whole = FakeEngine(answer)
    expected = parquet_bytes(judged(candidates, whole, **settings).folder)
    for folder in ("preferences", "journals"):
        shutil.rmtree(data / folder)

    class Stopping(FakeEngine):
        def generate(self, requests: Any) -> Iterator[Reply]:
            for reply in super().generate(requests):
                if len(self.asked) > stops_after:
                    raise EngineStopped("gone")
                yield reply

    first, second = Stopping(answer), FakeEngine(answer)
    with pytest.raises(EngineStopped):
        judged(candidates, first, **settings)
    version = judged(candidates, second, **settings)
    assert parquet_bytes(version.folder) == expected
    asked = Counter(request.key for request in [*first.asked[:stops_after], *second.asked])
    assert asked == Counter(request.key for request in whole.asked)
    assert len(asked) > 100 and max(asked.values()) == 1
    again = FakeEngine(lambda _: pytest.fail("asked again"))
    assert judged(candidates, again, **settings).name == version.name


def unsteady(request: Request) -> str:
    """Rankings of every kind, some of them unusable, by the request's own key."""
    number = int(request.key[:4], 16)
    text = by_text(request)
    return ["none", "[1]", text.replace("[1]", "[1] (good)")][number % 3] if number % 29 < 3 else text


def test_a_larger_sample_and_a_larger_k_of_likelihoods_ask_only_for_what_is_new(data: Path) -> None:
    candidates = write_candidates(data, 6)
    settings: dict[str, Any] = {"method": "likelihood", "llm": EngineOptions()}
    asked = []
    for limit, k in ((3, 4), (6, 4), (6, 6)):
        engine = FakeEngine(score)
        judged(candidates, engine, limit=limit, k=k, **settings)
        asked.append(len(engine.asked))
    assert asked == [12, 12, 12]


def test_own_marks_of_passages_and_queries_are_no_identifiers(data: Path) -> None:
    engine = FakeEngine(by_text)
    candidates = write_candidates(data, 5)
    chunk = rows_of(find_version(data, "chunks"))[0]
    from builders.relevance.questions import without_marks

    assert without_marks("as in [3] and [ 12 ], not [a] or x[i]") == "as in (3) and ( 12 ), not [a] or x[i]"
    judged(candidates, engine, limit=5)
    assert chunk["text"]
    for request in engine.asked:
        assert re.findall(
            r"\[\d+\]", request.messages[-1]["content"].partition("<passages>")[2].partition("</passages>")[0]
        ) == [f"[{n}]" for n in range(1, 6)]


def test_long_passages_are_cut_with_the_chunks_own_tokenizer(
    data: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenizers import Tokenizer

    candidates = write_candidates(data, 4)
    with pytest.raises(UserError, match=r"tokenizer\.json .*--passage-tokens 96"):
        judged(candidates, FakeEngine(by_text), passage_tokens=10)
    monkeypatch.chdir(tokenizer_file.parent)
    engine = FakeEngine(score)
    settings: dict[str, Any] = {"method": "likelihood", "llm": EngineOptions(), "limit": 4}
    judged(candidates, engine, passage_tokens=10, **settings)
    tokenizer, texts = (
        Tokenizer.from_file(str(tokenizer_file)),
        [r["text"] for r in rows_of(find_version(data, "chunks"))],
    )
    for request in engine.asked:
        passage = request.messages[-2]["content"].removeprefix("Passage: ")
        assert any(text.startswith(passage) for text in texts)
        assert 5 <= len(tokenizer.encode(passage).ids) <= 10


def test_candidates_whose_inputs_hold_other_rows_are_refused(data: Path) -> None:
    candidates = write_candidates(data, 4)
    queries = find_version(data, "queries")
    path = queries.folder / "manifest.json"
    path.write_text(path.read_text().replace(queries.content_hash, "0" * 32))
    with pytest.raises(UserError, match=rf"{candidates} was made from {queries} when that held other rows"):
        judged(candidates, FakeEngine(by_text))
    assert not (data / "preferences").exists()


def test_what_determines_the_rows_names_the_version(data: Path) -> None:
    candidates = write_candidates(data, 8)
    same: dict[str, Any] = {"k": 6, "window": 4, "step": 2, "shuffles": 1, "limit": 4}
    changes: list[dict[str, Any]] = [
        {},
        {"k": 5},
        {"window": 5},
        {"step": 1},
        {"shuffles": 2},
        {"passage_tokens": 255},
        {"limit": 5},
        {"seed": 1},
    ]
    names = [str(judged(candidates, FakeEngine(unsteady), **(same | change))) for change in changes]
    assert len(set(names)) == len(changes)
