"""A release on the loopback Hub, opened by the trainer at its tag."""

from pathlib import Path

import pytest

from tests.hub.client import Client
from tests.hub_server import HubServer
from tests.release_making import expected_rows, manifest_of

pytestmark = pytest.mark.slow


def test_a_release_is_trained_on_from_the_hub(release: Path, hub: HubServer, client: Client) -> None:
    assert client.publish(release, "me/notes", "--verify=listing").result == 0
    rows = expected_rows(release, "corpus", "train")[::7]
    ended = client("open_for_training", "hf://me/notes@v1.0.0", [row["chunk_id"] for row in rows])
    assert ended.result == [manifest_of(release)["content_hash"], [row["text"] for row in rows]]
    assert len(rows) > 5


@pytest.mark.parametrize("place", ["hf://me/notes@v9.9.9", "hf://me/other@v1.0.0"])
def test_what_is_not_there_is_said(release: Path, hub: HubServer, client: Client, place: str) -> None:
    assert client.publish(release, "me/notes", "--verify=listing").result == 0
    ended = client("open_for_training", place, [])
    assert isinstance(ended.result, str)
    assert ended.result.startswith(f"{place} cannot be fetched (") and "Traceback" not in ended.result
