"""What a path stands for: files, folders and patterns, and the faults of the user that each can have."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.readers import Columns, open_source


def documents(source: Source) -> list[Document]:
    rows = list(source.read())
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, Document)]


def write_rows(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_missing_path_names_what_is_near(tmp_path: Path) -> None:
    write_rows(tmp_path / "corpus.jsonl", {"text": "a"})
    with pytest.raises(UserError, match=r"did you mean .*corpus\.jsonl\?"):
        open_source(str(tmp_path / "corpsu.jsonl"))
    with pytest.raises(UserError, match=r"holds corpus\.jsonl"):
        open_source(str(tmp_path / "zzz"))
    with pytest.raises(UserError, match="there is no folder"):
        open_source(str(tmp_path / "no" / "file.txt"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.parquet", "a.jsonl.gz"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="is empty"):
        open_source(str(tmp_path / name))
    with pytest.raises(UserError, match="holds only empty files"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", "\n\n"), ("a.csv", "id,text\n"), ("a.csv", "\n")])
def test_file_without_a_row(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match="holds no row"):
        list(open_source(str(tmp_path / name)).read())


def test_folder_with_nothing_to_read_names_its_endings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        open_source(str(tmp_path))
    for name in ("a.pdf", "b.pdf", "c.docx"):
        (tmp_path / name).write_text("x")
    with pytest.raises(UserError, match=r"2 of \.pdf, 1 of \.docx"):
        open_source(str(tmp_path))
    with pytest.raises(UserError, match="not of a kind"):
        open_source(str(tmp_path / "a.pdf"))


def test_folder_of_several_kinds_is_refused_and_a_pattern_chooses(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", {"text": "a"})
    for name in ("one.md", "two.md", "three.txt"):
        (tmp_path / name).write_text(f"Text of {name}.")
    with pytest.raises(UserError, match=r"2 of \.md, 1 of \.txt, 1 of \.jsonl.*\*\.md"):
        open_source(str(tmp_path))
    assert [d.id for d in documents(open_source(str(tmp_path / "**" / "*.md")))] == ["one.md", "two.md"]
    with pytest.raises(UserError, match="No file matches"):
        open_source(str(tmp_path / "*.rst"))


def test_readme_beside_tables_is_not_a_document(tmp_path: Path) -> None:
    write_rows(tmp_path / "data" / "b.jsonl", {"text": "b"})
    write_rows(tmp_path / "data" / "a.jsonl", {"text": "a1"}, {"text": "a2"})
    (tmp_path / "README.md").write_text("# Card")
    found = documents(open_source(str(tmp_path)))
    # Rows without an id are told apart by their file.
    assert [d.id for d in found] == [
        "data/a.jsonl/row-00000001",
        "data/a.jsonl/row-00000002",
        "data/b.jsonl/row-00000001",
    ]
    assert found[2].where == "data/b.jsonl row 1"


def test_beir_layout(tmp_path: Path) -> None:
    write_rows(tmp_path / "corpus.jsonl", {"_id": "d1", "title": "T", "text": "x", "metadata": {}})
    write_rows(tmp_path / "queries.jsonl", {"_id": "q1", "text": "a query"})
    source = open_source(str(tmp_path))
    assert (source.kind, source.name) == ("beir", tmp_path.name)
    assert documents(source) == [Document("d1", "x", "corpus.jsonl row 1", "T")]


def test_pages_are_read_in_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/c.html", ".hidden/x.txt", "a/.y.txt", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Text of {name}.")
    source = open_source(str(tmp_path))
    assert [d.id for d in documents(source)] == ["a/c.html", "a/z.md", "b.txt"]
    assert documents(source) == documents(source)


def test_links_and_pipes_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert [d.id for d in documents(open_source(str(tmp_path)))] == ["a.txt"]
    with pytest.raises(UserError):
        open_source(str(tmp_path / "self.txt"))


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setattr(Path, "open", refuse)  # a mode of 0 does not stop root
    with pytest.raises(UserError, match=r"a\.txt cannot be read \(Permission denied\)"):
        open_source(str(tmp_path / "a.txt"))


def test_encodings_of_pages(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffé one".encode())
    (tmp_path / "b.txt").write_bytes("é two".encode("utf-16"))
    (tmp_path / "c.txt").write_bytes(b"caf\xe9")
    (tmp_path / "d.html").write_bytes('<meta charset="latin-1"><p>café'.encode("latin-1"))
    (tmp_path / "e.html").write_text("<p>&#xD800; &#x110000;")
    (tmp_path / "f.txt").write_text(" \n")
    a, b, c, d, e, f = open_source(str(tmp_path)).read()
    assert [getattr(row, "text", None) for row in (a, b, d)] == ["é one", "é two", "café"]
    assert isinstance(c, BadRow)
    assert (c.reason, c.where) == ("not_utf8", "c.txt")
    assert "byte 0xe9 at byte 3" in c.detail
    assert isinstance(e, Document)
    assert isinstance(f, BadRow)
    assert f.reason == "empty"


def test_fingerprint_follows_content_and_not_place(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one" / "a.jsonl", {"text": "a", "body": "b"})
    two = write_rows(tmp_path / "two" / "a.jsonl", {"text": "a", "body": "b"})
    os.utime(two, (0, 0))
    fingerprint = open_source(str(one)).fingerprint
    assert open_source(str(two)).fingerprint == fingerprint
    assert open_source(str(two), name="other").fingerprint == fingerprint
    assert open_source(str(two), columns=Columns(text="body")).fingerprint != fingerprint
    write_rows(two, {"text": "a", "body": "c"})
    assert open_source(str(two)).fingerprint != fingerprint
    (tmp_path / "one" / "a.txt").write_text("a")
    page = open_source(str(tmp_path / "one" / "a.txt")).fingerprint
    (tmp_path / "one" / "a.txt").rename(tmp_path / "one" / "b.txt")
    # Unlike a row, a page is called by the name of its file.
    assert open_source(str(tmp_path / "one" / "b.txt")).fingerprint != page


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", {"text": "a"})
    (tmp_path / "a.txt").write_text("a")
    for call in (
        lambda: open_source(str(path), config="en"),
        lambda: open_source(str(path), split="test"),
        lambda: open_source(str(tmp_path / "a.txt"), columns=Columns(text="x")),
        lambda: open_source("s3://bucket/key"),
        lambda: open_source("hf://nobody"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.exit_code == 2


def test_import_is_light() -> None:
    code = (
        "import sys, builders.text.readers; "
        "print([m for m in ('datasets', 'pyarrow', 'bs4', 'zstandard', 'jsonschema') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
