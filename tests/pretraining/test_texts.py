"""Texts of a place: a release's chunks give back its documents; files and data sets of the Hub as builders read them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from drama_train.pretraining import texts as texts_module
from drama_train.pretraining.texts import TextDocument, open_texts
from tests.hub_server import HubServer, Repo
from tests.pretraining.making import documents, write_beir, write_chunked
from tests.training.small_release import write_small_release

GERMAN = "Der Fluss ist im Winter kalt, und die Straße am Berg wird nicht mehr befahren, bis der Schnee schmilzt."
ENGLISH = "The river is cold in winter, and nobody drives on the road by the mountain until the snow has melted."


def test_chunks_of_a_release_become_its_documents(tmp_path: Path) -> None:
    given = documents(12)
    found = open_texts(str(write_chunked(tmp_path / "small", given)))
    assert any("\n\n" in one.text for one in given) and any(". " in one.text for one in given)
    assert list(found.documents()) == given
    assert list(found.documents()) == given, "a second reading differs"
    manifest = json.loads((tmp_path / "small" / "manifest.json").read_text())
    assert found.recorded() == {name: manifest[name] for name in ("name", "content_hash", "licence")}


def test_a_missing_chunk_ends_a_text(tmp_path: Path) -> None:
    given = documents(4)
    folder = write_chunked(tmp_path / "small", given, without=["notes/001#0002"])
    found = [one for one in open_texts(str(folder)).documents() if one.document_id == "notes/001"]
    assert len(found) == 2
    sentences = [part.strip() for part in given[1].text.split(".")][:-1]
    assert [part.strip() for one in found for part in one.text.split(".")[:-1]] == sentences[:2] + sentences[3:]


def test_a_document_is_in_the_language_of_most_of_it(tmp_path: Path) -> None:
    chunks: list[dict[str, object]] = [
        {"chunk_id": f"d#{n:04}", "document_id": "d", "text": t, "start": 9 * n, "end": 9 * n + 8, "language": language}
        for n, (t, language) in enumerate([("One two.", "en"), ("Eins da.", "de"), ("Zwei da.", "de")])
    ]
    assert list(texts_module._joined(iter(chunks))) == [TextDocument("d", "de", "One two. Eins da. Zwei da.")]
    for one in chunks:
        one["chunk_id"] = "unnumbered"
    assert [one.text for one in texts_module._joined(iter(chunks))] == ["One two.", "Eins da.", "Zwei da."]


def test_what_a_release_holds_out_is_not_read(tmp_path: Path) -> None:
    folder = write_small_release(tmp_path / "small")
    found = [one.document_id for one in open_texts(str(folder)).documents()]
    assert len(found) == 40
    assert all(one.startswith("train") for one in found)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    same = [open_texts(str(write_small_release(tmp_path / name))).content_hash for name in ("a", "b")]
    assert same[0] == same[1]
    other = open_texts(str(write_small_release(tmp_path / "c", seed=1))).content_hash
    rows = [{"_id": "1", "text": ENGLISH}]
    files = [open_texts(str(write_beir(tmp_path / f"beir{n}", rows * (n + 1)))).content_hash for n in range(2)]
    assert len({same[0], other, *files}) == 4


def test_beir_rows_are_read_with_title_and_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"_id": "1", "title": "Rivers", "text": ENGLISH, "lang": "en"},
        {"_id": "2", "title": "", "text": GERMAN},
        {"_id": "3", "title": "Der Fluss", "text": GERMAN, "lang": "en_US"},
        {"_id": "4", "text": ""},
        {"_id": "5", "text": "Ja\u00a0 ja", "lang": "de"},
    ]
    found = list(open_texts(str(write_beir(tmp_path / "beir", rows))).documents())
    assert found == [
        TextDocument("beir/1", "en", f"Rivers\n{ENGLISH}"),
        TextDocument("beir/2", "de", GERMAN),
        TextDocument("beir/3", "de", GERMAN),  # it begins with its title, and is surely not English
        TextDocument("beir/5", "de", "Ja ja"),
    ]
    assert "beir: rows that are no text: 1 empty" in capsys.readouterr().err


def test_pages_are_read(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "river.md").write_text(f"# Rivers\n\n{ENGLISH}\n")
    [page] = open_texts(str(tmp_path / "pages")).documents()
    assert page.language == "en"
    assert page.text.count("Rivers") == 1 and ENGLISH in page.text


@pytest.mark.parametrize(
    ("place", "spec", "options"),
    [
        ("hub:me/notes", "hf://me/notes", {"config": None, "split": "train"}),
        ("hub:me/notes:fr", "hf://me/notes", {"config": "fr", "split": "train"}),
        ("hub:me/notes@v1:fr:test", "hf://me/notes@v1", {"config": "fr", "split": "test"}),
        ("hub:me/notes::test", "hf://me/notes", {"config": None, "split": "test"}),
    ],
)
def test_a_data_set_of_the_hub(place: str, spec: str, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = [Document("1", GERMAN, "row 1", language="deu"), BadRow("row 2", "empty", "it is null")]
    asked = []

    def stand_in(given: str, **named: Any) -> Source:
        asked.append((given, named))
        return Source("hub", "notes", "abc", lambda: iter(read))

    monkeypatch.setattr(texts_module, "open_source", stand_in)
    found = open_texts(place)
    assert asked == [(spec, options)]
    assert (found.place, found.name, found.content_hash) == (place, "notes", "abc")
    assert [(one.document_id, one.text) for one in found.documents()] == [("notes/1", GERMAN)]


ASK = """
import json, sys
from builders.cli.errors import UserError
from drama_train.pretraining.texts import open_texts
answers = []
for place in sys.argv[1:]:
    try:
        answers.append([[one.document_id, one.language, one.text] for one in open_texts(place).documents()])
    except UserError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_places_of_the_hub_through_its_client(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    for name, text in (("de", GERMAN), ("en", ENGLISH)):
        (rows / name).mkdir(parents=True)
        (rows / name / "train.jsonl").write_text(json.dumps({"id": "1", "text": text}) + "\n")
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/train.jsonl\n" for name in ("de", "en"))
    (rows / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    release, commit = write_small_release(tmp_path / "small"), "1" * 40
    repos = {f"me/{path.name}": Repo({commit: path}, {"main": commit, "v1": commit}) for path in (rows, release)}
    with HubServer(repos) as hub:
        places = ["hub:me/rows:de", "hub:me/rows@v1:en:train", "hub:me/rows", "hf://me/small@v1", "hf://me/rows"]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | hub.env(tmp_path / "home")
        asked = subprocess.run(
            [sys.executable, "-c", ASK, *places], env=env, capture_output=True, text=True, check=True
        )
    german, english, unnamed, chunks, no_release = json.loads(asked.stdout)
    assert german == [["rows/1", "de", GERMAN]]
    assert english == [["rows/1", "en", ENGLISH]]
    assert unnamed == "me/rows has several configs, de, en: choose one as its config."
    own = [[one.document_id, one.language, one.text] for one in open_texts(str(release)).documents()]
    assert chunks == own != []
    assert no_release.startswith("hf://me/rows is no release")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hub:notes names no data set: write hub:owner/name"):
        open_texts("hub:notes")
    with pytest.raises(UserError, match="There is no file or folder"):
        open_texts(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="its columns are '_id', 'words': say which one holds the text"):
        list(open_texts(str(write_beir(tmp_path / "beir", [{"_id": "1", "words": ENGLISH}]))).documents())
    folder = write_small_release(tmp_path / "small")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["configs"]["corpus"]["splits"]["train"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="has no chunk for training"):
        open_texts(str(folder))
