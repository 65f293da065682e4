"""`python -m builders.release`: one folder, whole or not at all, that tells nothing of the machine."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import candidates, corpus, synthetic_queries
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import Model
from builders.release import Release, Released, main, refuse_errors, release
from builders.store.resources import folder as shipped
from builders.store.schemas import first_fault
from builders.store.versions import find_version
from tests.exports.making import hostile, triplet, written
from tests.making import FakeEngine, one_query, snapshot
from tests.releases import stand_ins
from tests.releases.making import files_of, manifest_of, released, small
from tests.retrieval.making import HashEncoder
from tests.triplet_making import make

USER = "quintessa"
TOKENS = ("hf_" + "a1B2" * 8, "sk-" + "c3D4" * 8)
CONFIGS = ("corpus", "queries", "triplets", "pairs")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, corpus_file: Path, tokenizer_file: Path) -> Path:
    """A home with tables made from a source, a tokenizer, a prompt and models named by their absolute paths."""
    home = tmp_path_factory.mktemp("home") / USER
    for name, path in (("notes.jsonl", corpus_file), ("tokenizer.json", tokenizer_file)):
        (home / "in put").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, home / "in put" / name)
    prompt = (shipped("prompts") / "synthetic_query.toml").read_text()
    (home / "my_own.toml").write_text(prompt.replace('name = "synthetic_query"', 'name = "my_own"') + "# mine\n")
    data = home / "tables"
    source, tokenizer = (str(home / "in put" / name) for name in ("notes.jsonl", "tokenizer.json"))
    chunks = corpus.main(
        corpus.Corpus(source, data=data, tokenizer=tokenizer, max_tokens=96, heldout=0.2, licence="MIT")
    )
    arguments = {"download_dir": str(home / "cache"), "hf_token": TOKENS[0], "note": f"with {TOKENS[1]}"}
    options = EngineOptions(
        engine="vllm", model=str(home / "models/writer"), revision="1", engine_args=json.dumps(arguments)
    )
    engine = FakeEngine(one_query)
    engine.model = Model(str(home / "models/writer"), "1")  # as a server's model was named before it went by its name
    asking = synthetic_queries.SyntheticQueries(str(chunks), data, prompt=str(home / "my_own.toml"), llm=options)
    queries = synthetic_queries.main(asking, engine)
    encoder = HashEncoder()
    encoder.model = Model(str(home / "models/retriever"), "1")
    assert candidates.main(candidates.Candidates(str(queries), data, k=12), encoder) is not None
    make(data)
    return home


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    """A release of those tables with its real checks, card and page."""
    writer = home / "models" / "writer"
    config = Release("notes", ("triplets",), licence=(f"{writer}=Apache-2.0",), data=home / "tables", negatives=5)
    made = release(config)
    assert made is not None
    return made.folder


def texts_in(path: Path) -> Iterator[str]:
    """All that is written in a file; of Parquet the values of every column, and what its footer says."""
    if path.suffix != ".parquet":
        text = path.read_bytes().decode()
        yield text
        packed = re.findall(r'<script type="application/octet-stream"[^>]*>([^<]*)</script>', text)
        assert bool(packed) is (path.name == "report.html")
        yield from (gzip.decompress(base64.b64decode(block)).decode() for block in packed)
        return
    table = pq.read_table(path)
    yield repr(table.schema.metadata)
    for column in table.columns:
        values = column.combine_chunks()
        while pa.types.is_list(values.type):
            values = values.flatten()
        yield from (value for value in values.to_pylist() if isinstance(value, str))


def test_no_file_tells_of_the_machine_or_holds_a_secret(home: Path, whole: Path) -> None:
    secrets = [str(home), USER, str(home / "tables"), str(home.parent), "in put", str(Path.home()) + "/", *TOKENS]
    names = list(files_of(whole))
    assert {Path(name).suffix for name in names} >= {".parquet", ".json", ".md", ".html", ".svg", ".toml"}
    for name in names:
        for text in texts_in(whole / name):
            for secret in secrets:
                assert secret not in text, f"{name} holds {secret}"


def test_the_tables_do_tell_so_that_the_test_above_is_one(home: Path) -> None:
    told = "".join(path.read_text() for path in home.glob("tables/*/*/manifest.json"))
    for secret in (str(home / "models/writer"), str(home / "models/retriever"), str(home / "cache"), *TOKENS):
        assert secret in told
    version = find_version(home / "tables", "triplets")
    assert str(home / "models/retriever") in pq.read_table(version.shards()[0]).column("retriever").to_pylist()[0]


def test_a_release_holds_what_its_manifest_names_and_nothing_else(whole: Path) -> None:
    manifest = manifest_of(whole)
    assert first_fault("release", manifest) is None
    rows = [f["path"] for about in manifest["configs"].values() for s in about["splits"].values() for f in s["files"]]
    assert sorted(["manifest.json", *rows, *(f["path"] for f in manifest["files"])]) == list(files_of(whole))
    needed = {"README.md", "CHANGELOG.md", "quality.json", "facts.json", "croissant.json", "report.html"}
    assert needed <= set(files_of(whole))
    assert list(manifest["configs"]) == list(CONFIGS)
    assert (manifest["licence"], manifest["release"], manifest["previous"]) == ("Apache-2.0 AND MIT", "v1.0.0", None)
    facts = json.loads((whole / "facts.json").read_bytes())
    assert facts["content_hash"] == manifest["content_hash"]
    assert whole.name == "notes-v1.0.0" and whole.parent.name == "releases"


def test_the_very_prompt_is_there_also_when_its_file_is_not(home: Path, whole: Path) -> None:
    (path,) = (whole / "prompts").iterdir()
    assert path.read_bytes() == (home / "my_own.toml").read_bytes()
    assert path.stem == find_version(home / "tables", "queries").manifest["identity"]["prompt"]["version"]


def test_every_version_behind_it_has_its_manifest(whole: Path) -> None:
    manifest = manifest_of(whole)
    names = {v["version"].replace("/", "-") + ".json" for v in manifest["versions"]}
    assert {p.name for p in (whole / "manifests").iterdir()} == names
    assert [v["version"].split("/")[0] for v in manifest["versions"] if v["is_named"]] == ["triplets"]
    for path in (whole / "manifests").iterdir():
        assert "prompt_text" not in json.loads(path.read_bytes())["facts"]


def test_every_config_opens_from_the_real_card(whole: Path, tmp_path: Path) -> None:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    for config, about in manifest_of(whole)["configs"].items():
        read: Any = load_dataset(str(whole), config, cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows) for split, rows in read.items()} == {s: f["rows"] for s, f in about["splits"].items()}


def test_a_licence_that_cannot_be_told_is_asked_for_before_anything_is_written(home: Path, tmp_path: Path) -> None:
    config = Release("notes", ("triplets",), data=home / "tables", out=tmp_path / "out")
    for dry in (False, True):
        with pytest.raises(UserError, match=r"The licence of the model .*writer, which writes queries, is not known"):
            release(replace(config, dry_run=dry))
    assert list(tmp_path.iterdir()) == []


def test_a_licence_that_is_given_is_one_and_says_where_it_changes_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = home / "models" / "writer"
    config = Release("notes", ("triplets",), data=home / "tables", out=tmp_path / "out", dry_run=True)
    assert release(replace(config, licence=(f"{writer}=MIT", "notes=CC-BY-4.0"))) is None
    told = capsys.readouterr().err
    assert "--licence notes=CC-BY-4.0 changes nothing: all documents of notes state theirs, MIT." in told
    with pytest.raises(UserError, match=r"The licence '\(\)' of the source notes is no SPDX expression"):
        release(replace(config, licence=(f"{writer}=MIT", "notes=()")))


def test_a_release_that_is_there_is_not_made_again_and_nothing_is_overwritten(
    stand_ins_used: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = small(tmp_path / "data")
    out = released([version], tmp_path / "out")
    before = snapshot(out)
    capsys.readouterr()
    released([version], out)
    assert capsys.readouterr().err == f"already released: {out}\n"
    other = written(tmp_path / "data", "triplets", "triplet", [[triplet("q1", ["d"], ["g"])]], version.inputs())
    for versions, options, differs in (
        ([version], {"negatives": 1}, "its options differ"),
        ([version], {"release": "v1.1.0"}, "its release differ"),
        ([version], {"name": "large"}, "its name differ"),
        ([other], {}, "its versions differ"),
    ):
        with pytest.raises(
            UserError, match=rf"^{out} holds another release \(small v1.0.0; {differs}\): to make the next"
        ):
            released(versions, out, **options)
    assert snapshot(out) == before
    (tmp_path / "other").mkdir()
    released([version], tmp_path / "other")  # an empty folder is as good as none
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files that are no release"):
        released([version], tmp_path / "mine")
    with pytest.raises(UserError, match="is a file"):
        released([version], tmp_path / "mine" / "thesis.txt")


def test_the_same_versions_make_the_same_rows_and_the_same_hash(stand_ins_used: None, tmp_path: Path) -> None:
    version = hostile(tmp_path / "data")
    a, b = (released([version], tmp_path / name) for name in "ab")
    assert list(files_of(a)) == list(files_of(b))
    for name in files_of(a):
        if not name.endswith(("manifest.json", "CHANGELOG.md")):  # they say when
            assert (a / name).read_bytes() == (b / name).read_bytes()
    assert manifest_of(a)["content_hash"] == manifest_of(b)["content_hash"]


@pytest.mark.slow
def test_a_killed_release_leaves_nothing_under_its_name_and_is_made_again(stand_ins_used: None, tmp_path: Path) -> None:
    version = small(tmp_path / "data")
    whole, out = released([version], tmp_path / "whole"), tmp_path / "out"
    code = (
        "import os, signal, sys; from pathlib import Path; import pytest; from builders.release import Release, release\n"
        "from tests.releases import stand_ins\n"
        "stand_ins.stand_in(pytest.MonkeyPatch())\n"
        "from builders.cards import page\n"
        "sys.modules['builders.cards.page'].write_page = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "release(Release('small', (sys.argv[1],), data=Path(sys.argv[2]), out=Path(sys.argv[3])))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(version), str(tmp_path / "data"), str(out)],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert ended.returncode == -9, ended.stderr.decode()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.partial", "data", "whole"]
    assert (tmp_path / ".out.partial" / "rows" / "corpus").is_dir()
    released([version], out)
    assert manifest_of(out)["content_hash"] == manifest_of(whole)["content_hash"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out", "whole"]


def test_a_release_with_errors_is_written_and_its_status_is_1(
    stand_ins_used: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(versions: Any, folder: Path, **_: Any) -> dict[str, Any]:
        return stand_ins.quality(versions, errors=2)

    monkeypatch.setattr(sys.modules["builders.quality.checking"], "check_versions", failing)
    version = small(tmp_path / "data")
    arguments = [str(version), "--name=small", f"--data={tmp_path / 'data'}"]
    for _ in range(2):  # made, then found
        assert run(Release, main, arguments) == 1
        out, err = capsys.readouterr()
        folder = tmp_path / "releases" / "small-v1.0.0"
        assert out == f"{folder}\n"
        assert (
            f"Error: 2 checks found errors in {folder}, which is there to be looked at, and which builders.publish"
            in err
        )
    assert manifest_of(folder)["quality"] == {"errors": 2, "warnings": 0}
    refuse_errors(Released(folder, 0))


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(
    stand_ins_used: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = small(tmp_path / "data")
    before = snapshot(tmp_path)
    assert run(Release, main, [str(version), "--name=small", f"--data={tmp_path / 'data'}", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"small v1.0.0 would be made in {tmp_path / 'releases' / 'small-v1.0.0'}, of",
        f"  {version}, 3 rows",
        "  corpus   train 11, heldout 1",
        "  queries  train 2, heldout 1",
        "  triplets train 2, heldout 1",
        "  pairs    the triplets with 7 negatives, as texts",
    ]
    assert snapshot(tmp_path) == before
