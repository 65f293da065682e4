"""A plan: everything that determines the rows of a version, and the version name derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from builders.store.schemas import canonical, schema_hash

if TYPE_CHECKING:
    from builders.store.versions import Version


@dataclass(frozen=True)
class PromptUse:
    """A prompt by its name and the hash of its whole file, and that file's text: kept in the manifest, so that what was
    asked can be told when the file has changed."""

    name: str
    version: str
    text: str = ""


@dataclass(frozen=True)
class Plan:
    """What a stage is about to make. Two equal plans make the same rows, so they share a folder.

    `revision` is the stage's own integer, raised by hand when its code makes other rows from the same plan. `facts` go
    to the manifest and not into the name: what is worth knowing and does not determine a row.
    """

    table: str
    record: str
    stage: str
    revision: int
    config: Mapping[str, Any]
    inputs: "tuple[Version, ...]" = ()
    prompt: PromptUse | None = None
    model: Mapping[str, str] | None = None
    sampling: Mapping[str, Any] | None = None
    seed: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """The JSON value that is hashed, and kept in the manifest so that `diff` can name causes."""
        return {
            "table": self.table,
            "stage": self.stage,
            "revision": self.revision,
            "record": self.record,
            "schema": schema_hash(self.record),
            "config": dict(self.config),
            "inputs": [{"table": v.table, "version": v.name, "content": v.content_hash} for v in self.inputs],
            "prompt": {"name": self.prompt.name, "version": self.prompt.version} if self.prompt else None,
            "model": dict(self.model) if self.model else None,
            "sampling": dict(self.sampling) if self.sampling else None,
            "seed": self.seed,
        }

    def version(self) -> str:
        return blake2b(canonical(self.identity()), digest_size=6).hexdigest()
