"""Stored vectors: each text is encoded once, whatever is killed, renamed or built again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cli.errors import UserError
from builders.retrieval import known_texts, vectors
from builders.retrieval.known_texts import KnownTexts, hashes_of
from builders.retrieval.topk import top_k
from builders.retrieval.vectors import Vectors, document_order, encode_shards, encode_version
from builders.store.versions import Version, find_version, read_rows
from builders.text.hashes import text_hash
from tests.retrieval.making import HashEncoder, brute_force, same, vector_of

SHARDS = [["a", "b", "a", ""], [], ["c", "b", "d"]]


def reading(shards: list[list[str]]) -> Callable[[int], tuple[list[str], list[str]]]:
    return lambda number: ([f"{number}-{row}" for row in range(len(shards[number]))], shards[number])


def encode(encoder: HashEncoder, data: Path, shards: list[list[str]], name: str = "chunks-1-text") -> Vectors:
    return encode_shards(encoder, "document", data, name, len(shards), reading(shards))


def check(made: Vectors, shards: list[list[str]]) -> None:
    assert made.shard_rows == tuple(map(len, shards))
    for number, texts in enumerate(shards):
        for row, text in enumerate(texts):
            vector = vector_of(text) / np.linalg.norm(vector_of(text))
            assert made.shard(number)[row] == pytest.approx(vector, abs=1e-3)


def test_each_text_is_encoded_once(tmp_path: Path) -> None:
    encoder = HashEncoder()
    made = encode(encoder, tmp_path, SHARDS)
    check(made, SHARDS)
    assert sorted(encoder.asked) == ["", "a", "b", "c", "d"] and (made.encoded, made.reused) == (5, 2)
    again = encode(HashEncoder(fails_at="a"), tmp_path, SHARDS)
    assert (again.encoded, again.reused, again.folder) == (0, 7, made.folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_stored_vector_that_is_no_number_is_made_again(
    tmp_path: Path, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)
    stored = np.load(made.folder / "00002.npy")
    stored[1, 3] = value
    np.save(made.folder / "00002.npy", stored)
    again = HashEncoder()
    check(encode(again, tmp_path, SHARDS), SHARDS)
    assert again.asked and "are damaged: they are made again" in capsys.readouterr().err


def test_another_version_reuses_what_it_shares_and_another_model_nothing(tmp_path: Path) -> None:
    encode(HashEncoder(), tmp_path, SHARDS)
    second, other = HashEncoder(), HashEncoder(revision="2")
    shards = [["d", "e", "a"], ["e", "c"]]
    check(encode(second, tmp_path, shards, "chunks-2-text"), shards)
    assert second.asked == ["e"]
    assert encode(other, tmp_path, shards, "chunks-2-text").encoded == 4
    identities = [json.loads(path.read_text()) for path in tmp_path.glob("vectors/*/identity.json")]
    assert sorted(identity["revision"] for identity in identities) == ["1", "2"]
    assert all(identity["stored"] == "<f2" for identity in identities)


def test_a_changed_version_of_the_same_name_is_encoded_anew(tmp_path: Path) -> None:
    encode(HashEncoder(), tmp_path, SHARDS)
    changed = [["a", "z"], [], ["c", "b", "d"]]
    encoder = HashEncoder()
    check(encode(encoder, tmp_path, changed), changed)
    assert encoder.asked == ["z"]


def test_what_was_encoded_before_a_fault_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_PIECE", 2)
    shards = [[f"{'x' * (20 - at)}" for at in range(10)]]
    first, second = HashEncoder(fails_at="x" * 13), HashEncoder()
    with pytest.raises(ConnectionError):
        encode(first, tmp_path, shards)
    part = next(tmp_path.glob("vectors/*/*/00000.part"))
    part.write_bytes(part.read_bytes() + b"torn")
    check(encode(second, tmp_path, shards), shards)
    assert len(first.asked) == 6 and sorted(first.asked + second.asked) == sorted(shards[0])
    assert not list(tmp_path.glob("vectors/*/*/*.part"))


_KILLED = """
import os, signal, sys
from pathlib import Path
from builders.retrieval import vectors
from tests.retrieval.making import HashEncoder
from tests.retrieval.test_vectors import LONG, encode
class Dying(HashEncoder):
    def encode(self, texts, role):
        found = super().encode(texts, role)
        print(len(self.asked), flush=True)
        if len(self.asked) >= int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return found
vectors._PIECE = 10
encode(Dying(), Path(sys.argv[1]), LONG)
"""
LONG = [[f"{shard} {row}" for row in range(45)] for shard in range(4)]


@pytest.mark.slow
def test_kill_9_and_the_same_command(tmp_path: Path) -> None:
    asked, environment = 0, {**os.environ, "PYTHONPATH": os.getcwd()}
    for after in (15, 60):
        command = [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), str(after)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        asked += int(ran.stdout.split()[-1])
    last = HashEncoder()
    made, whole = encode(last, tmp_path / "killed", LONG), encode(HashEncoder(), tmp_path / "whole", LONG)
    check(made, LONG)
    assert asked + len(last.asked) <= 180 + 2 * 10  # each kill costs the piece that was being encoded
    for number in range(4):
        assert (made.shard(number) == whole.shard(number)).all()


def test_unusable_vectors_name_their_rows(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"The model hash made vectors .* for 2 of 4 texts \(the first: .*0-[13].*0-[13]\)"
    ):
        encode(HashEncoder(bad="bad"), tmp_path, [["x", "bad", "y", "bad 2"]])


@pytest.mark.parametrize("damage", ["torn", "empty", "words", "fewer rows", "float32", "hashes", "npz"])
def test_damaged_shards_are_made_again_and_said(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)
    path = made.folder / ("00000.hashes.npy" if damage == "hashes" else "00000.npy")
    content = path.read_bytes()
    if damage in ("torn", "empty", "words", "hashes"):
        path.write_bytes({"torn": content[:-5], "empty": b"", "words": b"no vectors", "hashes": content[:-3]}[damage])
    elif damage == "npz":
        with path.open("wb") as file:
            np.savez(file, np.load(made.folder / "00002.npy"))
    else:
        vectors = np.load(path)
        np.save(path, vectors[:-1] if damage == "fewer rows" else vectors.astype(np.float32))
    encoder = HashEncoder()
    check(encode(encoder, tmp_path, SHARDS), SHARDS)
    assert sorted(encoder.asked) == ["", "a"]  # b is in another shard
    assert "00000.npy are damaged: they are made again." in capsys.readouterr().err
    assert encode(HashEncoder(fails_at="a"), tmp_path, SHARDS).reused == 7


def test_what_names_the_vectors_is_written_again(tmp_path: Path) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)
    identity = made.folder.parent / "identity.json"
    before = identity.read_bytes()
    identity.unlink()
    assert encode(HashEncoder(fails_at="a"), tmp_path, SHARDS).reused == 7
    assert identity.read_bytes() == before


def test_vectors_of_another_dimension_in_the_folder_stop_the_run(tmp_path: Path) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)
    path = made.folder / "00000.npy"
    np.save(path, np.ones((4, 9), np.float16))
    with pytest.raises(UserError, match=r"have 8 and 9 dimensions: .* delete .*, then run this again"):
        encode(HashEncoder(), tmp_path, SHARDS)


def test_stored_nan_stops_the_search_and_says_where(tmp_path: Path) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)
    path = made.folder / "00002.npy"
    vectors = np.load(path)
    vectors[1:, 3] = np.nan
    np.save(path, vectors)
    with pytest.raises(UserError, match=r"2 of \d document vectors hold NaN or infinity \(the first at 5, 6\)"):
        top_k(np.ones((2, 8), np.float32), made.blocks(), 3)


def test_texts_longer_than_the_model_are_counted(tmp_path: Path) -> None:
    made = encode(HashEncoder(), tmp_path, [["x" * 300, "short", "y" * 300], ["z" * 300, "x" * 300]])
    assert made.truncated == 3


def test_two_at_once_are_kept_apart(tmp_path: Path) -> None:
    made = encode(HashEncoder(), tmp_path, SHARDS)

    class Nested(HashEncoder):
        def encode(self, texts, role):  # type: ignore[no-untyped-def]
            encode(HashEncoder(), tmp_path, [["new"]])

    with pytest.raises(UserError, match="is being built by process"):
        encode(Nested(), tmp_path, [["newer"]])
    assert made.rows == 7


def test_the_blocks_of_a_version_give_the_same_as_brute_force(tmp_path: Path, built: Path) -> None:
    chunks = find_version(built, "chunks")
    made = encode_version(HashEncoder(), "document", tmp_path, chunks, ("title", "text"))
    ordered, numbers = document_order(chunks)
    ids = ordered.to_pylist()
    rows = [row for shard in chunks.shards() for row in read_rows(shard, ["chunk_id", "title", "text"])]
    assert ids == sorted(row["chunk_id"] for row in rows) and made.rows == len(ids) > 10
    assert [ids[number] for number in numbers] == [row["chunk_id"] for row in rows]
    stored = np.concatenate([made.shard(number) for number in range(len(made.shard_rows))])
    first = vector_of("\n".join(part for part in (rows[0]["title"], rows[0]["text"]) if part))
    assert stored[0] == pytest.approx(first / np.linalg.norm(first), abs=1e-3)
    queries = stored[:5].astype(np.float32)
    assert same(top_k(queries, made.blocks(numbers), 7), brute_force(queries, stored, 7, numbers))
    assert list(tmp_path.glob("*/*/manifest.json")) == []  # no table version


_AWKWARD = ["", "a", "A", "z", "é", "e\u0301", "中", "\uffff", "\U00010000", "a\0b", "a-1", "a-10", "a-2"]


@settings(max_examples=30, deadline=None)
@given(
    shards=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(_AWKWARD)), max_size=5)
)
def test_ids_are_ordered_as_python_orders_them(
    shards: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also above U+FFFF, where UTF-16 would order otherwise."""
    folder = tmp_path_factory.mktemp("ordered")
    for number, ids in enumerate(shards):
        pq.write_table(pa.table({"chunk_id": pa.array(ids, pa.string())}), folder / f"{number}.parquet")
    files = [{"path": f"{number}.parquet"} for number in range(len(shards))]
    ordered, numbers = document_order(Version(folder, {"identity": {"record": "chunk"}, "files": files}))
    every = [value for ids in shards for value in ids]
    assert ordered.to_pylist() == sorted(every) and ordered.type == pa.large_string()
    assert [ordered[int(number)].as_py() for number in numbers] == every
    assert sorted(numbers.tolist()) == list(range(len(every)))


def test_hashes_are_those_of_the_tables() -> None:
    assert [bytes(value).hex() for value in hashes_of(["a", "é"])] == [text_hash("a"), text_hash("é")]


@settings(max_examples=25, deadline=None)
@given(shards=st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), max_size=7))
def test_known_texts_are_found_wherever_they_are(
    shards: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("known")
    known = KnownTexts()
    before, known_texts._RECENT = known_texts._RECENT, 3
    for number, texts in enumerate(shards):
        paths = folder / f"{number}.hashes.npy", folder / f"{number}.npy"
        np.save(paths[0], hashes_of(texts))
        np.save(paths[1], np.array([vector_of(text) for text in texts], np.float16).reshape(-1, 8))
        known.add(*paths)
    known_texts._RECENT = before
    asked = list("abcdefghijk")
    found = np.zeros((len(asked), 8), np.float16)
    there = known.fill(hashes_of(asked), found)
    assert there.tolist() == [any(text in texts for texts in shards) for text in asked]
    for at in np.flatnonzero(there):
        assert (found[at] == vector_of(asked[at]).astype(np.float16)).all()
