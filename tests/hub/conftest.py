"""A small release, and a loopback Hub with one client for all tests here."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.client import Client
from tests.hub_server import HubServer
from tests.release_making import write_release

PART_BYTES = 4_000  # so that a file of ten kilobytes is three parts


@pytest.fixture(scope="session")
def release_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read: `release` is a copy to change."""
    return write_release(tmp_path_factory.mktemp("release") / "notes")


@pytest.fixture
def release(release_made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release_made, tmp_path / "release"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HubServer, Client]]:
    folder = tmp_path_factory.mktemp("hub")
    with HubServer({}, folder / "hub", part_bytes=PART_BYTES) as hub, Client(hub, folder / "home") as client:
        yield hub, client


@pytest.fixture
def hub(served: tuple[HubServer, Client]) -> Iterator[HubServer]:
    """Without repositories, objects and faults of the test before."""
    hub = served[0]
    yield hub
    hub.faults.clear()
    hub.quota = None
    hub.repos.clear()
    hub.received.clear()
    shutil.rmtree(hub.folder)
    hub.objects.mkdir(parents=True)


@pytest.fixture
def client(served: tuple[HubServer, Client]) -> Client:
    return served[1]
