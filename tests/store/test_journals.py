"""The journal: what was answered is there again, a torn end is dropped, damage is named, a full disk loses nothing."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import synthetic_queries
from builders.cli.errors import UserError
from builders.llm.engines import EngineOptions
from builders.llm.requests import Finish, Reply
from builders.store.journals import Journal, read_journal
from builders.store.versions import Version
from tests.making import FakeEngine, one_query, parquet_bytes

TOKENS = st.integers(0, 10**6)
REPLIES = st.lists(
    st.builds(
        Reply,
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(get_args(Finish)),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        TOKENS,
        TOKENS,
        st.floats(0, 100),
    ),
    min_size=1,
    max_size=5,
)


def reply(number: int, text: str = "some text") -> Reply:
    return Reply(f"key{number}", text, "stop", "", 10, 2, 0.5)


def written(path: Path, replies: list[Reply]) -> bytes:
    journal = Journal(path)
    for one in replies:
        journal.append(one)
    journal.close()
    return path.read_bytes()


@settings(max_examples=50, deadline=None)
@given(replies=REPLIES, data=st.data())
def test_a_journal_cut_anywhere_holds_its_whole_lines_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, replies: list[Reply], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "00000.jsonl"
    content = written(path, replies)
    assert content.count(b"\n") == len(replies)
    assert Journal(path).replies == {r.key: r for r in replies}
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = replies[: content[:cut].count(b"\n")]
    journal = Journal(path)
    assert journal.replies == {r.key: r for r in whole}
    for one in replies[len(whole) :]:
        journal.append(one)
    journal.close()
    assert path.read_bytes() == content


def test_a_reply_is_on_its_way_to_disk_before_the_journal_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a" / "00000.jsonl")
    journal.append(reply(1))
    assert json.loads((tmp_path / "a" / "00000.jsonl").read_bytes())["key"] == "key1"
    journal.close()
    journal.close()


@pytest.mark.parametrize("damage", [b"", b"\x00\x00\x00", b"{", b'{"key": "a"}', b"17", b"null", b"\xff\xfe"])
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "00000.jsonl"
    lines = written(path, [reply(i) for i in range(3)]).split(b"\n")
    path.write_bytes(b"\n".join([lines[0], damage, lines[2], b""]))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"Line 2 of the journal .*00000\.jsonl is damaged.*delete that line"):
        Journal(path)
    assert path.read_bytes() == before
    path.write_bytes(b"\n".join([lines[0], lines[2], b""]))  # what the error says to do
    assert set(Journal(path).replies) == {"key0", "key2"}


def test_half_an_emoji_in_a_reply_is_kept_spelled_out(tmp_path: Path) -> None:
    """What a server sends that cut its reply inside a pair of surrogates: no Parquet file could hold it."""
    journal = Journal(tmp_path / "00000.jsonl")
    journal.append(reply(1, "cut \ud83d"))
    journal.close()
    for kept in (journal.replies, Journal(journal.path).replies):
        assert kept["key1"].text == "cut \\ud83d"


def append(journal: Journal, numbers: Iterable[int]) -> None:
    for i in numbers:
        journal.append(reply(i))


class Full:
    """A file of a disk that takes `room` more bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, content: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = int(self.file.write(content[: self.room]))
        self.room -= taken
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 1, 60, 200])
def test_a_full_disk_is_raised_and_nothing_before_it_is_lost(tmp_path: Path, room: int) -> None:
    path = tmp_path / "00000.jsonl"
    expected = written(tmp_path / "whole.jsonl", [reply(i) for i in range(4)])
    journal = Journal(path)
    journal.append(reply(0))
    journal._file = Full(journal._file, room)  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        append(journal, range(1, 4))
    journal.close()
    again = Journal(path)
    assert set(again.replies) == set(journal.replies)
    assert "key0" in again.replies
    append(again, range(len(again.replies), 4))
    again.close()
    assert path.read_bytes() == expected


LIMITED = """
import resource, sys
from functools import partial
from pathlib import Path
from builders.cli.command import guarded
from tests.making import FakeEngine, one_query
from tests.store.test_journals import asked
resource.setrlimit(resource.RLIMIT_FSIZE, (3_100, 3_100))
sys.exit(guarded(partial(asked, Path(sys.argv[1]), FakeEngine(one_query))))
"""


def asked(data: Path, engine: FakeEngine) -> Version | None:
    llm = EngineOptions(engine="openai", model="fake")
    return synthetic_queries.main(synthetic_queries.SyntheticQueries(data=data, llm=llm), engine)


def test_a_disk_that_fills_while_replies_arrive_costs_no_reply_twice(chunks: Version, built: Path) -> None:
    data = chunks.folder.parent.parent
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", LIMITED, str(data)]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert "Error: Cannot write " in told.stderr
    assert "Traceback" not in told.stderr
    journals = sorted(data.glob("journals/*/*.jsonl"))
    assert not journals[-1].read_bytes().endswith(b"\n")  # torn in the middle of a reply
    kept = sum(path.read_bytes().count(b"\n") for path in journals)
    assert 0 < kept < 100
    engine = FakeEngine(one_query)
    made = asked(data, engine)
    assert made is not None
    assert len(engine.asked) == 100 - kept
    assert parquet_bytes(made.folder) == parquet_bytes(built / "queries" / made.name)


def test_a_device_that_is_full_is_raised(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "00000.jsonl")
    journal._file.close()
    with open("/dev/full", "ab", buffering=0) as full:
        journal._file = full
        with pytest.raises(OSError, match="No space left"):
            journal.append(reply(1))
    assert journal.replies == {}


def test_a_reader_sees_whole_lines_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    assert read_journal(path) == {}
    assert not path.exists()
    content = written(path, [reply(0), reply(1)])
    path.write_bytes(content[:-4])
    assert read_journal(path) == {"key0": reply(0)}
    assert path.read_bytes() == content[:-4]
    path.write_bytes(b"{}\n" + content)
    with pytest.raises(UserError, match="Line 1 of the journal"):
        read_journal(path)
