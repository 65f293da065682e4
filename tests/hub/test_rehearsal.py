"""builders.publish --dry-run: what would be sent, and no change."""

import json
from pathlib import Path

from tests.hub.client import Client
from tests.hub_server import HubServer
from tests.release_making import manifest_of, next_release, rewrite


def test_a_rehearsal_without_a_token_asks_nobody(release: Path, hub: HubServer, client: Client) -> None:
    asked = len(hub.asked)
    ended = client.publish(release, "me/notes", "--dry-run", token=None)
    assert (ended.result, ended.out) == (0, "")
    assert "The Hub was not asked: there is no token here" in ended.err
    assert "Warning" not in ended.err
    assert "  corpus/train/00000.parquet  10.9 kB\n" in ended.err
    assert "notes v1.0.0: 19 files, 117.0 kB; nothing was changed" in ended.err
    assert len(hub.asked) == asked


def test_a_rehearsal_tells_what_is_there(release: Path, hub: HubServer, client: Client, tmp_path: Path) -> None:
    assert "me/notes is not there, or not to be seen" in client.publish(release, "me/notes", "--dry-run").err
    assert hub.repos == {}
    assert client.publish(release, "me/notes").result == 0
    following = next_release(release, tmp_path / "next")
    (following / "plots/new.svg").write_text("<svg/>")
    rewrite(following, "plots/new.svg", "<svg/>")
    before = list(hub.repos["me/notes"].story)
    ended = client.publish(following, "me/notes", "--dry-run")
    assert (ended.result, ended.out) == (0, "")
    for line in (
        "  new     plots/new.svg  6 bytes",
        "  changed CHANGELOG.md  23 bytes",
        "  same    corpus/train/00000.parquet  10.9 kB",
        "  deleted corpus/train/00001.parquet",
    ):
        assert line in ended.err.splitlines()
    assert hub.repos["me/notes"].story == before
    assert "v1.0.0 is there already: compared with its files." in client.publish(release, "me/notes", "--dry-run").err


def test_a_rehearsal_without_a_hub(release: Path, hub: HubServer, client: Client) -> None:
    ended = client("publish", [str(release), "--to=me/other", "--dry-run"], token="unknown-token")
    assert ended.result == 0
    assert "What is there is not known. The Hub does not know your token" in ended.err
    assert "  corpus/train/00000.parquet  10.9 kB\n" in ended.err


def test_a_card_that_names_another_repository(release: Path, client: Client) -> None:
    told = manifest_of(release)
    told["made_with"]["options"] = {"repository": "me/letters"}
    (release / "manifest.json").write_text(json.dumps(told))
    warning = "Warning: the card tells readers to load me/letters, and not me/notes."
    assert warning in client.publish(release, "me/notes", "--dry-run", token=None).err.splitlines()
    assert "Warning" not in client.publish(release, "me/letters", "--dry-run", token=None).err
