"""Judged data sets in every form: the same data say the same, and what is no such data is one sentence."""

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.judged import open_judged
from builders.text.judged.lines import field_lines, whole_number
from builders.text.judged.passages import Passage, hashed_id, passages
from builders.text.judged.sets import JudgedRow, JudgedSet, first_queries, in_language
from tests import judged_sets
from tests.judged_sets import EXPECTED, FORMS, JUDGED, QUERIES, fields, lines, texts


@pytest.mark.parametrize("form", FORMS)
def test_the_same_data_say_the_same_in_every_form(form: str, tmp_path: Path) -> None:
    assert len(EXPECTED) == 12
    judged = open_judged(str(FORMS[form](tmp_path)))
    assert texts(judged) == EXPECTED
    assert texts(judged) == EXPECTED, "it can be read again"


@pytest.mark.parametrize("form", ["beir", "lists", "triples of ids"])
def test_compressed_files_say_the_same(form: str, tmp_path: Path) -> None:
    path = FORMS[form](tmp_path)
    for file in [p for p in tmp_path.rglob("*") if p.is_file()]:
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    judged = open_judged(str(path if path.is_dir() else f"{path}.gz"))
    assert texts(judged) == EXPECTED


def test_a_fingerprint_is_of_what_is_read(tmp_path: Path) -> None:
    marks: list[tuple[str, str]] = []
    for change in (lambda: None, lambda: fields(tmp_path / "qrels" / "train.tsv", [("q1", "d1", 1)])):
        judged_sets.beir(tmp_path)
        change()
        judged = open_judged(str(tmp_path))
        marks.append((judged.documents.fingerprint, judged.fingerprint))
    assert marks[0][0] == marks[1][0], "the documents are the same, and are not built again"
    assert marks[0][1] != marks[1][1]
    with (tmp_path / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "d9", "text": "One more."}\n')
    assert open_judged(str(tmp_path)).documents.fingerprint != marks[0][0]


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    rows = [{"question": "a", "title": "b", "answer": "c", "other": "d", "wrong": "e"}]
    path = str(lines(tmp_path / "rows.jsonl", rows))
    assert texts(open_judged(path)) == {("a", "c", 1)}
    named = {"query": "title", "positive": "other", "negative": "wrong"}
    judged = open_judged(path, columns=named)
    assert texts(judged) == {("b", "d", 1), ("b", "e", 0)}
    assert judged.told == "query title; positive other; negative wrong; not used: question, answer"
    assert judged.fingerprint != open_judged(path).fingerprint


def test_a_header_of_known_names_is_no_triple(tmp_path: Path) -> None:
    path = fields(tmp_path / "rows.tsv", [("query", "positive", "negative"), ("a b", "c d", "e f")])
    judged = open_judged(str(path))
    assert (judged.format, texts(judged)) == ("columns", {("a b", "c d", 1), ("a b", "e f", 0)})


def test_a_label_beside_negatives_is_not_used(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [{"query": "a", "positive": "b", "negative": "c", "score": 0.93}])
    judged = open_judged(str(path))
    assert texts(judged) == {("a", "b", 1), ("a", "c", 0)}
    assert "not used: score" in judged.told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"a": "x", "b": "y"},
            r"columns are 'a', 'b', and expected is a query .*: name them, as in --columns query NAME",
        ),
        ({"query": "x", "b": "y"}, "no judged data set that is known here"),
        (
            {"query": "x", "question": "y", "pos": "z"},
            "2 columns that may hold the query, 'query', 'question': say which",
        ),
        ({"query": "x", "pos": "y", "answer": "z"}, "2 columns that may hold the positive"),
    ],
)
def test_columns_of_no_known_meaning_are_one_sentence(row: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        open_judged(str(lines(tmp_path / "rows.jsonl", [row])))


def test_wrong_uses_are_one_sentence(tmp_path: Path) -> None:
    folder = str(judged_sets.beir(tmp_path / "set"))
    fields(tmp_path / "set" / "qrels" / "dev.tsv", [("q1", "d1", 1)])
    rows = str(judged_sets.lists(tmp_path))
    ids = judged_sets.triples_of_ids(tmp_path / "ids")
    (ids / "collection.tsv").unlink()
    uses: list[tuple[str, dict[str, Any], str]] = [
        (folder, {"qrels": "test"}, "has no qrels/test.tsv; it has dev, train: choose one with --qrels"),
        (rows, {"qrels": "test"}, "--qrels test chooses a file of a BEIR folder, and .* is read as columns"),
        (rows, {"split": "test"}, "has no config or split"),
        (rows, {"columns": {"positve": "pos"}}, r"positve is not one of query, positive.*did you mean positive\?"),
        (rows, {"columns": {"positive": "pso"}}, "no column 'pso' for the positive; it has 'query', 'pos'"),
        (rows, {"form": "msmarco"}, "holds no triples of MS MARCO"),
        (str(ids), {}, "there is no collection.tsv beside it"),
        (str(ids), {"columns": {"query": "a"}}, "the lines of MS MARCO have none"),
        ("hf://me/set", {"form": "beir"}, "--format beir is one of files: fetch them"),
        (str(tmp_path / "nothing"), {}, "There is no file or folder"),
    ]
    for spec, options, told in uses:
        with pytest.raises(UserError, match=told):
            open_judged(spec, **options)
    (tmp_path / "set" / "queries.jsonl").unlink()
    with pytest.raises(UserError, match="not a whole data set in the BEIR layout: it has no queries"):
        open_judged(folder)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    judged_sets.triples_of_texts(tmp_path)
    whole = gzip.compress((tmp_path / "triples.train.small.tsv").read_bytes())
    path = tmp_path / "cut.tsv.gz"
    path.write_bytes(whole[:-20])
    with pytest.raises(UserError, match="cut short or damaged"):
        list(open_judged(str(path), form="msmarco").read())


def test_rows_that_are_no_good_cost_no_other(tmp_path: Path) -> None:
    good = {"query": "a", "positive": "b"}
    bad = [
        {"query": 7, "positive": "b"},
        {"query": "a", "positive": 3.5},
        {"query": "a", "positive": {"title": "no text"}},
    ]
    path = lines(
        tmp_path / "rows.jsonl", [good, *bad, {"query": "x*", "positive": "b"}, {"query": "c", "positive": "d"}]
    )
    path.write_text(path.read_text().replace("x*", "x\\udc80") + "{\n")
    rows = list(open_judged(str(path)).read())
    assert [row.reason for row in rows if isinstance(row, BadRow)] == ["invalid_row"] * 3 + ["not_utf8", "invalid_json"]
    assert [row.where for row in rows if isinstance(row, JudgedRow)] == ["rows.jsonl row 1", "rows.jsonl row 6"]
    labels = [{"sentence1": "a", "sentence2": "b", "label": label} for label in (1, 0.0, "2", True, 0.4, None, "x")]
    found = list(open_judged(str(lines(tmp_path / "labels.jsonl", labels))).read())
    assert [row.judged[0][1] for row in found if isinstance(row, JudgedRow) and row.judged] == [1, 0, 2, 1]
    assert ["is not a whole number" in row.detail for row in found if isinstance(row, BadRow)] == [True] * 3


def test_lines_of_msmarco_that_are_no_good_cost_no_other(tmp_path: Path) -> None:
    judged_sets.triples_of_texts(tmp_path)
    path = tmp_path / "triples.train.small.tsv"
    whole = path.read_bytes()
    path.write_bytes(whole + b"only two\tfields\n" + b"\xff\tb\tc\n" + b'an "open quote\tone more\tand another\n')
    rows = list(open_judged(str(path), form="msmarco").read())
    assert [row.reason for row in rows if isinstance(row, BadRow)] == ["invalid_csv", "not_utf8"]
    last = rows[-1]
    assert isinstance(last, JudgedRow) and last.text == 'an "open quote'


def test_a_passage_keeps_its_id_and_title() -> None:
    assert passages({"docid": 7, "title": "t", "text": "x"}) == [Passage("7", "x", "t")]
    apart = [{"docid": "a", "text": "x", "title": ""}, {"docid": "b", "text": "y", "title": "t"}]
    together = {"docid": ["a", "b"], "text": ["x", "y"], "title": ["", "t"]}
    assert passages(apart) == passages(together) == [Passage("a", "x"), Passage("b", "y", "t")]
    assert passages(["x", None, "", float("nan"), "y"]) == [Passage(hashed_id("x"), "x"), Passage(hashed_id("y"), "y")]
    assert hashed_id("x", "t") not in (hashed_id("x"), hashed_id("t\nx "))


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20)))
def test_texts_without_ids_are_told_apart_by_their_text(values: list[str]) -> None:
    found = passages(values)
    assert [p.text for p in found] == [v for v in values if v]
    assert len({p.id for p in found}) == len({v for v in values if v})


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\t\r\n\ufeff", exclude_categories=("Cs",)), min_size=1),
            min_size=2,
        )
    )
)
def test_fields_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.tsv"
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    expected = [row for row in rows if "\t".join(row).strip()]
    assert [found for _, found in field_lines(path, "rows.tsv")] == expected


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_whole_numbers_in_any_spelling(number: int) -> None:
    assert {whole_number(spelt) for spelt in (number, float(number), str(number), f" {number}.0")} == {number}


def test_what_is_no_whole_number() -> None:
    for value in (None, "", "x", 0.5, float("nan"), float("inf"), "1e99", 2**40, [1], 10**400):
        assert whole_number(value) is None


def counted(judged: JudgedSet, read: list[str]) -> JudgedSet:
    """The same, which notes the rows and documents that are read."""

    def rows() -> Any:
        for row in judged.read():
            read.append(f"row {row.where}")
            yield row

    def documents() -> Any:
        for item in judged.documents.read():
            read.append(f"document {item.where}")
            yield item

    source = judged.documents
    return JudgedSet(judged.format, Source(source.kind, source.name, "", documents), "", rows, "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [1, 2, 3, 9])
def test_a_rehearsal_has_the_first_queries_and_what_was_judged_for_them(form: str, limit: int, tmp_path: Path) -> None:
    judged = open_judged(str(FORMS[form](tmp_path)))
    few = first_queries(judged, limit)
    chosen = {QUERIES[q] for q in list(JUDGED)[:limit]}
    assert texts(few) == {one for one in EXPECTED if one[0] in chosen}
    held = {item.text for item in few.documents.read() if isinstance(item, Document)}
    assert held == {document for query, document, _ in EXPECTED if query in chosen}
    assert few.documents.fingerprint != judged.documents.fingerprint
    assert few.fingerprint not in (judged.fingerprint, first_queries(judged, limit + 1).fingerprint)


def test_a_rehearsal_reads_no_further_than_it_must(tmp_path: Path) -> None:
    read: list[str] = []
    few = first_queries(counted(open_judged(str(judged_sets.lists(tmp_path))), read), 2)
    assert len(list(few.read())) == 2
    assert read == ["row lists.jsonl row 1", "row lists.jsonl row 2", "row lists.jsonl row 3"]
    read.clear()
    list(few.documents.read())
    assert [what for what in read if what.startswith("document")][-1] == "document lists.jsonl row 2"


def test_a_given_language_is_for_what_declares_none(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [{"query": "a", "pos": "b", "lang": "fr"}, {"query": "c", "pos": "d"}])
    judged = in_language(open_judged(str(path)), "de")
    for items in (judged.read(), judged.documents.read()):
        assert [item.language for item in items if not isinstance(item, BadRow)] == ["fr", "de"]
    assert len({j.fingerprint for j in (judged, in_language(judged, "en"), open_judged(str(path)))}) == 3


HUB = """
import json, sys
from builders.cli.errors import UserError
from builders.text.judged import open_judged
from tests.judged_sets import texts
answers = []
for spec in sys.argv[1:]:
    try:
        judged = open_judged(spec)
        answers.append([judged.documents.name, sorted(texts(judged))])
    except UserError as fault:
        answers.append(str(fault))
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_data_sets_on_the_hub(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("judged_hub_server", Path("tests/hub_server.py").resolve())
    assert spec is not None and spec.loader is not None
    hub_server = importlib.util.module_from_spec(spec)
    sys.modules["judged_hub_server"] = hub_server
    spec.loader.exec_module(hub_server)
    repos = {}
    for number, form in enumerate(("labelled", "passages", "beir")):
        (tmp_path / form).mkdir()
        FORMS[form](tmp_path / form)
        repos[f"me/{form}"] = hub_server.Repo({str(number) * 40: tmp_path / form}, {"main": str(number) * 40})
    (tmp_path / "beir" / "qrels" / "train.tsv").unlink()
    with hub_server.HubServer(repos) as hub:
        ended = subprocess.run(
            [sys.executable, "-c", HUB, *(f"hf://{name}" for name in repos)],
            env=os.environ | {"PYTHONPATH": os.getcwd()} | hub.env(tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    *sets, no_rows = json.loads(ended.stdout.splitlines()[-1])
    for form, (name, found) in zip(("labelled", "passages"), sets, strict=True):
        assert (name, {tuple(one) for one in found}) == (form, EXPECTED)
    assert "no judged data set that is known here" in no_rows
