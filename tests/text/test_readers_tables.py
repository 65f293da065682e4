"""Rows of JSON Lines, CSV, TSV and Parquet files: each fault of a row is named, and the rows around it survive."""

import csv
import gzip
import io
import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document
from builders.text.readers import Columns, open_source


def read(path: Path, columns: Columns | None = None) -> list[Document | BadRow]:
    return list(open_source(str(path), columns=columns or Columns()).read())


def reasons(rows: list[Document | BadRow]) -> list[str]:
    return [row.reason if isinstance(row, BadRow) else row.text for row in rows]


def lines(*rows: object) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def test_fields_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        lines(
            {"Text": "one", "id": 7, "title": " A ", "lang": "en", "license": "MIT"},
            {"Text": "two", "id": "x", "title": None, "lang": "", "other": [1]},
            {"Text": "three", "id": "y", "title": math.nan},
        )
    )
    assert read(path) == [
        Document("7", "one", "a.jsonl row 1", "A", "en", "MIT"),
        Document("x", "two", "a.jsonl row 2"),
        Document("y", "three", "a.jsonl row 3"),
    ]


def test_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines({"text": "no", "question": "yes", "key": "k"}))
    assert read(path, Columns(text="question", id="key")) == [Document("k", "yes", "a.jsonl row 1")]
    with pytest.raises(UserError, match="no column 'answer' for the text; it has 'text', 'question', 'key'"):
        read(path, Columns(text="answer"))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_no_text_column_names_those_there_are(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"question": ["q"], "answer": ["a"]}), path)
    else:
        path.write_text('{"question": "q", "answer": "a"}\n' if kind == "jsonl" else "question,answer\nq,a\n")
    with pytest.raises(UserError, match=r"no text column .* 'question', 'answer'"):
        read(path)


def test_each_fault_of_a_json_row_has_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + lines(
            {"id": "1", "text": "good"},
            b"{nonsense\n",
            {"id": "3", "text": 5},
            {"id": "4"},
            {"id": "5", "text": None},
            {"id": "6", "text": " \t"},
            b'{"id": "7", "text": "caf\xe9"}\n',
            {"id": "8", "text": "half \ud83d"},
            {"id": None, "text": "no id"},
            {"id": "", "text": "no id"},
            {"id": "11", "text": "x", "title": ["t"]},
            b"[1, 2]\n",
            b"[" * 100_000 + b"\n",
            b'{"id": ' + b"9" * 5000 + b', "text": "x"}\n',
            {"id": True, "text": "x"},
            b"\r\n",
            {"id": "17", "text": "last"},
        )
    )
    rows = read(path)
    assert reasons(rows) == [
        "good",
        "invalid_json",
        "invalid_row",
        "invalid_row",
        "empty",
        "empty",
        "not_utf8",
        "not_utf8",
        *["invalid_row"] * 4,
        "invalid_json",
        "invalid_json",
        "invalid_row",
        "last",
    ]
    faults = [row.detail for row in rows if isinstance(row, BadRow)]
    assert faults[1] == "row 3: text: 5 is not of type 'string'"
    assert faults[2] == "row 4: 'text' is a required property"
    assert faults[5] == "row 7: byte 0xe9 at byte 24 of the row is not UTF-8"
    assert "lone surrogate U+D83D at character 5" in faults[6]
    for row in rows:
        assert isinstance(row, Document) or len((row.where + row.detail + row.raw).encode()) < 5000
    assert rows[-1] == Document("17", "last", "a.jsonl row 17")


def test_rows_without_an_id_column_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(lines({"text": "a"}, b"\n", {"text": "b"}))
    assert [row.id for row in read(path) if isinstance(row, Document)] == ["row-00000001", "row-00000003"]


def test_a_column_named_late_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*[{"text": "a"}] * 1500, {"text": "b", "title": "T"}))
    last = read(path)[-1]
    assert isinstance(last, Document)
    assert last.title == "T"


@pytest.mark.slow
def test_one_row_of_50_mb(tmp_path: Path) -> None:
    text = "word " * 10_000_000
    (tmp_path / "a.jsonl").write_bytes(lines({"text": text}, {"text": "next"}))
    (tmp_path / "a.csv").write_text(f"text\n{text}\nnext\n")
    for name in ("a.jsonl", "a.csv"):
        assert reasons(read(tmp_path / name)) == [text, "next"]


@pytest.mark.parametrize("end", [".gz", ".zst"])
def test_compressed_whole_and_cut(tmp_path: Path, end: str) -> None:
    rows = [{"text": f"row {n} {n * 7919 % 104729} " + str(n**9)} for n in range(3000)]
    compress = gzip.compress if end == ".gz" else zstandard.ZstdCompressor().compress
    # Two members, as parallel compressors write.
    data = compress(lines(*rows[:1000])) + compress(lines(*rows[1000:]))
    path = tmp_path / f"a.jsonl{end}"
    path.write_bytes(data)
    assert reasons(read(path)) == [row["text"] for row in rows]
    path.write_bytes(data[:-20])
    seen: list[object] = []
    with pytest.raises(UserError, match=r"a\.jsonl\.\w+ is cut short or damaged .* [12]\d{3} whole rows") as caught:
        seen.extend(map(repr, open_source(str(path)).read()))
    assert f" {len(seen)} whole rows" in str(caught.value)
    path.write_bytes(b"not compressed at all" * 10)
    with pytest.raises(UserError, match="0 whole rows"):
        read(path)
    path.write_bytes(data[:40])  # within the head from which the columns are found
    with pytest.raises(UserError, match="0 whole rows"):
        read(path)


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,text,title\r\n"
        b'1,"two\nlines, ""quoted""",nan\r\n'
        b"\r\n"
        b"2,caf\xe9,T\r\n"
        b"3,too,many,fields\r\n"
        b"4,,T\r\n"
        b'5,"bad" quote,T\r\n'
        b"6,good,T\r\n"
    )
    rows = read(path)
    assert reasons(rows) == ['two\nlines, "quoted"', "not_utf8", "invalid_csv", "empty", "invalid_csv", "good"]
    assert rows[0] == Document("1", 'two\nlines, "quoted"', "a.csv row 1")
    assert isinstance(rows[1], BadRow)
    assert rows[1].detail == "row 2: text: byte 0xe9 at character 3 is not UTF-8"
    assert isinstance(rows[2], BadRow)
    assert rows[2].detail == "row 3: 4 fields, where the header has 3"
    assert rows[5] == Document("6", "good", "a.csv row 6", "T")


def test_csv_whose_quote_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\none\n"two\nthree\nfour\n')
    with pytest.raises(UserError, match=r"quote in row 2 that is never closed \(1 whole rows before it\)"):
        read(path)


def test_csv_with_a_column_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,text,x,x\na,b,c,d\n")
    with pytest.raises(UserError, match="2 columns called 'text'"):
        read(path)
    path.write_text("text,x,x\na,b,c\n")
    assert reasons(read(path)) == ["a"]


def test_tsv_and_utf16(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\ta, b\n2\t"c\td"\n')
    assert reasons(read(tmp_path / "a.tsv")) == ["a, b", "c\td"]
    (tmp_path / "a.tsv").write_bytes("id\ttext\n1\ta\n".encode("utf-16"))
    with pytest.raises(UserError, match="UTF-16"):
        read(tmp_path / "a.tsv")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"caf\xe9")])
    text = pa.concat_arrays([pa.array(["one", None, "", "two"]), bad])
    titles = pa.array([math.nan, math.nan, None, math.nan, math.nan])
    table = pa.table({"docid": [1, 2, 3, 4, 5], "content": text, "title": titles, "vector": [[1.0]] * 5})
    pq.write_table(table, path)
    rows = read(path)
    assert reasons(rows) == ["one", "empty", "empty", "two", "not_utf8"]
    assert rows[3] == Document("4", "two", "a.parquet row 4")
    for kind in (pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(pa.table({"text": pa.array(["a", "b"]).cast(kind)}), path)
        assert reasons(read(path)) == ["a", "b"]
    pq.write_table(pa.table({"text": [1, 2]}), path)
    assert reasons(read(path)) == ["invalid_row"] * 2


def test_parquet_cut_and_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"row {n} {n**7}" for n in range(5000)]}), path, row_group_size=1000)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(UserError, match="not a Parquet file, or was cut short"):
        read(path)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + b"\xff" * 3000 + data[middle + 3000 :])
    with pytest.raises(UserError, match=r"cut short or damaged .* [12]000 whole rows"):
        read(path)


# CSV has no null: pandas spells it NaN, so that is read as one there
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t.strip() and t.lower() != "nan")


@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_formats_agree(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("formats")
    (folder / "a.jsonl").write_bytes(lines(*[{"text": text} for text in texts]))
    pq.write_table(pa.table({"text": texts}), folder / "a.parquet")
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["text"], *([text] for text in texts)])
    (folder / "a.csv").write_bytes(buffer.getvalue().encode())
    for name in ("a.jsonl", "a.parquet", "a.csv"):
        assert reasons(read(folder / name)) == texts
