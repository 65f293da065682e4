"""The card of a model: its code runs, what is not recorded is said, and text of others stays text."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.cli.errors import UserError
from drama_train.exporting.card import training_rows, write_card
from drama_train.exporting.checking import Finding
from drama_train.exporting.curves import curve_of, curve_plots, smoothed
from drama_train.exporting.facts import base_of, card_facts, licence_facts
from drama_train.exporting.scores import NONE, Scores, read_scores
from drama_train.exporting.sources import Source, open_source
from drama_train.retriever import Retriever, Settings
from tests.exporting.making import facts_of, scores_of

HOSTILE = "<script>alert(1)</script> | [x](http://evil) `` ``` \n# head \u202e"
FINDINGS = [Finding("files", "ok"), Finding("transformers", "ok", "", 3e-7), Finding("vllm", "not run", "no")]


def card(source: Source, retriever: Retriever, folder: Path, scores: Scores = NONE, **options: Any) -> str:
    folder.mkdir(exist_ok=True)
    facts = card_facts(source, retriever, {}, FINDINGS, scores_fit=options.pop("scores_fit", True))
    defaults: dict[str, Any] = {"name": "notes-small", "repository": None, "dtype": "float32"}
    write_card(folder, facts, scores=scores, **defaults | options)
    return (folder / "README.md").read_text()


def front(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_what_a_run_tells(run: Path, retriever: Retriever, tmp_path: Path) -> None:
    text = card(open_source(run, None), retriever, tmp_path / "card")
    for told in (
        "| `notes` | `v1.0.0` | `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` | `CC-BY-4.0` | de en |",
        "| `notes/notes/sent/en` | 60 | 60.0% |",
        "| checkpoint | best, of step 30 (held-out nDCG@10 0.610) |",
        "| tokens | 123,456 |",
        "| hardware | not recorded |",
        "| `transformers` | 3e-07 |",
        '| before a query | `"Query: "` |',
        "The whole: `CC-BY-4.0`",
        "Its training rows are in de, en.",
        "Vectors were trained to be cut to 128, 64, 32 numbers",
        "![Loss by step: from 4.000 to 0.632 in 40 steps.",
    ):
        assert told in text
    assert "`vllm` |" not in text  # it was not run
    assert (tmp_path / "card/plots/training.svg").read_text().startswith("<?xml")
    told = front(text)
    assert (told["license"], told["language"], told["base_model"]) == (
        "cc-by-4.0",
        ["de", "en"],
        "HuggingFaceTB/SmolLM2-135M-Instruct",
    )
    assert (told["library_name"], told["pipeline_tag"]) == ("sentence-transformers", "sentence-similarity")
    assert "datasets" not in told  # the release is on no Hub


def test_what_is_not_recorded_is_said(retriever: Retriever, tmp_path: Path) -> None:
    text = card(Source("m", tmp_path), retriever, tmp_path / "card")
    for told in (
        "data that is not recorded",
        "What it was trained on is not recorded.",
        "| began from | not recorded |",
        "| steps | not recorded |",
        "Which languages it was trained on is not recorded.",
        "It was exported from a model's folder and not from a run",
        "Not known, because the licence of the model that training began from and of its training data is not recorded.",
    ):
        assert told in text
    assert front(text)["license"] == "unknown"
    assert not (tmp_path / "card/plots").exists()


def test_text_of_others_stays_text(retriever: Retriever, tmp_path: Path) -> None:
    facts = facts_of(retriever)
    facts["releases"][0] |= {"name": HOSTILE, "release": HOSTILE, "languages": [HOSTILE, "en"]}
    facts["mixture"]["streams"][0]["name"] = HOSTILE
    facts["model"] |= {"id": HOSTILE, "licence": "MIT"}
    facts |= {"hardware": HOSTILE, "plan": {"x": HOSTILE}, "made_with": {"git_commit": HOSTILE}}
    rows = ((HOSTILE, HOSTILE, "8", "2", "1", "1", "1", "1"),)
    scores = Scores(rows, (), (), ((HOSTILE, HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE),))
    text = card(Source("m", tmp_path, "best", {}, facts), retriever, tmp_path / "card", scores)
    prose = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.sub(r"(`+) ?.*? ?\1(?!`)", "", prose)
    assert "\u202e" not in text and "\n# head" not in text
    assert "<script>" not in spans.replace("\\<script\\>", "")
    assert text.count("<script>") > 3  # it is shown
    assert front(text)["language"] == ["en"]


def test_paths_and_secrets_of_the_machine_are_left_out(retriever: Retriever, tmp_path: Path) -> None:
    facts = facts_of(retriever)
    facts["plan"] = {"data": "/home/me/private/notes", "api_key": "k-1"}
    text = card(Source("m", tmp_path, "best", {}, facts), retriever, tmp_path / "card")
    assert "/home/me" not in text and "k-1" not in text and "notes" in text


def code(text: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_its_code_runs(written: Path, retriever: Retriever, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """And both programs print the similarity that the retriever gives; vLLM's is run by `make test-vllm`."""
    blocks = code(card(Source("m", tmp_path), retriever, tmp_path / "card"))
    assert [block.split()[1] for block in blocks] == ["sentence_transformers", "torch", "numpy"]
    for block in blocks:
        compile(block, "card", "exec")
    printed = []
    for block in blocks[:2]:
        assert block.count("path/to/this/folder") >= 1
        exec(block.replace("path/to/this/folder", str(written)), {})
        printed.append(float(re.search(r"-?\d\.\d+", capsys.readouterr().out)[0]))  # type: ignore[index]
    query, document = re.findall(r"\['(.*?)'\]", blocks[0])
    wanted = float(retriever.encode([query], "query")[0] @ retriever.encode([document], "document")[0])
    assert printed == [pytest.approx(wanted, abs=1e-4)] * 2
    assert abs(wanted) < 0.999


def test_the_repository_is_what_code_loads(retriever: Retriever, tmp_path: Path) -> None:
    text = card(Source("m", tmp_path), retriever, tmp_path / "card", repository="me/notes-small")
    assert "SentenceTransformer('me/notes-small')" in text and "path/to/this/folder" not in text


def test_licences_that_bind() -> None:
    model = {"id": "me/base", "licence": None}
    releases = [{"name": "notes", "release": "v1.0.0", "licence": "CC-BY-SA-4.0"}]
    known = licence_facts(model, releases, {"me/base": "apache-2.0"})
    assert known["strictest"] == "CC-BY-SA-4.0" and known["unknown"] == []
    assert licence_facts(model, releases, {})["strictest"] is None
    assert licence_facts(model, releases, {})["unknown"] == ["model me/base"]
    with pytest.raises(UserError, match=r"--licence note=MIT names nothing .* \(did you mean notes\?\)"):
        licence_facts(model, releases, {"note": "MIT"})
    with pytest.raises(UserError, match="--licence notes=MIT: the run records CC-BY-SA-4"):
        licence_facts(model, releases, {"notes": "MIT"})
    assert licence_facts(model, releases, {"notes": "CC-BY-SA-4.0"})["unknown"] == ["model me/base"]
    with pytest.raises(UserError, match="is no SPDX expression"):
        licence_facts(model, releases, {"me/base": "nonsense"})


def test_licences_of_what_a_pruned_model_learned_from() -> None:
    """A release that the run trains on too is told once; files have no licence until one is given."""
    releases = [{"name": "notes", "release": "v1.0.0", "content_hash": "1", "licence": "CC-BY-4.0"}]
    learned = [
        {"name": "notes", "content_hash": "1", "licence": "CC-BY-4.0"},
        {"name": "guides", "content_hash": "2", "licence": "CC-BY-SA-4.0"},
        {"name": "files", "content_hash": "3", "licence": None},
    ]
    model = {"id": "runs/small", "pruned_from": {"id": "smollm2", "learned_from": learned}}
    found = licence_facts(model, releases, {})
    assert [one["what"] for one in found["by"]] == [
        "model smollm2", "release notes v1.0.0", "texts guides", "texts files"
    ]  # fmt: skip
    assert found["unknown"] == ["texts files"] and found["strictest"] is None
    assert licence_facts(model, releases, {"files": "MIT"})["strictest"] == "CC-BY-SA-4.0"


def test_a_licence_goes_to_what_of_that_name_has_none() -> None:
    """Texts may be called as a release, or a known model, and changed between two runs."""
    releases = [{"name": "notes", "content_hash": "1", "licence": "CC-BY-4.0"}]
    learned = [
        {"name": name, "content_hash": hashed} for name, hashed in (("notes", "2"), ("notes", "3"), ("smollm2", "4"))
    ]
    model = {"id": "again", "pruned_from": {"id": "small", "learned_from": learned, "pruned_from": {"id": "smollm2"}}}
    found = licence_facts(model, releases, {})
    assert [one["what"] for one in found["by"]] == ["model smollm2", "release notes", "texts notes", "texts smollm2"]
    assert found["unknown"] == ["texts notes", "texts smollm2"]
    given = {"notes": "MIT", "smollm2": "CC0-1.0"}
    by = {one["what"]: one["licence"] for one in licence_facts(model, releases, given)["by"]}
    assert by == {
        "model smollm2": "CC0-1.0",
        "release notes": "CC-BY-4.0",
        "texts notes": "MIT",
        "texts smollm2": "CC0-1.0",
    }
    learned[1]["licence"] = (
        "CC-BY-4.0"  # of two texts of one name the last has one: the other still takes what is given
    )
    found = licence_facts(model, releases, given)["by"]
    assert [one["licence"] for one in found if one["what"] == "texts notes"] == ["MIT", "CC-BY-4.0"]
    assert base_of(model) == "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.parametrize(
    ("origin", "row"),
    [
        ({"id": "smollm2", "revision": "1"}, ("made of", "smollm2, revision 1")),
        (
            {"id": "smollm2", "recovery": {"steps": 2, "tokens": 2048}, "learned_from": [{"name": "notes"}]},
            (
                "made of",
                "smollm2, revision not recorded, then trained on 2,048 tokens; its weights learned from notes",
            ),
        ),
        (
            {
                **{
                    "id": "mid",
                    "revision": "2",
                    "pick": "l0",
                    "source_shape": "9x9x3x3x9",
                    "target_shape": "9x6x3x3x9",
                },
                "pruned_from": {"id": "smollm2", "revision": "1", "target_shape": "9x9x3x3x9"},
            },
            (
                "pruned from",
                "mid, revision 2, by l0: 9x9x3x3x9 to 9x6x3x3x9 (layers x hidden x heads x kv heads x intermediate), not "
                "recovered; mid itself came from smollm2, revision 1, by not recorded: not recorded to 9x9x3x3x9 (layers "
                "x hidden x heads x kv heads x intermediate), not recovered",
            ),
        ),
    ],
)
def test_what_a_model_was_made_of(origin: dict[str, Any], row: tuple[str, str]) -> None:
    rows = training_rows({"run": {"model": {"id": "small", "pruned_from": origin}}, "checkpoint": None})
    assert rows[1] == row


def test_where_a_model_began() -> None:
    assert base_of({"id": "smollm2"}) == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert base_of({"id": "meta-llama/Llama-3.2-1B"}) == "meta-llama/Llama-3.2-1B"
    assert base_of({"id": "folder"}) is None and base_of(None) is None


def test_a_curve() -> None:
    log = [{"step": step, "loss": float(step % 2)} for step in range(1, 401)] + [{"step": 4, "heldout": {"mrr": 1}}]
    curve = curve_of(log)
    assert len(curve.losses) == 400 and curve.scores == ()
    assert [loss for _, loss in smoothed(curve.losses)] == [0.5] * 50
    assert curve_plots(curve)[0].alt.endswith("Nothing was evaluated on the way.")
    assert curve_plots(curve_of([])) == []


def test_scores_with_their_intervals(retriever: Retriever, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(scores_of(retriever.revision)))
    scores = read_scores(tmp_path)
    text = card(Source("m", tmp_path), retriever, tmp_path / "card", scores)
    for told in (
        "| `trained` | `guides` | 128 | 100 | 0.500 (0.400 to 0.600) | 0.800 (0.700 to 0.900) | 0.400 (0.300 to 0.500) | - |",
        "| `trained` | `guides` | 64 | 100 |",
        "| `trained` | `guides` | `de` | 40 | 0.300 (0.200 to 0.400) |",
        "| `trained` | `bm25` | `guides` | -0.050 (-0.100 to +0.010) | no |",
    ):
        assert told in text
    assert "- `guides`: a rehearsal of 100 queries: its scores are no result." in text
    assert len(scores.rows) == 2 and len(scores.languages) == 2 and len(scores.differences) == 1
    assert "scores are of other weights" not in text and "exported without scores" not in text
    other = card(Source("m", tmp_path), retriever, tmp_path / "card", scores, scores_fit=False)
    assert "scores are of other weights" in other


def test_scores_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no scores.json: give the folder"):
        read_scores(tmp_path)
    whole = scores_of("r")
    too_high = json.loads(json.dumps(whole))
    too_high["scores"][0]["metrics"]["ndcg_at_10"]["mean"] = 50.0
    for damaged, words in (
        ("[", r"Expecting value"),
        ("{}", "'systems' is a required property"),
        (json.dumps(whole | {"sets": []}), "it tells nothing of 'guides'"),
        (json.dumps(whole | {"model": "x"}), "Additional properties are not allowed"),
        (json.dumps(too_high), r"50\.0 is greater than the maximum"),
    ):
        (tmp_path / "scores.json").write_text(damaged)
        with pytest.raises(UserError, match=f"is damaged .*{words}.*: evaluate again"):
            read_scores(tmp_path)


def test_scores_are_of_a_model_only_as_it_is_read() -> None:
    settings = Settings(max_length=96)

    def fits(**changed: Any) -> bool:
        read_as = {"layers": None, "settings": asdict(settings), "max_length": None} | changed
        return Scores((), (), (), (("a", "model", "r1"),), (), (read_as,)).are_of(frozenset({"r1"}), settings)

    assert fits() and fits(max_length=96) and not fits(max_length=50) and not fits(layers=1)
    for other in ({"attention": "causal"}, {"pooling": "eos"}, {"query_prefix": ""}, {"max_length": 32}):
        assert not fits(settings=asdict(settings) | other)
    assert fits(settings=asdict(settings) | {"dims": [64]})
    assert not Scores((), (), (), (("a", "model", "r2"), ("bm25", "bm25", "l")), (), ({}, {})).are_of(
        frozenset({"r1"}), settings
    )
