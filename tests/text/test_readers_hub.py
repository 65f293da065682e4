"""Data sets on the Hub, read by the real client from a Hub on the loopback interface."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("hub_server", ROOT / "tests" / "hub_server.py")
assert SPEC is not None
assert SPEC.loader is not None
hub_server = importlib.util.module_from_spec(SPEC)
sys.modules["hub_server"] = hub_server
SPEC.loader.exec_module(hub_server)

OLD, NEW, ROWS = "1" * 40, "2" * 40, "3" * 40

# The client reads its settings when it is imported, so all questions go to one process of its own.
ASK = """
import json, sys
from dataclasses import asdict
from builders.cli.errors import UserError
from builders.text.readers import Columns, open_source
answers = {}
for name, spec, columns, options in json.load(sys.stdin):
    try:
        source = open_source(spec, columns=Columns(**columns), **options)
        answers[name] = [source.kind, source.name, source.fingerprint, [asdict(row) for row in source.read()]]
    except UserError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""

QUESTIONS: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    ("parquet", "hf://me/parquet", {}, {}),
    ("parquet by commit", f"hf://me/parquet@{NEW}", {}, {}),
    ("parquet by old tag", "hf://me/parquet@v1", {}, {}),
    ("parquet by column", "hf://me/parquet", {"text": "other"}, {}),
    ("en train", "hf://me/rows", {}, {"config": "en"}),
    ("en test", "hf://me/rows", {}, {"config": "en", "split": "test"}),
    ("fr train", "hf://me/rows", {}, {"config": "fr"}),
    ("config not named", "hf://me/rows", {}, {}),
    ("wrong config", "hf://me/rows", {}, {"config": "de"}),
    ("wrong split", "hf://me/rows", {}, {"config": "fr", "split": "test"}),
    ("wrong revision", "hf://me/parquet@v9", {}, {}),
    ("wrong column", "hf://me/parquet", {"text": "body"}, {}),
    ("wrong column of rows", "hf://me/rows", {"text": "body"}, {"config": "en"}),
    ("no text column", "hf://me/vectors", {}, {}),
    ("no repository", "hf://me/nothing", {}, {}),
    ("gated", "hf://me/gated", {}, {}),
    ("script only", "hf://me/script", {}, {}),
]

CARD = """---
configs:
- config_name: en
  data_files:
  - {split: train, path: en/train.jsonl}
  - {split: test, path: en/test.jsonl}
- config_name: fr
  data_files:
  - {split: train, path: fr/train.jsonl}
---
"""


def _repos(folder: Path) -> dict[str, Any]:
    for commit, text in ((OLD, "old"), (NEW, "new")):
        (folder / commit / "data").mkdir(parents=True)
        table = pa.table({"id": [1, 2], "content": [f"{text} 1", None], "other": ["o1", "o2"], "vector": [[1.0]] * 2})
        pq.write_table(table, folder / commit / "data" / "train-00000-of-00001.parquet")
    for name in ("en/train", "en/test", "fr/train"):
        path = folder / "rows" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps({"_id": f"d{n}", "text": f"{name} {n}"}) + "\n" for n in range(3)))
    (folder / "rows" / "README.md").write_text(CARD)
    (folder / "vectors").mkdir()
    pq.write_table(pa.table({"vector": [[1.0]], "label": [1]}), folder / "vectors" / "train.parquet")
    (folder / "script").mkdir()
    (folder / "script" / "script.py").write_text("raise SystemExit('code of a repository was run')")
    repo = hub_server.Repo
    return {
        "me/parquet": repo({OLD: folder / OLD, NEW: folder / NEW}, {"main": NEW, "v1": OLD}, {"v1"}),
        "me/rows": repo({ROWS: folder / "rows"}, {"main": ROWS}),
        "me/vectors": repo({ROWS: folder / "vectors"}, {"main": ROWS}),
        "me/gated": repo({ROWS: folder / "rows"}, {"main": ROWS}, gated=True),
        "me/script": repo({ROWS: folder / "script"}, {"main": ROWS}),
    }


def _ask(env: dict[str, str], questions: list[Any]) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps(questions),
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answers: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hub")
    with hub_server.HubServer(_repos(folder)) as hub:
        yield _ask(hub.env(folder / "home"), QUESTIONS)


def test_parquet(answers: dict[str, Any]) -> None:
    kind, name, _, rows = answers["parquet"]
    assert (kind, name) == ("hub", "parquet")
    assert rows[0]["id"] == "1"
    assert rows[0]["text"] == "new 1"
    assert rows[0]["where"] == "me/parquet default/train row 1"
    assert rows[1]["reason"] == "empty"


def test_fingerprint_is_of_the_commit(answers: dict[str, Any]) -> None:
    assert answers["parquet"] == answers["parquet by commit"]
    assert answers["parquet by old tag"][3][0]["text"] == "old 1"
    assert len({answers[name][2] for name in ("parquet", "parquet by old tag", "parquet by column")}) == 3
    assert answers["parquet by column"][3][0]["text"] == "o1"


@pytest.mark.parametrize("name", ["en train", "en test", "fr train"])
def test_rows_of_configs_and_splits(answers: dict[str, Any], name: str) -> None:
    rows = answers[name][3]
    assert [(row["id"], row["text"]) for row in rows] == [(f"d{n}", f"{name.replace(' ', '/')} {n}") for n in range(3)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config not named", "several configs, en, fr: choose one"),
        ("wrong config", "no config 'de': choose one of en, fr"),
        ("wrong split", "no split 'test': choose one of train"),
        ("wrong revision", "no revision 'v9' (it has main, v1)"),
        ("wrong column", "no column 'body' for the text; it has 'id', 'content', 'other', 'vector'"),
        ("wrong column of rows", "no column 'body' for the text; it has '_id', 'text'"),
        ("no text column", "its columns are 'vector', 'label'"),
        ("no repository", "There is no data set me/nothing on the Hub"),
        ("gated", "me/gated is gated"),
        ("script only", "me/script cannot be read as a data set"),
    ],
)
def test_faults_of_the_user(answers: dict[str, Any], name: str, words: str) -> None:
    assert words in answers[name]


def test_hub_that_does_not_answer(tmp_path: Path) -> None:
    hub = hub_server.HubServer({})
    hub._http.server_close()
    env = hub.env(tmp_path) | {"HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    assert "could not be asked" in _ask(env, [("closed", "hf://me/x", {}, {})])["closed"]
