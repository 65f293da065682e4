"""The card: read as the Hub, `datasets` and a reader of Markdown read it."""

import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from huggingface_hub import DatasetCard
from jinja2 import UndefinedError
from markdown_it import MarkdownIt

from builders.cards.card import METHODS, render_card, render_licences
from builders.cards.licences import known
from builders.cards.limits import limits
from builders.cards.plots import draw, plots
from builders.store.resources import folder, resource
from builders.store.schemas import load_schema
from tests.cards.making import AUDIT, CONTAMINATION, HOSTILE, hostile_facts

READER = MarkdownIt("commonmark", {"html": True}).enable("table")
# All the HTML that the template itself has.
OWN_HTML = {"<details>", "<summary>", "</summary>", "</details>"}


def body(text: str) -> str:
    return text.split("\n---\n", 1)[1]


@pytest.mark.slow
def test_datasets_opens_every_config_and_split(card: Path, facts: dict[str, Any], tmp_path: Path) -> None:
    from datasets import load_dataset

    opened = 0
    for config in facts["configs"]:
        found = load_dataset(str(card), config["name"], cache_dir=str(tmp_path))
        assert {name: len(rows) for name, rows in found.items()} == {s["name"]: s["rows"] for s in config["splits"]}
        for rows in found.values():
            columns = [column["name"] for column in config["columns"]]
            assert sorted(rows.column_names) == sorted(columns)
            opened += len(rows)
    assert opened == sum(split["rows"] for config in facts["configs"] for split in config["splits"]) > 100
    assert load_dataset(str(card), cache_dir=str(tmp_path))["train"].column_names[0] == "anchor"


def test_datasets_notices_a_row_that_is_missing(facts: dict[str, Any], card: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from datasets.utils.info_utils import NonMatchingSplitsSizesError

    facts["configs"][3]["splits"][0]["rows"] += 1
    copy = Path(shutil.copytree(card, tmp_path / "release"))
    (copy / "README.md").write_text(render_card(facts))
    with pytest.raises(NonMatchingSplitsSizesError):
        load_dataset(str(copy), "pairs", cache_dir=str(tmp_path / "cache"))


def test_the_block_is_what_the_hub_knows(card: Path, facts: dict[str, Any]) -> None:
    data = DatasetCard((card / "README.md").read_text()).data
    assert data.license == "cc-by-sa-4.0"
    assert data.license in known()["hub"]["identifiers"]
    assert sorted(data.language) == sorted(row["code"] for row in facts["languages"])
    assert data.multilinguality == "multilingual"
    assert data.size_categories == [facts["size_category"]]
    assert data.task_categories == ["text-retrieval"]
    assert [config["config_name"] for config in data.configs if config.get("default")] == ["pairs"]
    assert data.language_creators == ["found", "machine-generated"]


@pytest.mark.parametrize(
    ("strictest", "told"),
    [
        ("Apache-2.0 AND MIT", {"license": ["apache-2.0", "mit"]}),
        ("PSF-2.0", {"license": "other", "license_name": "psf-2.0", "license_link": "https://spdx.org/licenses/PSF-2.0.html"}),
        ("Apache-2.0 AND PSF-2.0", {"license": "other", "license_name": "apache-2.0-and-psf-2.0", "license_link": "LICENSE.md"}),
        ("LicenseRef-Our-Terms", {"license": "other", "license_name": "licenseref-our-terms", "license_link": "LICENSE.md"}),
    ],
)  # fmt: skip
def test_a_licence_that_the_hub_does_not_know_is_named(
    facts: dict[str, Any], strictest: str, told: dict[str, Any]
) -> None:
    facts["licence"]["strictest"] = strictest
    data = DatasetCard(render_card(facts)).data.to_dict()
    assert {name: value for name, value in data.items() if name.startswith("license")} == told


def test_a_split_without_rows_is_left_out(facts: dict[str, Any]) -> None:
    facts["configs"][2]["splits"][1]["rows"] = 0
    facts["configs"][3]["splits"] = []
    configs = {c["config_name"]: c["data_files"] for c in DatasetCard(render_card(facts)).data.configs}
    assert [file["split"] for file in configs["triplets"]] == ["train"]
    assert "pairs" not in configs


def test_checks_of_columns_are_counted_unless_they_fail(facts: dict[str, Any]) -> None:
    one = facts["quality"]["checks"][0]
    names = ("schema.chunk", "schema.chunk.text", "schema.chunk.tokens", "schema.query.text")
    facts["quality"]["checks"] += [{**one, "name": name} for name in names]
    facts["quality"]["checks"][-1] |= {"status": "failed", "failing": 9}
    text = render_card(facts)
    assert "| `schema.chunk` | error | passed | 100 | 0 |" in text
    assert "| `schema.query.text` | error | **failed** | 100 | 9 |" in text
    assert "schema.chunk.text" not in text
    assert "Besides, 2 checks of single columns" in text


def test_every_number_is_in_the_facts(facts: dict[str, Any]) -> None:
    """The text of the template itself holds no number of a data set: names of papers and sections, code, ranks."""
    own = resource("data_cards", "template.md").read_text()
    shown = re.sub(r"\{[{%].*?[%}]\}|```bibtex.*?```", "", own, flags=re.S)
    assert set(re.findall(r"\d[\d,.]*", shown)) <= {"2025", "95", "10", "50"}


def test_prompts_reasons_and_columns_are_told_in_full(facts: dict[str, Any]) -> None:
    tokens = READER.parse(body(render_card(facts)))
    fences = [token.content for token in tokens if token.type == "fence" and token.info == "toml"]
    assert [prompt["text"].rstrip() for prompt in facts["prompts"]] == [text.rstrip() for text in fences]
    cells = {token.content for token in tokens if token.type == "inline"}
    for config in facts["configs"]:
        for column in config["columns"]:
            assert f"`{column['name']}`" in cells
    for stage in facts["stages"]:
        for reason in stage["rejected_by_reason"]:
            assert f"`{reason}`" in cells


def test_rates_are_told_by_side(facts: dict[str, Any]) -> None:
    plain = render_card(facts)
    assert "Not audited." in plain
    assert "Not compared with any evaluation set." in plain
    facts["audit"], facts["contamination"] = [AUDIT], [CONTAMINATION]
    text = render_card(facts)
    assert "Not audited." not in text
    assert "| negatives that answer | all | all | 150 | 8.0% | 5.0% to 13.0% |" in text
    assert "| positives that do not answer | all | all | 50 | 2.0% | 0.30% to 10.0% |" in text
    assert "The two agree on 90.0% of the negatives (Cohen's kappa 0.512)." in text
    assert "| `scifact` | query | query | exact | 2 | 3 |" in text
    assert "3 training rows overlap, each counted once; they were kept." in text
    told = limits(facts)
    assert "By the audit 8.0% of the negatives answer their query." in told
    # nor where the two differ on most positives: that speaks against none of them
    assert not any("positives beside own chunks" in sentence for sentence in told)
    assert not any("by chance" in sentence for sentence in told)
    assert "3 training rows share a text with an evaluation set; they are still in it." in told


def test_opinions_that_cannot_tell_are_a_limit(facts: dict[str, Any]) -> None:
    facts["audit"] = [AUDIT | {"kappa": 0.0001}]
    assert any("little more than by chance (Cohen's kappa 0.00)" in sentence for sentence in limits(facts))


def test_each_bar_of_the_plot_of_own_ranks_is_told_in_words(facts: dict[str, Any]) -> None:
    bands = [("first/1", "sent", "1", 60), ("first/1", "sent", "11..50", 20), ("first/1", "sent", "2..5", 20)]
    bands += [("second/2", "sent", "not found", 5), ("second/2", "sent", "1", 5)]
    names = ("version", "method", "band", "queries")
    facts["distributions"]["own_rank"] = [dict(zip(names, one, strict=True)) for one in bands]
    (alt,) = (plot.alt for plot in plots(facts) if plot.name == "own_rank")
    assert alt.endswith(
        "sent, first/1: first 60.0%, in the first 10 80.0%; sent, second/2: first 50.0%, in the first 10 50.0%."
    )


def test_limits_follow_from_the_facts(facts: dict[str, Any]) -> None:
    told = " ".join(limits(facts))
    assert "The check check_failed failed on 37 rows (3.0% of those examined)" in told
    assert "check_not_run" in told
    assert "check_passed" not in told
    facts["retrieval"][0] |= {"in_10": 0.2, "in_50": 0.3, "queries": 10_000}
    facts["distributions"]["agreement"] = [
        {"version": "1", "preference_method": "listwise", "model": "m", "queries": 9, "rank_agreement": 0.21, "first_agreement": 0.4}
    ]  # fmt: skip
    more = " ".join(limits(facts))
    assert f"{facts['retrieval'][0]['language']} (20.0%)" in more
    assert "does not find the own chunk of" in more
    assert "(Kendall's tau 0.21)" in more


def test_hostile_text_stays_text(facts: dict[str, Any]) -> None:
    worse = hostile_facts(facts)
    text = render_card(worse)
    assert text.split("---\n")[0] == ""
    data = DatasetCard(text).data
    assert [config["config_name"] for config in data.configs] == ["corpus", "queries", "triplets", "pairs"]
    assert "\u202e" not in text
    shape = [token.type for token in READER.parse(body(text))]
    calm = json.loads(json.dumps(worse).replace(json.dumps(HOSTILE)[1:-1], "calm"))
    # the same headings, tables, rows, cells, fences
    assert shape == [token.type for token in READER.parse(body(render_card(calm)))]
    for token in READER.parse(body(text)):
        assert token.type != "html_block" or set(re.findall(r"<[^>]*>", token.content)) <= OWN_HTML
        for child in token.children or ():
            assert child.type not in ("html_inline", "link_open")
    licences = READER.render(render_licences(hostile_facts(facts)))
    assert "<script" not in licences
    assert "{{ 7*7 }}" in licences


def test_no_bar_of_a_cell_is_unescaped() -> None:
    for line in resource("data_cards", "template.md").read_text().splitlines():
        if line.startswith("|"):
            assert "| code }}" not in line


def test_a_fact_that_is_lacking_is_an_error(facts: dict[str, Any]) -> None:
    del facts["sources"][0]["chunks"]
    with pytest.raises((UndefinedError, TypeError), match=r"chunks|StrictUndefined"):
        render_card(facts)


def test_every_method_of_the_schema_is_explained() -> None:
    assert set(METHODS) == set(load_schema("triplet")["properties"]["method"]["enum"])


@pytest.mark.slow
def test_plots_are_the_same_bytes_in_another_process(card: Path, facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    program = (
        "import hashlib, json, sys; from builders.cards.plots import draw, plots; facts = json.load(open(sys.argv[1]));"
        "print(json.dumps({p.name: hashlib.sha256(draw(p, facts)).hexdigest() for p in plots(facts)}))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "facts.json")]
    there = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    here = {path.stem: sha256(path.read_bytes()).hexdigest() for path in (card / "plots").iterdir()}
    assert there == here
    assert len(set(here.values())) == 7


def test_plots_hold_names_as_text(card: Path, facts: dict[str, Any]) -> None:
    drawn = {plot.name: draw(plot, hostile_facts(facts)) for plot in plots(hostile_facts(facts))}
    for name, svg in drawn.items():
        root = ElementTree.fromstring(svg)  # well formed
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not tags & {"script", "a", "image", "foreignObject"}
        assert b"http://www.w3.org" in svg
        assert b"\xe2\x80\xae" not in svg, name
    assert any("a|b" in (e.text or "") for e in ElementTree.fromstring(drawn["chunk_tokens"]).iter())
    linked = re.findall(r"\]\((plots/[^)]*)\)", (card / "README.md").read_text())
    assert {path.relative_to(card).as_posix() for path in (card / "plots").iterdir()} == set(linked)
    for path in linked:
        assert re.search(rb"font-family: [^\"]*sans-serif", (card / path).read_bytes())


def test_the_kept_card_of_the_demo_is_what_its_facts_render() -> None:
    kept = folder("data_cards") / "pydoc-drama"
    facts = json.loads(kept.with_suffix(".json").read_text())
    assert render_card(facts) == kept.with_suffix(".md").read_text()
    assert facts["quality"]["errors"] == 0
    for plot in plots(facts):
        assert (kept.parent / "plots" / f"{plot.name}.svg").is_file()
