"""A page in a real browser: one Chromium for all tests, and what it did beside what was asked of it."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builders.cards.page import write_page
from builders.store.version_sets import VersionSet, version_set
from tests.browser.making import release
from tests.cards.page_making import page_facts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
HOSTILE = "</script><script>alert(4)</script>\u202e<img src=x onerror=alert(5)>"


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        pytest.skip("this test did not run: there is no chromium on the PATH (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="this test did not run: playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        without = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*without, "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> VersionSet:
    return version_set(release(tmp_path_factory.mktemp("released")))


@pytest.fixture(scope="session")
def page_file(released: VersionSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `released`, whose facts are hostile too."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    facts = page_facts(released, description=HOSTILE)
    facts["quality"]["checks"][0]["examples"][0]["detail"] = HOSTILE
    write_page(path, facts, released)
    return path


@dataclass
class Seen:
    """What the page did: every request, error, dialog."""

    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: "Browser", page_file: Path) -> "Iterator[Callable[..., Page]]":
    """Opens the page at a hash; at the end nothing but the file itself may have been asked for, and nothing complained."""
    seen, contexts = Seen(), []

    def opened(hash_: str = "", file: Path = page_file, **settings: Any) -> "Page":
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | settings))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: seen.requests.append(request.url.split("#")[0]))
        page.on("console", lambda message: seen.faults.append(message.text))
        page.on("pageerror", lambda error: seen.faults.append(str(error)))
        page.on("dialog", lambda dialog: (seen.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        address = file.as_uri()
        page.goto(f"{address}#{hash_}")
        page.wait_for_selector("html[data-ready]")
        assert set(seen.requests) == {address}
        seen.requests.clear()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen.requests == []
    assert seen.faults == []
