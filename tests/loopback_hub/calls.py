"""One call to the loopback Hub: who asks, of which repository, and whether they may."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.loopback_hub.answers import Answer, Request, error_answer
from tests.loopback_hub.repos import Repo

if TYPE_CHECKING:
    from tests.hub_server import HubServer


@dataclass(frozen=True)
class User:
    """Whom a token is of."""

    name: str
    can_write: bool = True


@dataclass(frozen=True)
class Call:
    """`parts` are what the path names: kind, repo, revision, path and the like, "" where it names none."""

    hub: "HubServer"
    request: Request
    parts: dict[str, str]

    @property
    def user(self) -> User | None:
        return self.hub.users.get(self.request.token or "")

    @property
    def key(self) -> str:
        """The repository among `hub.repos`: data sets by owner/name, others with their kind before it."""
        return self.parts["repo"] if self.parts.get("kind") == "datasets" else f"models/{self.parts['repo']}"

    @property
    def repo(self) -> Repo:
        return self.hub.repos[self.key]

    @property
    def folder(self) -> Path:
        return self.hub.folder / self.key

    @property
    def commit(self) -> str:
        commit = self.repo.commit(self.parts.get("revision") or "main")
        assert commit is not None
        return commit


def denied(call: Call, *, writes: bool) -> Answer | None:
    """Why this call is not answered, as the Hub words it."""
    if call.request.token and call.user is None:
        return error_answer(401, "", "Invalid credentials in Authorization header")
    repo = call.hub.repos.get(call.key)
    owns = call.user is not None and call.user.name == call.parts["repo"].split("/")[0]
    if repo is None or (repo.private and not owns):
        return error_answer(404 if call.user else 401, "RepoNotFound", "Repository not found")
    if repo.gated:
        return error_answer(403, "GatedRepo", "Access to this data set is restricted")
    if repo.commit(call.parts.get("revision") or "main") is None:
        return error_answer(404, "RevisionNotFound", "Invalid rev id")
    return may_write(call, call.parts["repo"].split("/")[0]) if writes else None


def may_write(call: Call, owner: str) -> Answer | None:
    if call.user is None:
        return error_answer(401, "", "Invalid username or password.")
    if not call.user.can_write:
        return error_answer(403, "", "Forbidden: you must use a write token to upload to a repository.")
    if call.user.name != owner:
        return error_answer(403, "", f"Forbidden: you don't have the rights to write in the namespace {owner}")
    return None
