"""The command: a tiny retriever beside BM25 on a folder, a release and long texts; gone on with, and bad input."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders.cli.errors import UserError
from builders.store.schemas import first_fault
from drama_train import evaluate
from drama_train.evaluate import Evaluate
from drama_train.evaluation.encoders import RetrieverEncoder
from drama_train.evaluation.metrics import METRICS
from drama_train.evaluation.plots import plots
from drama_train.evaluation.scoring import heldout_scores
from drama_train.evaluation.sets import heldout_set
from drama_train.evaluation.tables import UNRESOLVED, markdown, tables
from drama_train.retriever import load_retriever
from drama_train.training.releases import open_release
from tests.judged_sets import fields, lines
from tests.llm.tiny_llama import one_thread, write_tiny_llama
from tests.release_making import write_release

HOSTILE = "<b>|x[red]`\u202e"
WORDS = "river mountain garden window letter winter bridge station pear notebook".split()


def _folder(path: Path, languages: tuple[str, ...] = ("de", "en")) -> Path:
    """Each query is three words of its one answer."""
    draw = np.random.default_rng(0)
    corpus, queries, judged = [], [], [("query-id", "corpus-id", "score")]
    for number in range(24):
        language = languages[number % len(languages)]
        words = [f"{word}{number % 5}" for word in draw.permutation(WORDS)]
        corpus.append({"_id": f"d{number}", "title": "", "text": " ".join(words), "lang": language})
        if number < 10:
            queries.append({"_id": f"q{number}", "text": " ".join(words[:3]), "lang": language})
            judged.append((f"q{number}", f"d{number}", 1))  # type: ignore[arg-type]
    lines(path / "corpus.jsonl", corpus)
    lines(path / "queries.jsonl", queries)
    fields(path / "qrels" / "test.tsv", judged)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "tiny", longest=256)


@pytest.fixture(scope="module")
def config(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    top = tmp_path_factory.mktemp("sets")
    release = write_release(top / "release")
    on = (str(_folder(top / "small")), f"release:{release}", "needle:256,512")
    given = (f"tiny={model}", f"{HOSTILE}={model}:layers=1")
    return Evaluate(given, on, ("bm25",), (64, 8, 500), top / "out", device="cpu")


@pytest.fixture(scope="module")
def done(config: Evaluate) -> dict[str, Any]:
    assert config.out is not None
    with one_thread():
        assert evaluate.main(config) == config.out / "scores.json"
    report: dict[str, Any] = json.loads((config.out / "scores.json").read_text())
    return report


def _named(report: dict[str, Any], system: str, name: str, dim: int | None) -> dict[str, Any]:
    (row,) = [r for r in report["scores"] if (r["system"], r["set"], r["dim"]) == (system, name, dim)]
    return row


def test_the_report_follows_its_schema_and_has_a_row_for_all(done: dict[str, Any], config: Evaluate) -> None:
    assert first_fault("scores", done) is None
    names = [one["name"] for one in done["systems"]]
    assert names == ["tiny", HOSTILE, "bm25"]
    assert [one["dim"] for one in done["systems"]] == [128, 128, None]
    assert done["systems"][0]["revision"].startswith("blake2b-")
    assert str(config.out) not in json.dumps(done) and str(config.model[0]) not in json.dumps(done)
    found = {(row["system"], row["set"], row["dim"]) for row in done["scores"]}
    for name in ("small", "release-heldout", "needle-256"):
        for system in names:
            dims = (None,) if system == "bm25" else (128, 64, 8)
            assert {(system, name, dim) for dim in dims} <= found
    assert {row["not_run"] for row in done["scores"] if row["set"] == "needle-512"} == {None, "reads 256 tokens"}
    assert _named(done, "bm25", "needle-512", None)["metrics"]["accuracy_at_1"]["mean"] == 1.0
    assert {one["language"]: one["queries"] for one in done["sets"][0]["languages"]} == {"de": 5, "en": 5}


def test_scores_are_those_of_the_queries_and_of_the_trainers_function(done: dict[str, Any], config: Evaluate) -> None:
    assert config.out is not None
    row = _named(done, "tiny", "release-heldout", 128)
    table = pq.read_table(config.out / row["queries_file"])
    assert table.num_rows == 12
    release = open_release(config.on[1].removeprefix("release:"))
    model = config.model[0].partition("=")[2]
    with one_thread():
        expected = heldout_scores(load_retriever(model), heldout_set(release), dims=(8,))
    for metric in METRICS:
        assert row["metrics"][metric]["mean"] == pytest.approx(np.mean(table[metric].to_numpy()), abs=1e-6)
        assert row["metrics"][metric]["mean"] == pytest.approx(expected[metric], abs=1e-6)
        shorter = _named(done, "tiny", "release-heldout", 8)["metrics"][metric]["mean"]
        assert shorter == pytest.approx(expected[f"{metric}@8"], abs=1e-6)
    assert 0 < row["metrics"]["ndcg_at_10"]["mean"] < 1


def test_differences_are_paired_and_say_what_is_not_resolved(done: dict[str, Any], config: Evaluate) -> None:
    assert config.out is not None
    values = [
        pq.read_table(config.out / _named(done, system, "small", dim)["queries_file"])["ndcg_at_10"].to_numpy()
        for system, dim in (("tiny", 128), ("bm25", None))
    ]
    (found,) = [
        one
        for one in done["differences"]
        if (one["second"], one["set"], one["metric"]) == ("bm25", "small", "ndcg_at_10")
    ]
    assert found["first"] == "tiny"
    assert found["mean"] == pytest.approx(np.mean(values[0] - values[1]), abs=1e-6)
    assert found["low"] <= found["mean"] <= found["high"]
    shown = "\n".join(markdown(table) for table in tables(done))
    assert shown.count(UNRESOLVED) == sum(
        not one["is_resolved"]
        for one in done["differences"]
        if one["metric"] == "ndcg_at_10" and "needle" not in one["set"]
    )


def test_tables_and_plots_show_hostile_names_as_they_are(done: dict[str, Any], config: Evaluate) -> None:
    found = tables(done)
    assert [table.title for table in found] == [
        "nDCG@10 with 95% intervals",
        "recall@100 with 95% intervals",
        "MRR@10 with 95% intervals",
        "nDCG@10 of tiny minus that of",
        "nDCG@10 by language, small",
        "Accuracy@1 by tokens of a text, needle",
    ]
    for table in found:
        for line in markdown(table).splitlines()[2:]:
            assert line.count("|") - line.count("\\|") == len(table.columns) + 1
    shown = "\n".join(map(markdown, found))
    assert "\\<b\\>\\|x\\[red\\]\\`\\\\u{202e}" in shown and "\u202e" not in shown
    assert "not run: reads 256 tokens" in shown
    pytest.importorskip("matplotlib")
    assert [plot.name for plot in plots(done)] == ["matryoshka", "languages", "long_context"]
    assert config.out is not None
    for plot in plots(done):
        svg = (config.out / "plots" / f"{plot.name}.svg").read_text()
        assert "<b>" not in svg and "\u202e" not in svg and "&lt;b&gt;" in svg


def test_run_again_it_computes_nothing_and_ends_the_same(
    done: dict[str, Any], config: Evaluate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RetrieverEncoder, "encode", lambda *_: pytest.fail("it encodes again"))
    evaluate.main(config)
    told = capsys.readouterr()
    assert "tiny on small: nDCG@10" in told.err and "already scored" in told.err
    assert "| tiny, 128" in told.out
    assert config.out is not None
    again = json.loads((config.out / "scores.json").read_text())
    for key in ("systems", "sets", "scores", "differences"):
        assert again[key] == done[key], key


def test_gone_on_with_it_ends_as_a_fresh_one(done: dict[str, Any], config: Evaluate, tmp_path: Path) -> None:
    """A score is lost, one is damaged, a dimension is new; vectors are there."""
    assert config.out is not None
    some = replace(config, model=config.model[:1], on=config.on[:1], dims=(64,), out=tmp_path / "some")
    evaluate.main(some)
    first, second = sorted((tmp_path / "some" / "queries").iterdir())[:2]
    first.unlink()
    second.write_bytes(b"PAR1")
    evaluate.main(replace(some, dims=config.dims))
    report = json.loads((tmp_path / "some" / "scores.json").read_text())
    expected = [row for row in done["scores"] if row["set"] == "small" and row["system"] != HOSTILE]
    assert len(expected) == 4
    assert report["scores"] == expected


def test_another_model_under_the_same_name_is_scored_again(config: Evaluate, tmp_path: Path) -> None:
    model = write_tiny_llama(tmp_path / "tiny")
    some = replace(config, model=(str(model),), on=config.on[:1], beside=(), dims=(), out=tmp_path / "out")
    with one_thread():
        evaluate.main(some)
        before = json.loads((tmp_path / "out" / "scores.json").read_text())
        write_tiny_llama(model, seed=1)
        evaluate.main(some)
    after = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert before["systems"][0]["revision"] != after["systems"][0]["revision"]
    assert before["scores"][0]["metrics"] != after["scores"][0]["metrics"]


def test_a_language_with_one_query_resolves_nothing_and_is_noted(tmp_path: Path, capsys: Any) -> None:
    on = str(_folder(tmp_path / "small", ("de", "de", "de", "de", "\x1b[2J")))
    rows = (tmp_path / "small/qrels/test.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "small/qrels/test.tsv").write_text("".join(row for row in rows if not row.startswith("q9")))
    queries = tmp_path / "small/queries.jsonl"
    asked = queries.read_text().splitlines(keepends=True)
    queries.write_text("".join(asked[:-1]))
    evaluate.main(Evaluate(("bm25",), (on,), out=tmp_path / "out"))
    (told,) = json.loads((tmp_path / "out/scores.json").read_text())["sets"]
    assert told["notes"] == ["one query alone in \x1b[2J: intervals are too narrow, and no difference is resolved"]
    assert "small: one query alone in \\u{1b}[2J" in capsys.readouterr().err


def test_a_rehearsal_and_a_dry_run(config: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    some = replace(config, model=("bm25",), beside=(), on=config.on[:1], dims=(), out=None, limit=4)
    assert evaluate.main(some) is None
    told = capsys.readouterr()
    assert "a rehearsal of 4 queries: its scores are no result" in told.err
    assert told.out.startswith("nDCG@10 with 95% intervals\n\n| system")
    assert evaluate.main(replace(some, dry_run=True)) is None
    told = capsys.readouterr()
    assert "small: would encode 4 queries, 24 documents" in told.err and told.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "bm25", "--on", "nowhere"], "The evaluation set nowhere is not there"),
        (["--model", "bm25", "--on", "needle:"], "no system here has a tokenizer"),
        (["--model", "bm25", "--on", "x", "--limit", "0"], "--limit 0 is too small"),
        (["--model", "bm25", "--on", "x", "--max-length", "3"], "--max-length 3 leaves no room"),
        (["--model", "bm25", "--on", "x", "--dims", "0"], "--dims 0 is no number of dimensions"),
        (["--model", "bm25", "--on"], "--model and --on name nothing"),
        (["--model", "bm25", "bm25", "--on", "x"], "Two systems are called bm25"),
    ],
)
def test_a_users_mistake_is_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.command(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and told in said.err and said.err.count("\n") == 1


def test_a_run_that_measures_nothing_fails(config: Evaluate) -> None:
    with pytest.raises(UserError, match="Nothing was measured: no system reads the 16384 tokens of needle-16384"):
        evaluate.main(replace(config, model=config.model[:1], beside=(), on=("needle:16384",), out=None))


def test_help_has_an_example_and_imports_nothing_heavy(tmp_path: Path) -> None:
    run = [sys.executable, "-X", "importtime", "-m", "drama_train", "evaluate", "--help"]
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "COLUMNS": "200"}
    ended = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "usage: python -m drama_train evaluate" in ended.stdout
    assert "Example: python -m drama_train evaluate --model" in ended.stdout
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "tyro" in imported
    assert not imported & {"torch", "transformers", "numpy", "pyarrow", "datasets", "matplotlib", "mteb"}


def test_the_error_of_a_set_is_raised(config: Evaluate) -> None:
    with pytest.raises(UserError, match="is no release"):
        evaluate.main(replace(config, on=("release:nowhere",), out=None))
