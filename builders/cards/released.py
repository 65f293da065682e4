"""Which versions of a set are released: all chunks and queries behind it, and the triplets that were named."""

from dataclasses import dataclass

from builders.store.version_sets import VersionSet
from builders.store.versions import Version


@dataclass(frozen=True)
class Released:
    """Triplets behind named ones (before an audit dropped some, say) were only a step on the way."""

    versions: VersionSet
    chunks: list[Version]
    queries: list[Version]
    triplets: list[Version]


def released(versions: VersionSet) -> Released:
    named = [version for version in versions.named if version.table == "triplets"]
    return Released(versions, versions.of("chunks"), versions.of("queries"), named)
