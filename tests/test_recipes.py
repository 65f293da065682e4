"""The recipe runner: stages in order, resumed, and a mistake in the file is named with the nearest right name."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builders import candidates, rerank_preferences, synthetic_queries
from builders.__main__ import STAGES, Recipe, main, read_recipe
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.corpus import Corpus
from builders.store.versions import Version, find_version
from tests.making import FakeEngine, one_query, parquet_bytes, rows_of, snapshot
from tests.retrieval.making import HashEncoder
from tests.store.test_lineage import queries

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        (tmp_path / "recipe.toml").write_text(text)
        return tmp_path / "recipe.toml"

    return written


def fault(path: object, **settings: Any) -> str:
    with pytest.raises(UserError) as told:
        read_recipe(Recipe(str(path), **settings))
    assert told.value.exit_code == 2
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[corpsu]", "there is no stage corpsu (did you mean corpus?)."),
        ("[zebra]", "there is no stage zebra."),
        ("[cropped_sentences]\nper_chonk = 2", "[cropped_sentences] has no key per_chonk (did you mean per_chunk?)."),
        ("[synthetic_queries]\nengnie = 'local'", "[synthetic_queries] has no key engnie (did you mean engine?)."),
        ("[corpus]\nname = 'x'", "[corpus] lacks source."),
        ("[corpus]\nsource = 3", "[corpus] source = 3 is not of type str."),
        ("[corpus]\nsource = 'x'\nlimit = 'ten'", "[corpus] limit = 'ten' is not of type int."),
        ("[corpus]\nsource = 'x'\nlimit = true", "[corpus] limit = True is not of type int."),
        ("[corpus]\nsource = 'x'\nheldout = '1'", "[corpus] heldout = '1' is not of type float."),
        ("[corpus]\nsource = 'x'\ncolumns = {text = 1}", "columns = {'text': 1} is not of type dict[str, str]."),
        ("[corpus]\nsource = 'x'\nseed = 2020-01-01", "seed = datetime.date(2020, 1, 1) is not of type int."),
        ("[synthetic_queries]\nengine = 'vlm'", "engine = 'vlm' is not one of local, openai, vllm."),
        ("[synthetic_queries]\nprice = [1]", "price = [1] is not of type tuple[float, float]."),
        ("corpus = 3", "corpus = 3 is not a table: begin it with [corpus]."),
        ("[[corpus]]", "corpus = [{}] is not a table: begin it with [corpus]."),
        ("[cropped_sentences]\ndata = 'x'", "[cropped_sentences] data is the same for all stages: give --data."),
        ("[cropped_sentences]\nprocesses = 2", "processes is the same for all stages: give --processes."),
        ("[corpus]\nsource = 'x'\n[cropped_sentences]\nchunks = 'a'", "[cropped_sentences] names chunks, and [corpus]"),
        ("", "names no stage: give it one of the tables corpus, cropped_sentences, synthetic_queries, supervised, "),
        ("[candidates]\nqueries = 'a'\n[supervised]\nsource = 'x'", "[candidates] names queries, and [supervised]"),
        ("[triplets]\nranked = 'a'\n[candidates]", "[triplets] names ranked, and [candidates] makes them"),
        ("[supervised]\nsource='x'\n[candidates]\n[rerank_preferences]", "of [synthetic_queries], which is not there"),
        ("[triplets]\npositives = [1]", "positives = [1] is not of type tuple[int, int]."),
        ("[candidates]\nencoder = 'vllm'", "--encoder vllm needs --model"),
        ("[corpus", "is not valid TOML"),
        ("[release]\nversions = ['a']", "[release] lacks name."),
        ("[triplets]\n[release]\nname = 'x'\nversions = ['a']", "[release] names versions, and [triplets] makes them"),
        ("[release]\nname = 'x'\nlicence = 'MIT'", "[release] licence = 'MIT' is not of type tuple[str, ...]."),
        ("[release]\nname = 'x'\nlicence = [1]", "[release] licence = 1 is not of type str."),
        ("[release]\nname = 'x y'", "--name 'x y' cannot be a name on the Hub"),
        ("[cropped_sentences]\nper_chunk = 0", "--per-chunk 0 leaves nothing: give 1 or more."),
        ("[synthetic_queries]\nengine = 'openai'", "--engine openai needs --model"),
    ],
)
@pytest.mark.parametrize("limit", [None, 5])
def test_a_mistake_is_named(write: Write, text: str, told: str, limit: int | None) -> None:
    assert told in fault(write(text), limit=limit)


@pytest.mark.parametrize("name", ["demmo", "x" * 1000, "nul \0", "tests"])
def test_a_recipe_that_is_not_there_names_those_that_are(name: str) -> None:
    assert "give a TOML file, or one of demo" in fault(name)


def test_a_recipe_that_is_not_utf8_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"[corpus]\nname = '\xff'")
    assert "is not valid TOML" in fault(tmp_path / "a.toml")


def test_keys_of_the_engine_stand_among_those_of_the_stage(write: Write) -> None:
    path = write("[synthetic_queries]\nengine = 'openai'\nmodel = 'm'\nprice = [1, 2.5]\nlimit = 9\nseed = 3")
    stage = read_recipe(Recipe(str(path), data=Path("elsewhere"), processes=3))["synthetic_queries"]
    assert (stage.llm.engine, stage.llm.model, stage.llm.price) == ("openai", "m", (1.0, 2.5))
    assert (stage.limit, stage.seed, stage.data, stage.processes) == (9, 3, Path("elsewhere"), 3)


@pytest.mark.parametrize(
    ("own", "given", "limit"), [(9, 5, 5), (3, 5, 3), (None, 5, 5), (9, None, 9), (None, None, None)]
)
def test_a_rehearsal_lowers_limits_and_raises_none(
    write: Write, own: int | None, given: int | None, limit: int | None
) -> None:
    line = f"limit = {own}" if own else ""
    path = write(f"[corpus]\nsource = 'x'\n{line}\n[synthetic_queries]\n{line}")
    assert {stage.limit for stage in read_recipe(Recipe(str(path), limit=given)).values()} == {limit}


@pytest.mark.parametrize("name", ["demo", "paper"])
def test_the_shipped_recipes_are_right(name: str) -> None:
    stages = read_recipe(Recipe(name))
    needed = {
        "corpus",
        "cropped_sentences",
        "synthetic_queries",
        "candidates",
        "rerank_preferences",
        "triplets",
        "release",
    }
    assert needed <= set(stages) <= set(STAGES)


def test_the_paper_s_recipe_has_the_paper_s_numbers() -> None:
    stages = read_recipe(Recipe("paper"))
    assert (stages["corpus"].max_tokens, stages["candidates"].k, stages["rerank_preferences"].k) == (256, 50, 20)
    assert (stages["triplets"].window, stages["rerank_preferences"].passage_tokens) == ("paper", 256)


def test_a_recipe_runs_all_stages_and_a_second_run_finds_them_built(
    write: Write,
    corpus_config: Corpus,
    built: Path,
    tmp_path: Path,
    small_shards: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(
        f"""
        [synthetic_queries]
        engine = "openai"
        model = "fake"
        [cropped_sentences]
        [corpus]
        source = {json.dumps(corpus_config.source)}
        tokenizer = {json.dumps(corpus_config.tokenizer)}
        max_tokens = 96
        heldout = 0.2
        """
    )
    engine = FakeEngine(one_query)
    asking = synthetic_queries.main
    monkeypatch.setattr(synthetic_queries, "main", lambda config: asking(config, engine))
    data = tmp_path / "data"
    arguments = [str(path), f"--data={data}", "--show=4"]
    assert run(Recipe, main, arguments) == 0
    told = capsys.readouterr()
    made = [find_version(data, "chunks"), queries(data, "sent"), queries(data, "qgen")]
    assert told.out.split() == [str(v.folder) for v in made]
    for table in ("chunks", "queries"):
        assert parquet_bytes(data / table) == parquet_bytes(built / table)
    assert len(engine.asked) == 100
    by_id = {row["chunk_id"]: row for row in rows_of(made[0])}
    shown = [
        line.removeprefix("  from ").split(": ", 1) for line in told.err.splitlines() if line.startswith("  from ")
    ]
    assert len(shown) == 4
    assert all(" ".join(by_id[i]["text"].split()).startswith(text) for i, text in shown)

    before = snapshot(data)
    assert run(Recipe, main, arguments) == 0
    again = capsys.readouterr()
    assert again.out == told.out
    assert again.err.count("already built: ") == 10
    assert len(engine.asked) == 100
    assert snapshot(data) == before


def test_a_recipe_without_a_corpus_crops_from_the_chunks_that_are_there(
    write: Write, chunks: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    data = chunks.folder.parent.parent
    path = write(f"[cropped_sentences]\nchunks = '{chunks}'")
    assert run(Recipe, main, [str(path), f"--data={data}", "--show=2", "--limit=20"]) == 0
    told = capsys.readouterr()
    assert told.err.count("\n  from notes/") == 2
    assert find_version(data, "queries").manifest["identity"]["config"]["limit"] == 20


def test_a_dry_run_does_not_belong_in_a_recipe(write: Write, corpus_config: Corpus, tmp_path: Path) -> None:
    path = write(
        f"[corpus]\nsource = '{corpus_config.source}'\ntokenizer = '{corpus_config.tokenizer}'\ndry_run = true"
    )
    with pytest.raises(UserError, match="dry_run does not belong in a recipe"):
        main(Recipe(str(path), data=tmp_path / "data"))
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_recipe_of_the_whole_data_path_makes_rows_of_each_method_from_its_own_ranking(
    write: Write,
    corpus_config: Corpus,
    tmp_path: Path,
    small_shards: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged = tmp_path / "judged.jsonl"
    pairs = [
        (f"Which town has {n} bridges?", f"The town of Lomar has {n} bridges over its {n + 1} rivers.")
        for n in range(12)
    ]
    judged.write_text("\n".join(json.dumps({"query": q, "positive": p}) for q, p in pairs))
    common = f"tokenizer = {json.dumps(corpus_config.tokenizer)}\n"
    path = write(
        f"""
        [corpus]
        source = {json.dumps(corpus_config.source)}
        max_tokens = 96
        heldout = 0.2
        {common}
        [cropped_sentences]
        [synthetic_queries]
        engine = "openai"
        model = "fake"
        [supervised]
        source = {json.dumps(str(judged))}
        {common}
        [candidates]
        k = 12
        [rerank_preferences]
        method = "likelihood"
        k = 12
        limit = 30
        [triplets]
        least = 1
        """
    )
    engine, encoder = FakeEngine(one_query), HashEncoder()
    scorer = FakeEngine(lambda request: f"{-1 - int(request.key[:4], 16) / 65536:.6f}")
    for module, fake in ((synthetic_queries, engine), (rerank_preferences, scorer), (candidates, encoder)):
        monkeypatch.setattr(module, "main", partial(module.main, **{"encoder" if fake is encoder else "engine": fake}))
    data = tmp_path / "data"
    assert run(Recipe, main, [str(path), f"--data={data}", "--show=4"]) == 0
    told = capsys.readouterr()
    made = [find_version(data, folder) for folder in told.out.split()]
    tables = ["chunks", "queries", "queries", "judgements", "candidates", "candidates", "candidates", "preferences"]
    assert [v.table for v in made] == [*tables, "triplets", "triplets", "triplets", "triplets"]
    rows = {str(v): rows_of(v) for v in made}
    methods = [{row["method"] for row in rows[str(v)]} for v in made if v.table == "triplets"]
    assert methods == [{"sent"}, {"qgen"}, {"rerank"}, {"supervised"}]
    assert [{row["method"] for row in rows[str(v)]} for v in made[4:8]] == [
        {"sent"},
        {"qgen"},
        {"supervised"},
        {"qgen"},
    ]
    supervised = rows[str(made[-1])]
    assert len(supervised) == 12 and all(row["ranking"] == str(made[6]) for row in supervised)
    assert {len(row["positive_ids"]) for row in supervised} == {1}
    shown = [line for line in told.err.splitlines() if line.startswith("  + ") or line.startswith("  - ")]
    assert len(shown) == 8 and "\nrerank, a training row: " in told.err
    before = snapshot(data)
    assert run(Recipe, main, [str(path), f"--data={data}"]) == 0
    assert snapshot(data).keys() == before.keys()
