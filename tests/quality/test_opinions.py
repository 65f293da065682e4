"""Opinions: what each asks, what it makes of a reply, and that a kill costs nothing that was paid for."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.audit import Audit, _plan, main
from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import Model, Reply, Request
from builders.quality.bm25_pairs import collection_of
from builders.quality.chosen_opinions import Given, make_opinions
from builders.quality.cross_encoder import CrossEncoderEngine
from builders.quality.opinions import rule_of, verdict
from builders.retrieval.bm25 import BM25
from builders.retrieval.terms import terms
from builders.store.schemas import first_fault
from builders.store.versions import Version, find_version
from tests.making import FakeEngine, parquet_bytes, rejected_of, rows_of, snapshot
from tests.quality.making import WordEncoder, audited
from tests.relevance.judges import passages_of
from tests.triplet_making import make

FAKE = EngineOptions(engine="openai", model="fake")


@pytest.fixture(scope="module")
def chosen(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = Path(shutil.copytree(searched, tmp_path_factory.mktemp("chosen") / "data"))
    make(data)
    return data


@pytest.fixture
def data(chosen: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chosen, tmp_path / "data"))


def texts(data: Path, table: str, key: str) -> dict[str, str]:
    found = [find_version(data, table)] if table == "chunks" else list(find_version(data, "triplets").inputs())
    return {row[key]: row["text"] for v in found if v.table == table for row in rows_of(v)}


def test_a_rule_is_of_the_own_chunk_s_score_or_absolute() -> None:
    ratio, margin, yes = rule_of("dense", "d", 0.8), rule_of("likelihood", "l", 0.5), rule_of("pointwise", "p", None)
    assert ratio.is_relevant(0.81, 1.0) and not ratio.is_relevant(0.79, 1.0)
    assert not ratio.is_relevant(0.5, 0.0) and not ratio.is_relevant(0.5, -1.0), "nothing to be measured by"
    assert margin.is_relevant(-2.4, -2.0) and not margin.is_relevant(-2.6, -2.0)
    assert yes.is_relevant(1.0, 0.0) and not yes.is_relevant(0.0, 0.0)
    said = [verdict(a, b) for a, b in ((True, True), (True, False), (False, True), (False, False))]
    assert said == ["relevant", "split", "split", "not_relevant"]


def test_bm25_of_pairs_is_what_the_index_says(data: Path) -> None:
    chunks = find_version(data, "chunks")
    documents = [row["text"] for row in rows_of(chunks)]
    queries = [*documents[:20], "a a river river stone", "", "word of nobody zzz"]
    index = BM25(documents)
    collection = collection_of([chunks], {term for query in queries for term in terms(query)})
    compared = 0
    for query, scores, indices in zip(queries, *vars(index.top_k(queries, len(documents))).values(), strict=True):
        given = {int(at): float(score) for at, score in zip(indices, scores, strict=True) if at >= 0}
        for at, document in enumerate(documents):
            assert collection.score(query, document) == pytest.approx(given.get(at, 0.0), rel=2e-6, abs=2e-6)
            compared += at in given
    assert compared > 200


def test_each_pair_is_a_row_with_two_opinions(data: Path) -> None:
    version = audited(data, find_version(data, "triplets"), pairs=4)
    rows, queries, chunks = rows_of(version), texts(data, "queries", "query_id"), texts(data, "chunks", "chunk_id")
    assert len(rows) > 40 and {row["side"] for row in rows} == {"positive", "negative"}
    of = {row["triplet_id"]: row for row in rows_of(find_version(data, "triplets"))}
    encoder = WordEncoder()

    def cosine(query: str, chunk: str) -> float:
        return float(np.dot(*encoder.encode([queries[query], chunks[chunk]], "query")))

    for row in rows:
        assert first_fault("opinion", row) is None
        triplet = of[row["triplet_id"]]
        assert row["chunk_id"] in triplet[f"{row['side']}_ids"] and row["chunk_id"] != triplet["chunk_id"]
        dense, words = row["opinions"]
        assert (dense["by"], words["by"]) == ("dense words@1", "copy bm25-lucene-1.2-0.75")
        assert dense["score"] == pytest.approx(cosine(row["query_id"], row["chunk_id"]), abs=2e-3)
        assert dense["reference"] == pytest.approx(cosine(row["query_id"], triplet["chunk_id"]), abs=2e-3)
        assert row["verdict"] == verdict(dense["relevant"], words["relevant"])
    assert [s.name for s in version.shards()] == [s.name for s in find_version(data, "triplets").shards()]


def test_a_damaged_shard_is_named(data: Path) -> None:
    chunks = find_version(data, "chunks")
    for shard in chunks.shards():
        shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(UserError, match=rf"^A shard of {chunks} is missing or damaged \("):
        audited(data, find_version(data, "triplets"), pairs=4)


def test_what_determines_an_opinion_names_the_version(data: Path) -> None:
    triplets = (find_version(data, "triplets"),)
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"thresholds": (0.6, 0.4)},
        {"by": ("bm25", "dense")},
        {"by": ("dense", "bm25")},
        {"pairs": 3},
        {"policy": "drop"},
    ]
    names = []
    for change in changes:
        config = Audit(data=data, **change)
        names.append(_plan(config, triplets, make_opinions(config, Given(encoder=WordEncoder()))).version())
    assert len(set(names)) == 6 and names[0] == names[-1], "what becomes of the rows asks nothing else"


def test_an_llm_s_yes_or_no_is_an_opinion_and_anything_else_a_rejection(data: Path) -> None:
    answers = {
        0: '{"relevant": "yes"}',
        1: '{"relevant": "no"}',
        2: "Relevant: Yes.",
        3: '{"relevant": "maybe"}',
        4: "",
    }

    def answer(request: Request) -> str:
        return answers[int(request.key, 16) % 5]

    engine = FakeEngine(answer)
    version = audited(
        data, find_version(data, "triplets"), by=("pointwise", "bm25"), llm=FAKE, given=Given(engine=engine)
    )
    rows, rejected = rows_of(version), rejected_of(version)
    assert len(rows) + len(rejected) == version.manifest["rows"]["in"] > 50
    assert {(row["opinions"][0]["score"], row["opinions"][0]["relevant"]) for row in rows} == {
        (1.0, True),
        (0.0, False),
    }
    assert all(row["opinions"][0]["reference"] is None for row in rows)
    assert set(version.manifest["rows"]["rejected_by_reason"]) == {"unparsable", "empty"}
    assert all(row["raw"] in (answers[3], "") and "pointwise fake@1" in row["detail"] for row in rejected)
    asked = {request.key: request.messages[-1]["content"] for request in engine.asked}
    assert len(asked) == len(engine.asked), "no question twice"
    queries, chunks = texts(data, "queries", "query_id"), texts(data, "chunks", "chunk_id")
    shown = set(asked.values())
    for row in rows:
        assert any(queries[row["query_id"]] in one and chunks[row["chunk_id"]] in one for one in shown)
    assert version.manifest["usage"]["reply_tokens"] == 10 * len(asked)


def test_likelihood_is_measured_by_the_own_chunk(data: Path) -> None:
    def score(request: Request) -> str:
        return repr(-len(request.messages[-2]["content"]) / 100)

    version = audited(
        data,
        find_version(data, "triplets"),
        by=("likelihood", "bm25"),
        thresholds=(0.4, 0.5),
        given=Given(engine=FakeEngine(score)),
    )
    first = [row["opinions"][0] for row in rows_of(version)]
    assert {one["kind"] for one in first} == {"pointwise"}
    assert {one["relevant"] for one in first} == {True, False}
    assert all(one["relevant"] == (one["score"] >= one["reference"] - 0.4) for one in first)


def test_a_listwise_opinion_is_the_place_beside_the_own_chunk(data: Path) -> None:
    """A judge that likes long passages: relevant is what is longer than the own chunk."""

    def longest(request: Request) -> str:
        shown = passages_of(request)
        order = sorted(range(len(shown)), key=lambda at: (-len(shown[at]), shown[at]))
        return " > ".join(f"[{at + 1}]" for at in order)

    engine = FakeEngine(longest)
    version = audited(
        data, find_version(data, "triplets"), by=("listwise", "bm25"), llm=FAKE, given=Given(engine=engine), pairs=None
    )
    triplets = {row["triplet_id"]: row for row in rows_of(find_version(data, "triplets"))}
    chunks, seen = texts(data, "chunks", "chunk_id"), set()
    for row in rows_of(version):
        own, its = (len(chunks[i].strip()) for i in (triplets[row["triplet_id"]]["chunk_id"], row["chunk_id"]))
        said = row["opinions"][0]
        if own != its:
            assert said["relevant"] == (its > own) == (said["score"] >= 1)
            seen.add(said["relevant"])
    assert seen == {True, False}
    assert len(engine.asked) == len(triplets)
    own_first = [passages_of(r)[0] in {chunks[t["chunk_id"]].strip() for t in triplets.values()} for r in engine.asked]
    assert any(own_first) and not all(own_first), "its place tells nothing"


def test_a_half_order_rejects_its_row_s_pairs(data: Path) -> None:
    version = audited(
        data,
        find_version(data, "triplets"),
        by=("listwise", "bm25"),
        llm=FAKE,
        given=Given(engine=FakeEngine(lambda _: "[1]")),
        pairs=1,
    )
    assert set(version.manifest["rows"]["rejected_by_reason"]) == {"partial_ranking"} and not rows_of(version)


class FakeCrossEncoder(CrossEncoderEngine):
    """Its probability is of the terms that both share; it may die."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.model, self._dtype, self._max_length = Model("cross", "1"), "float32", None
        self.asked: list[str] = []
        self.dies_after = dies_after

    def generate(self, requests: Any) -> Any:
        for request in requests:
            if self.dies_after == len(self.asked):
                raise KeyboardInterrupt
            self.asked.append(request.key)
            query, passage = (set(terms(message["content"])) for message in request.messages)
            yield Reply(request.key, repr(len(query & passage) / max(len(query), 1)), "stop", "", 0, 0, 0.0)


@pytest.mark.slow
def test_what_was_asked_before_a_kill_is_not_asked_again(data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    settings: dict[str, Any] = {"by": ("cross-encoder", "dense"), "cross_encoder": "given"}

    def run(where: Path, cross: FakeCrossEncoder, encoder: WordEncoder) -> Version:
        return audited(where, find_version(where, "triplets"), given=Given(encoder, cross_encoder=cross), **settings)

    whole = FakeCrossEncoder()
    expected = run(other, whole, WordEncoder())
    killed, again = FakeCrossEncoder(dies_after=30), FakeCrossEncoder()
    with pytest.raises(KeyboardInterrupt):
        run(data, killed, WordEncoder())
    found = run(data, again, WordEncoder())
    assert parquet_bytes(found.folder) == parquet_bytes(expected.folder)
    assert len(killed.asked) == 30 and sorted(killed.asked + again.asked) == sorted(whole.asked)
    encoder = WordEncoder()
    shutil.rmtree(found.folder)
    run(data, FakeCrossEncoder(dies_after=0), encoder)
    assert not encoder.asked, "vectors and replies are kept"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"by": ("dense", "dense")}, "is one opinion: name two"),
        ({"pairs": 0}, "--pairs 0 looks at nothing"),
        ({"thresholds": (0.5, float("nan"))}, "holds no score"),
        ({"by": ("dense", "cross-encoder")}, "need each other"),
        ({"cross_encoder": "x"}, "need each other"),
        ({"prompt": "x"}, "--prompt is for one opinion"),
        ({"by": ("likelihood", "bm25"), "llm": FAKE}, "--engine openai cannot judge by likelihood"),
        ({"triplets": ("a", "b"), "policy": "drop"}, "name one"),
    ],
)
def test_wrong_arguments_say_what_to_do(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as fault:
        Audit(**settings)
    assert fault.value.exit_code == 2


def test_rows_of_the_same_names_are_not_audited_together(data: Path) -> None:
    first, second = find_version(data, "triplets"), make(data, negatives=(5, 12))
    with pytest.raises(UserError, match="audit them one by one"):
        audited(data, first, second)


def test_a_prompt_for_something_else_is_refused(data: Path) -> None:
    with pytest.raises(UserError, match="--prompt listwise_ranking cannot serve the opinion pointwise"):
        audited(data, find_version(data, "triplets"), by=("pointwise", "bm25"), llm=FAKE, prompt="listwise_ranking")


def test_a_dry_run_shows_strata_and_the_first_question_and_asks_nobody(data: Path, capsys: Any) -> None:
    llm = EngineOptions(engine="openai", model="fake", price=(1.0, 2.0))
    engine = FakeEngine(lambda _: "")
    config = Audit((), data, by=("pointwise", "bm25"), llm=llm, pairs=3, dry_run=True)
    before = snapshot(data)
    assert main(config, Given(engine=engine)) is None
    told = capsys.readouterr().err
    assert "negative sent notes" in told and "of the pairs" not in told
    assert "<query>" in told and "requests" in told and "in money" in told
    assert not engine.asked and snapshot(data) == before
