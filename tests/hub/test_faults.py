"""What the Hub refuses is told in one sentence, and leaves no trace there."""

from pathlib import Path
from time import sleep
from typing import Any

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from builders.cli.errors import UserError
from builders.hub.faults import in_one_sentence
from builders.hub.place import Repository
from tests.hub.client import Client
from tests.hub_server import Fault, HubServer, User
from tests.loopback_hub.repos import new_repo
from tests.release_making import rewrite


def refused(client: Client, folder: Path, to: str = "me/notes", **given: Any) -> str:
    ended = client.publish(folder, to, **given)
    assert (ended.result, ended.out) == (1, "")
    for token in ("write-token", "read-token", "unknown-token"):
        assert token not in ended.err
    return ended.error


def test_no_token(release: Path, hub: HubServer, client: Client) -> None:
    asked = len(hub.asked)
    told = refused(client, release, token=None)
    assert "no token of the Hub here" in told and "`hf auth login` or set HF_TOKEN" in told
    assert len(hub.asked) == asked


def test_an_unknown_token(release: Path, hub: HubServer, client: Client) -> None:
    assert refused(client, release, token="unknown-token").startswith("The Hub does not know your token:")
    assert hub.repos == {}


@pytest.mark.parametrize("there", [False, True])
def test_no_rights(release: Path, hub: HubServer, client: Client, there: bool) -> None:
    if there:
        hub.repos["me/notes"] = new_repo(hub.folder / "me/notes", private=True)
    told = refused(client, release, token="read-token")
    assert told.startswith("Your token may not write to me/notes (Forbidden: you must use a write token")
    assert told.endswith("a token that has the right to write as me.")
    assert [len(repo.story) for repo in hub.repos.values()] == [1] * there
    assert not hub.received


def test_the_namespace_of_someone_else(release: Path, hub: HubServer, client: Client) -> None:
    hub.users["their-token"] = User("them")
    assert refused(client, release, "them/notes").startswith("Your token may not write to them/notes (")
    hub.repos["them/notes"] = new_repo(hub.folder / "them/notes", private=True)
    assert "Your token may not write to them/notes" in refused(client, release, "them/notes")
    assert len(hub.repos["them/notes"].story) == 1


def test_gated(release: Path, hub: HubServer, client: Client) -> None:
    hub.repos["me/notes"] = new_repo(hub.folder / "me/notes", private=False)
    hub.repos["me/notes"].gated = True
    assert refused(client, release).startswith("me/notes is gated, and your token was not given access:")


def test_no_room(release: Path, hub: HubServer, client: Client) -> None:
    hub.quota = 20_000
    told = refused(client, release)
    assert told.startswith("The Hub has no room for this in me/notes (")
    assert "Private repository storage limit reached" in told


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault("POST /api/repos/create", status=402, message="pay first"),
            "Making me/notes failed (pay first)",
        ),
        (Fault("POST .*/preupload/.*", status=429), "The Hub asks to wait, after too many requests"),
        (
            Fault("POST .*/commit/.*", status=400, message="odd path"),
            "The Hub refused committing to me/notes (status 400, odd path)",
        ),
        (Fault("GET /api/datasets/.*", status=500), "The Hub failed when asking for me/notes (status 500"),
        (Fault("GET /api/datasets/.*"), "The Hub did not answer when asking for me/notes ("),
    ],
)
def test_other_refusals(release: Path, hub: HubServer, client: Client, fault: Fault, words: str) -> None:
    hub.faults.append(fault)
    assert refused(client, release).startswith(words)


def test_a_card_that_the_hub_does_not_take(release: Path, hub: HubServer, client: Client) -> None:
    rewrite(release, "README.md", "---\nconfigs: [\n---\n# notes\n")
    assert refused(client, release).startswith(f"The Hub does not take the YAML of {release / 'README.md'} (")
    assert not hub.received


def raising(fault: Exception) -> None:
    with in_one_sentence(Repository("me/notes"), "making"):
        raise fault


def test_offline() -> None:
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set, so the Hub is not asked"):
        raising(OfflineModeIsEnabled("offline"))


@pytest.mark.parametrize("fault", [ValueError("ours"), RuntimeError("ours"), OSError(28, "no space"), KeyError("ours")])
def test_a_fault_of_ours_is_not_the_hubs(fault: Exception) -> None:
    with pytest.raises(type(fault)) as raised:
        raising(fault)
    assert raised.value is fault


def test_a_hub_that_is_silent(release: Path, hub: HubServer, client: Client) -> None:
    """Its answer to the commit comes too late. The commit is there, and the next run tags it."""
    hub.faults.append(Fault("POST .*/commit/main", times=1, act=lambda: sleep(3)))
    client("answer_within", 1.5)
    try:
        assert refused(client, release).startswith("The Hub did not answer when committing to me/notes (")
    finally:
        client("answer_within", 300)
    assert client.publish(release, "me/notes", "--verify=listing").result == 0
    assert [one["title"] for one in hub.repos["me/notes"].story] == ["initial commit", "notes v1.0.0"]
