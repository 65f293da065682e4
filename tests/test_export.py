"""`python -m builders.export`: which rows it takes, which it leaves out, and that its folder is whole or not there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.export import TARGETS, Export, export, main
from builders.store.versions import Version
from tests.exports.making import chunk, hostile, query, triplet, written
from tests.making import rows_of


@pytest.fixture(scope="module")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return hostile(tmp_path_factory.mktemp("hostile") / "data")


def small(data: Path, rows: list[dict[str, Any]], text: str = "text") -> Version:
    """A version of those triplets over chunks a to f and queries q and r."""
    chunks = written(data, "chunks", "chunk", [[chunk(i, f"{text} {i}") for i in "abcdef"]])
    queries = written(data, "queries", "query", [[query(i, f"asks {i}") for i in "qr"]], [chunks])
    return written(data, "triplets", "triplet", [rows], [chunks, queries])


def exported(versions: list[Version], out: Path, to: Any = "flagembedding", **options: Any) -> Path:
    config = Export(tuple(map(str, versions)), to, out, versions[0].folder.parent.parent, **options)
    assert export(config) == out
    return out


def lines(out: Path, name: str = "train/rows.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_bytes().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found
    return found


@pytest.mark.parametrize("to", TARGETS)
def test_the_same_versions_make_the_same_bytes(triplets: Version, tmp_path: Path, to: Any) -> None:
    a, b = (exported([triplets], tmp_path / name, to, negatives=2) for name in "ab")
    assert contents(a) == contents(b)
    assert str(tmp_path) not in (a / "export.json").read_text()


def test_the_manifest_says_what_was_made_of_what(triplets: Version, tmp_path: Path) -> None:
    out = exported([triplets], tmp_path / "out", limit=15, query_prefix="Query: ")
    told = json.loads((out / "export.json").read_bytes())
    identity = told["identity"]
    assert identity["triplets"] == [{"version": triplets.name, "content": triplets.content_hash}]
    sources = {v.table: v.content_hash for v in triplets.inputs()}
    assert {table: identity[table][0]["content"] for table in ("chunks", "queries")} == sources
    assert identity["options"] | {"query_prefix": "Query: ", "limit": 15, "split": "train"} == identity["options"]
    assert told["rows"] == {"chosen": 15, "written": {"train": 15}, "left_out": {}}
    assert [file["path"] for file in told["files"]] == ["train/rows.jsonl"]
    assert set(told["made_with"]["libraries"]) == {"drama", "polars", "pyarrow"}


def test_lists_are_cut_from_their_best_ranked_end(tmp_path: Path) -> None:
    version = small(tmp_path / "data", [triplet("q", ["a", "b"], ["c", "d", "e"])])
    (row,) = lines(exported([version], tmp_path / "out", positives="first", negatives=2, scores=True))
    assert (row["pos"], row["neg"]) == (["text a"], ["text c", "text d"])
    assert (row["pos_scores"], row["neg_scores"]) == ([0.9], [0.7, 0.6])
    (row,) = lines(exported([version], tmp_path / "more", negatives=7))
    assert (row["pos"], row["neg"]) == (["text a", "text b"], ["text c", "text d", "text e"])


def test_limit_and_split_choose_rows_in_order(triplets: Version, tmp_path: Path) -> None:
    ids = [row["query_id"] for row in rows_of(triplets) if row["split"] == "train"]
    for limit in (1, 12, 100):
        read = lines(exported([triplets], tmp_path / str(limit), "tevatron", limit=limit), "train.jsonl")
        assert [row["query_id"] for row in read] == ids[:limit]
    both = exported([triplets], tmp_path / "all", "tevatron", split="all")
    assert (len(lines(both, "train.jsonl")), len(lines(both, "test.jsonl"))) == (18, 2)


@pytest.mark.parametrize(("corpus", "expected"), [(None, "abc"), ("used", "abc"), ("all", "abcdef")])
def test_a_corpus_holds_what_is_asked_for(tmp_path: Path, corpus: Any, expected: str) -> None:
    version = small(tmp_path / "data", [triplet("q", ["c"], ["a", "b"])])
    out = exported([version], tmp_path / "out", "tevatron", corpus=corpus)
    assert [row["docid"] for row in lines(out, "corpus.jsonl")] == list(expected)


LEFT_OUT = [
    ("sentence-transformers", {"negatives": 2}, triplet("q", ["a"], ["b"]), "too_few_negatives"),
    ("flagembedding", {}, triplet("q", ["a"], ["b", "gone"]), "unknown_id"),
    ("tevatron", {}, triplet("gone", ["a"], ["b"]), "unknown_id"),
    ("automodel", {}, triplet("q", ["a", "gone"], ["b"]), "unknown_id"),
    ("flagembedding", {"scores": True}, triplet("q", ["a"], ["b"], scores={"b": None}), "no_score"),
    ("sentence-transformers", {"scores": True}, triplet("q", ["a"], ["b"], scores={"a": None}), "no_score"),
]


@pytest.mark.parametrize(("to", "options", "row", "reason"), LEFT_OUT)
def test_a_row_that_cannot_be_written_is_counted_by_its_reason(
    tmp_path: Path, to: Any, options: Any, row: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version = small(tmp_path / "data", [row, triplet("r", ["c"], ["d", "e"])])
    out = exported([version], tmp_path / "out", to, **options)
    told = json.loads((out / "export.json").read_bytes())
    assert told["rows"] == {"chosen": 2, "written": {"train": 1}, "left_out": {reason: 1}}
    assert f"1 triplets written, 1 left out: 1 {reason}\n" in capsys.readouterr().err


def test_what_a_list_was_cut_by_is_not_missed(tmp_path: Path) -> None:
    cut = triplet("q", ["a", "gone"], ["b", "lost"], scores={"gone": None, "lost": None})
    version = small(tmp_path / "data", [cut])
    out = exported([version], tmp_path / "out", positives="first", negatives=1, scores=True)
    assert lines(out) == [
        {"query": "asks q", "pos": ["text a"], "neg": ["text b"], "pos_scores": [0.9], "neg_scores": [0.7]}
    ]


@pytest.mark.parametrize("bad", ["a\tb", "a\nb", "a\rb", '"a'])
def test_an_id_that_qrels_cannot_hold_is_left_out(tmp_path: Path, bad: str) -> None:
    data = tmp_path / "data"
    chunks = written(data, "chunks", "chunk", [[chunk(i, f"text {i}") for i in (bad, "c", 'd"d', "e f")]])
    asked = [query(i, f"asks {i}") for i in (f"{bad}~sent0", "q", "r")]
    queries = written(data, "queries", "query", [asked], [chunks])
    rows = [
        triplet(f"{bad}~sent0", ["c"], ["e f"]),
        triplet("q", ["c", bad], ["e f"]),
        triplet("r", ['d"d', "e f"], [bad]),
    ]
    out = exported([written(data, "triplets", "triplet", [rows], [queries])], tmp_path / "out", "beir")
    assert (out / "qrels" / "train.tsv").read_text() == 'query-id\tcorpus-id\tscore\nr\td"d\t1\nr\te f\t1\n'
    assert [row["_id"] for row in lines(out, "queries.jsonl")] == ["r"]
    assert {row["_id"] for row in lines(out, "corpus.jsonl")} == {bad, "c", 'd"d', "e f"}
    assert json.loads((out / "export.json").read_bytes())["rows"]["left_out"] == {"unfit_id": 2}


def test_several_versions_follow_each_other_and_a_triplet_is_taken_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = small(data, [triplet("q", ["a"], ["b"])])
    second = small(data, [triplet("q", ["c"], ["d"]), triplet("q", ["a", "e"], ["f"], method="rerank")])
    out = exported([second, first], tmp_path / "out")
    assert [row["pos"] for row in lines(out)] == [["text a", "text e"], ["text c"]]
    assert json.loads((out / "export.json").read_bytes())["rows"]["left_out"] == {"duplicate_id": 1}
    beir = exported([first, second, first], tmp_path / "beir", "beir")
    pairs = (beir / "qrels" / "train.tsv").read_text().splitlines()[1:]
    assert pairs == ["q\ta\t1", "q\te\t1"]


def test_one_id_with_two_texts_is_an_error(tmp_path: Path) -> None:
    data = tmp_path / "data"
    versions = [small(data, [triplet("q", ["a"], ["b"])], text) for text in ("old", "new")]
    with pytest.raises(
        UserError, match=r"^a is one text in chunks/\w+ and another in chunks/\w+: export .* one by one"
    ):
        exported(versions, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_a_text_version_that_is_gone_is_named(tmp_path: Path) -> None:
    version = small(tmp_path / "data", [triplet("q", ["a"], ["b"])])
    queries = next(v for v in version.inputs() if v.table == "queries")
    shutil.rmtree(queries.folder)
    with pytest.raises(UserError, match=rf"was made from {queries}, which is not in .*: put it back"):
        exported([version], tmp_path / "out")


def test_nothing_left_to_write_is_an_error(tmp_path: Path) -> None:
    version = small(tmp_path / "data", [triplet("q", ["a"], ["b"])])
    with pytest.raises(
        UserError, match=rf"^Nothing of {version} is left .*: 1 triplets of split train, 1 left out: 1 too_few_neg"
    ):
        exported([version], tmp_path / "out", "sentence-transformers", negatives=3)
    with pytest.raises(UserError, match="0 triplets of split heldout; choose another --split"):
        exported([version], tmp_path / "out", split="heldout")
    assert not (tmp_path / "out").exists()


def test_an_export_that_is_there_is_not_made_again_and_nothing_is_overwritten(
    triplets: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported([triplets], tmp_path / "out")
    before = contents(out)
    assert capsys.readouterr().err.endswith(f"load it: --train_data {out}/train\n")
    exported([triplets], out)
    assert capsys.readouterr() == ("", f"already exported: {out}\n")
    for options in ({"negatives": 1}, {"to": "beir"}):
        with pytest.raises(UserError, match="holds another export, to flagembedding: name a folder that is not there"):
            exported([triplets], out, **options)  # type: ignore[arg-type]
    assert contents(out) == before
    (other := tmp_path / "other").mkdir()
    exported([triplets], other)  # an empty folder is as good as none
    (other / "export.json").write_text("[]")
    with pytest.raises(UserError, match="holds files that are no export"):
        exported([triplets], other)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        exported([triplets], tmp_path / "file")


def test_a_killed_export_leaves_no_folder_and_is_made_again(triplets: Version, tmp_path: Path) -> None:
    whole, out = exported([triplets], tmp_path / "whole", "beir"), tmp_path / "out"
    code = (
        "import os, signal, sys; from pathlib import Path; from builders import export; from dataclasses import replace\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "export.TARGETS = {'beir': replace(export.TARGETS['beir'], finish=die)}\n"
        "export.export(export.Export((sys.argv[1],), 'beir', Path(sys.argv[2]), Path(sys.argv[3])))"
    )
    data = triplets.folder.parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", code, str(triplets), str(out), str(data)], check=False, capture_output=True
    )
    assert ended.returncode == -9
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.partial", "whole"]
    assert contents(exported([triplets], out, "beir")) == contents(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


def test_the_command_prints_the_folder_and_a_dry_run_the_first_row(
    triplets: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = triplets.folder.parent.parent
    command = [str(triplets), f"--data={data}"]
    for to in TARGETS:
        assert run(Export, main, [*command, f"--to={to}", "--dry-run"]) == 0
        out, err = capsys.readouterr()
        assert out == ""
        assert "doc 0#00" in err or "two\\nlines" in err
    assert run(Export, main, [*command, "--to=beir", f"--out={tmp_path / 'out'}"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize(
    ("to", "options", "told"),
    [
        ("beir", {"out": None}, "--out is not given: name the folder to make."),
        ("beir", {"scores": True}, "beir has no place for them: export to sentence-transformers or flagembedding."),
        ("flagembedding", {"negatives": 0}, "--negatives 0 is too few for flagembedding: give 1 or more."),
        ("tevatron", {"negatives": -1}, "--negatives -1 is too few for tevatron: give 0 or more."),
        ("sentence-transformers", {"corpus": "all"}, "sentence-transformers has its texts in line: leave it out."),
        ("beir", {"limit": 0}, "--limit 0 leaves nothing: give 1 or more."),
    ],
)
def test_options_that_do_not_fit_are_refused(to: Any, options: Any, told: str) -> None:
    with pytest.raises(UserError) as refused:
        Export(("triplets",), to, **({"out": Path("out")} | options))
    assert str(refused.value).endswith(told)
    assert refused.value.exit_code == 2
