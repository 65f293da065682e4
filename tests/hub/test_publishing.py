"""Releases published to a loopback Hub by the real client, and loaded from it by tag."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hub.client import TOP, Client
from tests.hub_server import Fault, HubServer
from tests.loopback_hub.repos import add_commit, new_repo
from tests.release_making import RECORDS, SPLITS, expected_rows, manifest_of, next_release, rewrite

pytestmark = pytest.mark.slow

TO = "me/notes"


def published(client: Client, folder: Path, *flags: str) -> str:
    """Publishes, without reading rows back where that is not asked for; the story that was told."""
    ended = client.publish(folder, TO, *(flags or ("--verify=listing",)))
    assert (ended.result, ended.out) == (0, f"hf://{TO}@{manifest_of(folder)['release']}\n"), ended.err
    return ended.err


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def state(hub: HubServer) -> Any:
    repo = hub.repos[TO]
    return dict(repo.refs), list(repo.story), sorted(repo.commits)


def test_a_release_is_one_tagged_commit_that_holds_it(release: Path, hub: HubServer, client: Client) -> None:
    told = published(client, release, "--verify=full")
    repo, content = hub.repos[TO], manifest_of(release)["content_hash"]
    assert repo.private
    assert [one["title"] for one in repo.story] == ["initial commit", "notes v1.0.0"]
    assert repo.tags == {"v1.0.0"}
    assert repo.tag_messages == {"v1.0.0": f"notes v1.0.0, content {content}"}
    commit = repo.refs["v1.0.0"]
    assert repo.refs["main"] == commit
    there = repo.files(commit)
    assert there.pop(".gitattributes")
    assert there == files_of(release)
    assert {path for path in there if repo.sha256(commit, path)} == {p for p in there if p.endswith(".parquet")}
    assert "read back by v1.0.0: 288 rows are those of the release" in told
    parts = [line for line in hub.asked if line.startswith("PUT") and line.endswith("/3")]
    assert parts, "no file was sent in parts"


def test_every_config_is_loaded_by_tag(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release)
    for config in RECORDS:
        loaded = client("load", TO, config, "v1.0.0", False).result
        assert set(loaded) == set(SPLITS)
        for split, rows in loaded.items():
            assert len(rows) == SPLITS[split]
            assert rows == expected_rows(release, config, split)


def test_a_config_is_streamed_by_ranges(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release)
    hub.ranges.clear()
    streamed = client("load", TO, "pairs", "v1.0.0", True).result
    assert streamed["train"] == expected_rows(release, "pairs", "train")[:3]
    assert {path for path, _, _ in hub.ranges} == {f"pairs/{split}/00000.parquet" for split in SPLITS}


@pytest.mark.parametrize("verify", ["full", "listing"])
def test_publishing_twice_changes_nothing(release: Path, hub: HubServer, client: Client, verify: str) -> None:
    published(client, release)
    before, received = state(hub), sum(hub.received.values())
    asked = len(hub.asked)
    assert "already published: notes v1.0.0 is commit" in published(client, release, f"--verify={verify}")
    assert state(hub) == before
    assert sum(hub.received.values()) == received > 0
    read = [line for line in hub.asked[asked:] if "/resolve/" in line]
    assert bool(read) == (verify == "full")
    assert not [line for line in hub.asked[asked:] if line.split()[0] not in ("GET", "HEAD")]


def test_a_changed_release_under_a_tag_is_refused(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release)
    before = state(hub)
    rewrite(release, "CHANGELOG.md", "another story\n")
    ended = client.publish(release, TO)
    assert ended.result == 1
    assert ended.error == (
        f"v1.0.0 of {TO} is there already, and differs in CHANGELOG.md, manifest.json: a tag stays what it is, so "
        "raise the version, and publish that."
    )
    assert state(hub) == before


def test_the_next_release_takes_the_place_of_the_one_before(
    release: Path, hub: HubServer, client: Client, tmp_path: Path
) -> None:
    published(client, release)
    repo, first = hub.repos[TO], hub.repos[TO].refs["main"]
    own = [("file", {"path": "LICENSE", "content": base64.b64encode(b"mine").decode()})]
    add_commit(repo, hub.folder / TO, "Add a licence", "", own, None)
    received = sum(hub.received.values())
    following = next_release(release, tmp_path / "next")
    told = published(client, following)
    assert "0 new files and 2 changed" in told
    assert "1 are deleted: corpus/train/00001.parquet" in told
    assert sum(hub.received.values()) == received, "rows that are there were sent again"
    there = repo.files(repo.refs["v1.1.0"])
    assert (there.pop("LICENSE"), bool(there.pop(".gitattributes"))) == (b"mine", True)
    assert there == files_of(following)
    assert repo.refs["v1.0.0"] == first
    assert len(client("load", TO, "corpus", "v1.1.0", False).result["train"]) == 30
    assert len(client("load", TO, "corpus", "v1.0.0", False).result["train"]) == 60
    assert "already published" in published(client, release), "the older one is still there under its tag"


def test_a_killed_upload_goes_on(release: Path, hub: HubServer, client: Client) -> None:
    command = [sys.executable, "-m", "builders.publish", str(release), "--to", TO]
    env = client.env | {"HF_TOKEN": "write-token"}
    process = subprocess.Popen(command, env=env, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kill = Fault("POST /lfs/[0-9a-f]{64}", skip=3, times=1, act=lambda: os.kill(process.pid, signal.SIGKILL))
    hub.faults.append(kill)
    assert process.wait(60) == -signal.SIGKILL
    there = {path.name for path in hub.objects.iterdir() if path.is_file()}
    assert 3 <= len(there) < 9
    assert hub.repos[TO].tags == set() and len(hub.repos[TO].story) == 1, "half a release was committed"
    hub.faults.clear()
    before = dict(hub.received)
    published(client, release)
    sent = {oid for oid, size in hub.received.items() if size != before.get(oid, 0)}
    objects = {
        f["sha256"]: f["bytes"]
        for c in manifest_of(release)["configs"].values()
        for s in c["splits"].values()
        for f in s["files"]
    }
    assert sent == set(objects) - there
    assert all(hub.received[oid] == objects[oid] for oid in there), "an object that was there was sent again"
    assert hub.repos[TO].tags == {"v1.0.0"} and len(hub.repos[TO].story) == 2


def test_a_connection_that_drops_once_is_no_fault(release: Path, hub: HubServer, client: Client) -> None:
    hub.faults.append(Fault("PUT .*/2", times=1))
    hub.faults.append(Fault("PUT .*/1", skip=1, times=2, status=503))
    published(client, release)
    assert [fault.seen for fault in hub.faults] > [1, 3]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("PUT .*", skip=4), "The Hub did not answer when sending files to me/notes ("),
        (Fault("PUT .*", skip=4, status=500), "The Hub failed when sending files to me/notes (status 500, a fault of"),
        (Fault("POST .*/batch"), "The Hub did not answer when sending files to me/notes ("),
        (Fault("POST .*/commit/main", status=504), "The Hub failed when committing to me/notes (status 504,"),
        (Fault("POST .*/commit/main"), "The Hub did not answer when committing to me/notes ("),
        (Fault("POST .*/tag/.*", status=500), "The Hub failed when tagging me/notes (status 500,"),
        (Fault("GET .*resolve.*"), "The Hub did not answer when reading back me/notes ("),
    ],
    ids=[
        "parts dropped",
        "parts fail",
        "batch dropped",
        "commit fails",
        "commit dropped",
        "tag fails",
        "reading dropped",
    ],
)
def test_an_interrupted_run_goes_on(release: Path, hub: HubServer, client: Client, fault: Fault, words: str) -> None:
    hub.faults.append(fault)
    ended = client.publish(release, TO)
    assert (ended.result, ended.out) == (1, "")
    assert ended.error.startswith(words)
    assert ended.error.endswith("What was sent is kept there: run the same command again.")
    hub.faults.clear()
    published(client, release)
    assert [one["title"] for one in hub.repos[TO].story] == ["initial commit", "notes v1.0.0"]
    assert hub.repos[TO].tags == {"v1.0.0"}


def test_a_commit_whose_answer_is_lost_is_tagged_by_the_next_run(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release)
    repo = hub.repos[TO]
    repo.tags.clear()
    del repo.refs["v1.0.0"]
    published(client, release)
    assert len(repo.story) == 2
    assert repo.refs["v1.0.0"] == repo.refs["main"]


def test_a_commit_of_someone_else_meanwhile_is_noticed(release: Path, hub: HubServer, client: Client) -> None:
    def elsewhere() -> None:
        change = ("file", {"path": "notes.txt", "content": base64.b64encode(b"theirs").decode()})
        add_commit(hub.repos[TO], hub.folder / TO, "Theirs", "", [change], None)

    hub.faults.append(Fault("POST .*/commit/main", times=1, act=elsewhere))
    ended = client.publish(release, TO)
    assert ended.result == 1
    assert ended.error.startswith(f"Someone else committed to {TO} while this was sent, so nothing was changed there:")
    assert [one["title"] for one in hub.repos[TO].story] == ["initial commit", "Theirs"]
    assert hub.repos[TO].tags == set()


def test_a_tag_of_someone_else_meanwhile_is_noticed(release: Path, hub: HubServer, client: Client) -> None:
    def elsewhere() -> None:
        repo = hub.repos[TO]
        repo.refs["v1.0.0"] = repo.story[0]["id"]
        repo.tags.add("v1.0.0")

    hub.faults.append(Fault("POST .*/tag/.*", times=1, act=elsewhere))
    assert client.publish(release, TO).error.startswith(f"Someone else tagged v1.0.0 in {TO} meanwhile.")
    assert "differs in CHANGELOG.md, README.md" in client.publish(release, TO).error


def test_an_object_of_the_same_size_is_not_the_same(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release)
    repo = hub.repos[TO]
    repo.lfs[repo.refs["v1.0.0"]]["pairs/train/00000.parquet"] = "0" * 64
    ended = client.publish(release, TO)
    assert ended.result == 1
    assert ended.error.startswith("v1.0.0 of me/notes is there already, and differs in pairs/train/00000.parquet:")


def test_rows_that_differ_under_the_right_hash_are_told(release: Path, hub: HubServer, client: Client) -> None:
    """A Hub whose listing is right and whose file is not."""

    def damage() -> None:
        path = hub.repos[TO].commits[hub.repos[TO].refs["v1.0.0"]] / "pairs/train/00000.parquet"
        content = bytearray(path.read_bytes())
        content[100:200] = bytes(100)
        path.unlink()
        path.write_bytes(bytes(content))

    hub.faults.append(Fault("HEAD .*resolve/v1.0.0/pairs/train.*", times=1, act=damage))
    ended = client.publish(release, TO)
    assert ended.result == 1
    assert ended.error.startswith("pairs/train/00000.parquet of me/notes at v1.0.0 cannot be read as Parquet (")


def test_a_file_that_the_hub_ignores_is_no_release(release: Path, hub: HubServer, client: Client) -> None:
    hub.repos[TO] = new_repo(hub.folder / TO, private=True)
    hub.ignored = {"facts.json"}
    try:
        ended = client.publish(release, TO)
    finally:
        hub.ignored = set()
    assert ended.error.startswith("me/notes did not take facts.json, so it was not tagged")
    assert hub.repos[TO].tags == set()


@pytest.mark.parametrize("listed", ["notes.txt", "corpus/train/00000.parquet"])
def test_another_repository_is_not_overwritten(release: Path, hub: HubServer, client: Client, listed: str) -> None:
    repo = hub.repos[TO] = new_repo(hub.folder / TO, private=True)
    content = base64.b64encode(b"theirs").decode()
    add_commit(repo, hub.folder / TO, "Theirs", "", [("file", {"path": listed, "content": content})], None)
    assert client.publish(release, TO).error == (
        f"me/notes holds something else ({listed}) and no manifest.json: name another repository."
    )
    manifest = base64.b64encode(json.dumps({"name": "letters"}).encode()).decode()
    add_commit(repo, hub.folder / TO, "Letters", "", [("file", {"path": "manifest.json", "content": manifest})], None)
    assert client.publish(release, TO).error == ("me/notes holds 'letters' and not 'notes': name another repository.")
    assert repo.tags == set()
    assert [one["title"] for one in repo.story] == ["initial commit", "Theirs", "Letters"]


def test_who_may_see_it(release: Path, hub: HubServer, client: Client) -> None:
    published(client, release, "--public")
    assert not hub.repos[TO].private
    ended = client.publish(release, TO)
    assert ended.result == 2
    assert ended.error == f"{TO} is public: give --public to publish for all to see, or name another repository."
    hub.repos[TO].private = True
    assert f"{TO} is private and stays so" in published(client, release, "--public")


def test_a_model_goes_the_same_way(hub: HubServer, client: Client, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "small"}))
    (tmp_path / "model.safetensors").write_bytes(bytes(9_000))
    commit, is_new = client("publish_model", str(tmp_path), "me/small", "v1.0.0").result
    assert is_new
    repo = hub.repos["models/me/small"]
    assert repo.refs["v1.0.0"] == commit
    assert repo.files(commit)["model.safetensors"] == bytes(9_000)
    assert client("publish_model", str(tmp_path), "me/small", "v1.0.0").result == [commit, False]
