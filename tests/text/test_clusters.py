"""Clusters and the split: as brute force finds them, whatever the shards and the order, and nothing alike on both sides."""

import random
from collections import Counter
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.store.versions import Version
from builders.text.clusters import ALL_PAIRS, candidate_pairs, merge_clusters
from builders.text.duplicates import JACCARD, bands, minhashes, shingles, union_minhash
from builders.text.hashes import normalise, text_hash

WORDS = [f"{a}{b}" for a in "ka le mi no ru sa te vi wo zu".split() for b in "bar den fil gor hun".split()]
NUMBERS = pa.list_(pa.int64())


def varied(text, draw, most):
    words = text.split()
    for _ in range(draw.randrange(most + 1)):
        words[draw.randrange(len(words))] = draw.choice(WORDS)
    return " ".join(words)


def corpus(count=150, seed=2, crowd=40):
    """{document: its chunks}: some near copies of others, some with a chunk of another, many with one boilerplate."""
    draw = random.Random(seed)
    documents = {}
    boilerplate = " ".join(draw.choice(WORDS) for _ in range(30))
    for n in range(count):
        if n and draw.random() < 0.3:
            chunks = [varied(c, draw, 5) for c in draw.choice(list(documents.values()))]
        else:
            chunks = [" ".join(draw.choice(WORDS) for _ in range(60)) for _ in range(draw.randrange(1, 5))]
        if n and draw.random() < 0.1:
            chunks.append(draw.choice(draw.choice(list(documents.values()))).upper())
        if n < crowd:
            chunks.append(varied(boilerplate, draw, 3))
        documents[f"doc{n:04d}"] = chunks
    return documents


def signatures(folder, documents, shards):
    """A version of `signatures` with these documents in this order, dealt out to so many shards."""
    folder.mkdir(exist_ok=True, parents=True)
    names = list(documents)
    size = -(-len(names) // shards) or 1
    files = []
    for shard in range(shards):
        rows = []
        for name in names[shard * size : (shard + 1) * size]:
            parts = [normalise(text) for text in documents[name]]
            hashed = minhashes([shingles(part) for part in parts])
            for i, (text, part) in enumerate(zip(documents[name], parts, strict=True)):
                rows.append(
                    {
                        "chunk_id": f"{name}#{i:04d}",
                        "document_id": name,
                        "text": text,
                        "tokens": 1,
                        "normalised_text_hash": text_hash(part),
                        "bands": bands(hashed[i]),
                        "document_bands": None if i else bands(union_minhash(hashed)),
                    }
                )
        kinds = {"tokens": pa.int64(), "bands": NUMBERS, "document_bands": NUMBERS}
        fields = "chunk_id document_id text tokens normalised_text_hash bands document_bands".split()
        table = pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.string())) for name in fields]))
        pq.write_table(table, folder / f"{shard}.parquet")
        files.append({"path": f"{shard}.parquet"})
    return Version(folder, {"files": files})


def merged(folder, documents, shards=3, heldout=0.3, seed=1):
    by_shard = list(merge_clusters(signatures(folder, documents, shards), heldout, seed))
    assert len(by_shard) == shards
    return {row["chunk_id"]: row for rows in by_shard for row in rows}


def components(items, alike):
    """{item: the smallest item it is connected with}, by walking."""
    near = {item: set() for item in items}
    for a, b in alike:
        near[a].add(b)
        near[b].add(a)
    names = {}
    for item in sorted(items):
        todo = [item]
        while todo:
            at = todo.pop()
            if at not in names:
                names[at] = item
                todo += near[at]
    return names


def pairs_alike(shingle_sets, least):
    """Every pair of at least that Jaccard, all compared with all."""
    for a, b in combinations(shingle_sets, 2):
        shared = len(shingle_sets[a] & shingle_sets[b])
        if shared and shared / (len(shingle_sets[a]) + len(shingle_sets[b]) - shared) >= least:
            yield a, b


def chunk_shingles(documents):
    return {f"{d}#{i:04d}": set(shingles(normalise(t))) for d, texts in documents.items() for i, t in enumerate(texts)}


def document_shingles(documents):
    return {d: {s for t in texts for s in shingles(normalise(t))} for d, texts in documents.items()}


@pytest.fixture(scope="module")
def documents():
    return corpus()


@pytest.fixture(scope="module")
def rows(documents, tmp_path_factory):
    return merged(tmp_path_factory.mktemp("signatures"), documents)


def test_every_chunk_has_its_row_in_order(documents, rows):
    assert list(rows) == list(chunk_shingles(documents))
    assert Counter(row["split"] for row in rows.values()).keys() == {"train", "heldout"}


@pytest.mark.parametrize(("shards", "shuffle"), [(1, 0), (7, 0), (150, 0), (3, 1), (5, 2)])
def test_neither_shards_nor_order_change_anything(documents, rows, tmp_path, shards, shuffle):
    names = list(documents)
    if shuffle:
        random.Random(shuffle).shuffle(names)
    assert merged(tmp_path, {name: documents[name] for name in names}, shards) == rows


def share_a_band(shingle_sets):
    """Which pairs are candidates, all compared with all."""
    rows = dict(zip(shingle_sets, map(bands, minhashes([sorted(s) for s in shingle_sets.values()])), strict=True))
    return lambda a, b: any(x == y for x, y in zip(rows[a], rows[b], strict=True))


def test_clusters_are_the_connected_components_of_all_candidates_that_are_alike(documents, rows):
    for sets, column in (
        (chunk_shingles(documents), "cluster_id"),
        (document_shingles(documents), "document_cluster_id"),
    ):
        candidates = share_a_band(sets)
        alike = list(pairs_alike(sets, JACCARD))
        found = [pair for pair in alike if candidates(*pair)]
        assert len(alike) > len(found) * 0.9 > 20
        expected = components(sets, found)
        assert {i: row[column] for i, row in rows.items()} == {i: expected[i[: len(min(sets))]] for i in rows}
        assert len(set(expected.values())) < len(sets)
    assert max(Counter(row["cluster_id"] for row in rows.values()).values()) > ALL_PAIRS  # from a crowded band


def test_exact_duplicates_are_always_together(tmp_path):
    texts = [" ".join(random.Random(n).choices(WORDS, k=40)) for n in range(30)]
    documents = {f"doc{n:04d}": [texts[n % 30] if n < 60 else f"«{texts[n % 30].upper()}»"] for n in range(90)}
    documents |= {"doc1000": ["hm"], "doc1001": ["Hm!"], "doc1002": ["no"]}
    rows = merged(tmp_path, documents)
    for n in range(90):
        assert rows[f"doc{n:04d}#0000"]["cluster_id"] == f"doc{n % 30:04d}#0000"
        assert rows[f"doc{n:04d}#0000"]["document_cluster_id"] == f"doc{n % 30:04d}"
    assert [rows[f"doc100{n}#0000"]["cluster_id"][6] for n in range(3)] == ["0", "0", "2"]


def test_no_near_duplicates_stand_on_both_sides_of_the_split(documents, rows):
    split = {i[:7]: row["split"] for i, row in rows.items()}
    alike = list(pairs_alike(document_shingles(documents), JACCARD))
    assert len(alike) > 20
    assert [(a, b) for a, b in alike if split[a] != split[b]] == []
    sets = chunk_shingles(documents)
    across = [(a, b) for a, b in pairs_alike(sets, JACCARD) if rows[a]["split"] != rows[b]["split"]]
    assert across
    assert all(rows[a]["twin_in_train"] or rows[b]["twin_in_train"] for a, b in across)


def test_marked_are_exactly_the_held_out_chunks_with_a_twin_in_train(rows):
    train = {row["cluster_id"] for row in rows.values() if row["split"] == "train"}
    marked = {i for i, row in rows.items() if row["twin_in_train"]}
    assert marked == {i for i, row in rows.items() if row["split"] == "heldout" and row["cluster_id"] in train}
    assert marked


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_about_the_asked_share_of_documents_is_held_out(tmp_path, share):
    documents = {f"doc{n:04d}": [" ".join(random.Random(n).choices(WORDS, k=20))] for n in range(2000)}
    rows = merged(tmp_path, documents, heldout=share)
    held = sum(row["split"] == "heldout" for row in rows.values()) / len(rows)
    assert held == pytest.approx(share, abs=0.025 if 0 < share < 1 else 0)
    assert not any(row["twin_in_train"] for row in rows.values()) or 0 < share < 1


def test_the_seed_draws_the_split_and_nothing_else(documents, rows, tmp_path):
    other = merged(tmp_path, documents, seed=2)
    assert [row["cluster_id"] for row in other.values()] == [row["cluster_id"] for row in rows.values()]
    assert [row["split"] for row in other.values()] != [row["split"] for row in rows.values()]


def test_what_a_crowded_band_compares_does_not_depend_on_the_order(tmp_path):
    draw = random.Random(8)
    boilerplate = " ".join(draw.choice(WORDS) for _ in range(60))
    crowd = {f"doc{n:04d}": [varied(boilerplate, draw, 10)] for n in range(200)}
    rows = merged(tmp_path / "one", crowd)
    assert 10 < len({row["cluster_id"] for row in rows.values()}) < 190
    for turn in range(3):
        names = list(crowd)
        draw.shuffle(names)
        assert merged(tmp_path / f"{turn}", {name: crowd[name] for name in names}) == rows
    alike = list(pairs_alike(chunk_shingles(crowd), JACCARD))
    assert len(alike) > 1000
    assert sum(rows[a]["cluster_id"] == rows[b]["cluster_id"] for a, b in alike) >= 0.99 * len(alike)


@pytest.mark.parametrize("shards", [1, 3])
def test_nothing_has_no_clusters(tmp_path, shards):
    assert merged(tmp_path, {}, shards) == {}


def test_candidate_pairs_are_those_that_share_a_band():
    matrix = np.random.default_rng(3).integers(0, 30, size=(4, 80))
    numbers = np.arange(0, 80, 2)  # the others are repeated texts, of which one is compared
    expected = {(int(a), int(b)) for a, b in combinations(numbers, 2) if (matrix[:, a] == matrix[:, b]).any()}
    found = [tuple(pair) for pair in candidate_pairs(numbers, matrix).tolist()]
    assert max(Counter(matrix[0][numbers]).values()) <= ALL_PAIRS
    assert len(found) == len(set(found)) > 10
    assert set(found) == expected
