"""What of each chunk says that two chunks are the same: its text, its near-duplicate cluster, its document."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.store.versions import Version

if TYPE_CHECKING:
    import polars as pl

_NAMED = 5


@dataclass(frozen=True)
class ChunkFacts:
    """Arrays over all chunks, sorted by `keys`, the hashes of their ids. 33 bytes a chunk, so 0.8 GB for 25 million.

    Texts, clusters and documents are hashes of 64 bits: that two of 25 million are equal by chance has a probability of
    2e-5, and would cost one negative.
    """

    version: Version
    keys: NDArray[np.uint64]
    text: NDArray[np.uint64]
    cluster: NDArray[np.uint64]
    document: NDArray[np.uint64]
    held_out: NDArray[np.bool_]

    def rows(self, ids: "pl.Series") -> NDArray[np.int64]:
        """The place of each chunk in the arrays. UserError where the version holds no chunk of that id."""
        keys = ids.hash(seed=0).to_numpy()
        if not len(self.keys):
            at = np.zeros(len(keys), np.int64)
            lost = np.ones(len(keys), dtype=bool)
        else:
            at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            lost = self.keys[at] != keys
        if lost.any():
            names = ", ".join(ids.filter(lost).unique(maintain_order=True).head(_NAMED).to_list())
            raise UserError(
                f"{int(lost.sum()):,} ids are of no chunk of {self.version} (the first: {names}): they are of another "
                "version of the corpus; make candidates from this one."
            )
        return at


def chunk_facts(chunks: Version) -> ChunkFacts:
    """The facts of a version of chunks."""
    import polars as pl

    hashed: dict[str, Any] = {
        "keys": pl.col("chunk_id").hash(seed=0),
        "text": pl.col("normalised_text_hash").hash(seed=1),
        "cluster": pl.col("cluster_id").hash(seed=2),
        "document": pl.col("document_id").hash(seed=3),
        "held_out": pl.col("split") == "heldout",
    }
    frame = pl.scan_parquet(chunks.shards(), glob=False).select(**hashed).collect(engine="streaming")
    order = np.argsort(frame["keys"].to_numpy(), kind="stable")
    arrays = {name: frame[name].to_numpy()[order] for name in hashed}
    if len(arrays["keys"]) > 1 and (arrays["keys"][1:] == arrays["keys"][:-1]).any():
        raise AssertionError(f"two chunk ids of {chunks} have the same hash")
    return ChunkFacts(chunks, **arrays)
