"""The one merge over all shards: near-duplicate clusters of chunks and of documents, and the split they decide."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.store.versions import Version, read_column, read_table
from builders.text.duplicates import BANDS, JACCARD, jaccard, shingle_hashes
from builders.text.hashes import id_number, normalise, text_hash

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.int64]]
    Hashes = np.ndarray[tuple[int], np.dtype[np.bytes_]]

# In a band, everything is compared with everything up to this many; beyond, with the first and the next few in line.
# Of 1,000 variants of one boilerplate that leaves 3 of 59,000 pairs unconnected; with the next one only, 500.
ALL_PAIRS, NEXT = 16, 8
# Pairs verified between two readings of the texts: bounds the texts held at once (about 1 kB a text).
PAIRS_AT_ONCE = 100_000


def merge_clusters(signatures: Version, heldout: float, seed: int) -> Iterator[list[dict[str, Any]]]:
    """The `cluster` rows of each shard of `signatures` in turn, in the order of its rows.

    A cluster is what verified pairs (exact Jaccard of word shingles at least JACCARD) connect; exact duplicates after
    normalisation are connected without comparison. The split is drawn for each cluster of documents: a held-out chunk
    that still has a near-duplicate chunk in train (a licence, a boilerplate paragraph) is marked, to be rejected.
    """
    import numpy as np

    shards = signatures.shards()
    chunk_ids = _column(shards, "chunk_id")
    owners = _column(shards, "document_id")
    hashes = _hashes(shards)
    firsts = [i for i, owner in enumerate(owners) if i == 0 or owners[i - 1] != owner]
    document_of = _document_numbers(owners)
    sizes = [len(read_column(shard, "tokens")) for shard in shards]
    texts = _Texts(shards, [n for n, size in enumerate(sizes) for _ in range(size)], firsts)

    chunks = _clusters(hashes, _band_matrix(shards, "bands", len(hashes)), texts.of_chunks)
    cluster_ids = _smallest(chunks, chunk_ids)
    joined = (text_hash(b" ".join(hashes[a:b]).decode()) for a, b in texts.document_rows)
    document_hashes = np.fromiter(joined, dtype="S32", count=len(firsts))
    documents = _clusters(document_hashes, _band_matrix(shards, "document_bands", len(firsts)), texts.of_documents)
    document_cluster_ids = _smallest(documents, [owners[i] for i in firsts])
    held = [id_number(seed, c, "split") < heldout * 2**64 for c in document_cluster_ids]
    in_train = {cluster_ids[i] for i, d in enumerate(document_of) if not held[d]}

    start = 0
    for size in sizes:
        yield [
            {
                "chunk_id": chunk_ids[i],
                "cluster_id": cluster_ids[i],
                "document_cluster_id": document_cluster_ids[document_of[i]],
                "split": "heldout" if held[document_of[i]] else "train",
                "twin_in_train": held[document_of[i]] and cluster_ids[i] in in_train,
            }
            for i in range(start, start + size)
        ]
        start += size


def _column(shards: Sequence[Path], name: str) -> list[str]:
    """A column of all shards; equal neighbours (the chunks of one document) share one string."""
    values: list[str] = []
    for shard in shards:
        for value in read_column(shard, name):
            values.append(values[-1] if values and values[-1] == value else value)
    return values


def _document_numbers(owners: Sequence[str]) -> list[int]:
    numbers, number = [], -1
    for i, owner in enumerate(owners):
        number += i == 0 or owners[i - 1] != owner
        numbers.append(number)
    return numbers


def _hashes(shards: Sequence[Path]) -> "Hashes":
    import numpy as np

    return np.concatenate(
        [np.zeros(0, "S32"), *(np.array(read_column(s, "normalised_text_hash"), "S32") for s in shards)]
    )


def _band_matrix(shards: Sequence[Path], name: str, items: int) -> "Numbers":
    """(BANDS, items): 200 bytes an item, the one array that grows with the corpus."""
    import numpy as np

    matrix, start = np.empty((BANDS, items), dtype=np.int64), 0
    for shard in shards:
        lists: Any = read_table(shard, [name]).column(name).drop_null()
        for chunk in lists.chunks:
            matrix[:, start : start + len(chunk)] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, BANDS).T
            start += len(chunk)
    return matrix


class _Texts:
    """Shingles of chunks and of documents by number, read back from the shards a few at a time."""

    def __init__(self, shards: Sequence[Path], shard_of: Sequence[int], firsts: Sequence[int]) -> None:
        self.shards, self.shard_of = shards, shard_of
        self.document_rows = list(zip(firsts, [*firsts, len(shard_of)][1:], strict=True))
        self._first_row: dict[int, int] = {}
        for i, n in enumerate(shard_of):
            self._first_row.setdefault(n, i)

    def of_chunks(self, numbers: Sequence[int]) -> dict[int, Any]:
        return self._read({i: (i, i + 1) for i in numbers})

    def of_documents(self, numbers: Sequence[int]) -> dict[int, Any]:
        return self._read({d: self.document_rows[d] for d in numbers})

    def _read(self, rows: dict[int, tuple[int, int]]) -> dict[int, Any]:
        by_shard: dict[int, list[int]] = {}
        for number, (first, _) in rows.items():
            by_shard.setdefault(self.shard_of[first], []).append(number)
        found = {}
        for n, numbers in by_shard.items():
            texts = read_table(self.shards[n], ["text"]).column("text")
            base = self._first_row[n]
            for number in numbers:
                first, last = rows[number]
                found[number] = shingle_hashes(normalise(texts[i - base].as_py()) for i in range(first, last))
        return found


def _clusters(hashes: "Hashes", bands: "Numbers", shingles_of: Callable[[Sequence[int]], dict[int, Any]]) -> list[int]:
    """The cluster of each item, as the number of one of its items."""
    import numpy as np

    # one of each, in the order of the hashes, so that which pairs a crowded band compares depends on the texts alone
    _, one_each, which = np.unique(hashes, return_index=True, return_inverse=True)
    parent: list[int] = one_each[which].tolist()
    pairs = candidate_pairs(one_each, bands)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        block = [(int(a), int(b)) for a, b in pairs[start : start + PAIRS_AT_ONCE]]
        shingles = shingles_of(sorted({i for pair in block for i in pair}))
        for a, b in block:
            if _find(parent, a) != _find(parent, b) and jaccard(shingles[a], shingles[b]) >= JACCARD:
                parent[_find(parent, b)] = _find(parent, a)
    return [_find(parent, i) for i in range(len(hashes))]


def candidate_pairs(numbers: "Numbers", bands: "Numbers") -> "Numbers":
    """Pairs (a, b) of `numbers`, each once and in order, that share a band: (n,), (BANDS, all items) -> (pairs, 2)."""
    import numpy as np

    found = [np.zeros((0, 2), dtype=np.int64)]
    for band in bands:
        chosen = band[numbers]
        order = np.argsort(chosen, kind="stable")
        edges = np.flatnonzero(np.diff(chosen[order])) + 1
        starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
        twos = starts[ends - starts == 2]
        found.append(np.stack([numbers[order[twos]], numbers[order[twos + 1]]], axis=1))
        more = ends - starts > 2
        groups = [numbers[order[a:b]] for a, b in zip(starts[more], ends[more], strict=True)]
        found.extend(_pairs_in(group) for group in groups)
        found = [np.unique(np.sort(np.concatenate(found), axis=1), axis=0)]
    return found[0]


def _pairs_in(alike: "Numbers") -> "Numbers":
    import numpy as np

    if len(alike) <= ALL_PAIRS:
        i, j = np.triu_indices(len(alike), 1)
        return np.stack([alike[i], alike[j]], axis=1)
    star = np.stack([np.full(len(alike) - 1, alike[0]), alike[1:]], axis=1)
    chains = [np.stack([alike[:-step], alike[step:]], axis=1) for step in range(1, NEXT + 1)]
    return np.concatenate([star, *chains])


def _find(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _smallest(clusters: Sequence[int], ids: Sequence[str]) -> list[str]:
    """For each item the smallest id of its cluster: a name that does not depend on the order of shards."""
    names: dict[int, str] = {}
    for cluster, name in zip(clusters, ids, strict=True):
        names[cluster] = min(names.get(cluster, name), name)
    return [names[c] for c in clusters]
