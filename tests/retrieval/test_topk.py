"""Blocked top-k equals brute force, whatever the blocks, ties, groups and limits."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.retrieval import block_scores, float_scores, topk
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.rankings import Ranking
from builders.retrieval.topk import top_k
from tests.retrieval.making import brute_force, same

BLOCKWISE = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unit(draw: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    vectors = draw.standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@BLOCKWISE
@given(
    seed=st.integers(0, 2**32),
    sizes=st.tuples(st.integers(0, 30), st.integers(0, 120), st.integers(1, 12), st.integers(1, 50)),
    kind=st.sampled_from(["ties", "halves", "unit", "same", "zero", "negative", "beyond bfloat16"]),
    groups=st.sampled_from([None, "documents", "both"]),
    tile=st.sampled_from([(3, 8), (64, 32), (512, 4096)]),
    half=st.booleans(),
    many=st.sampled_from([0, 1, 4]),
)
def test_equals_brute_force(seed, sizes, kind, groups, tile, half, many, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    n, documents, dim, k = sizes
    monkeypatch.setattr(topk, "_QUERIES", tile[0])
    for name in ("_DOCUMENTS", "_FLOAT_DOCUMENTS"):
        monkeypatch.setattr(topk, name, tile[1])
    monkeypatch.setattr(float_scores, "TILE", max(4, tile[1] // 4))
    monkeypatch.setattr(float_scores, "MANY", many)
    monkeypatch.setattr(topk, "_PAIRS", 40 if tile[0] == 3 else 1 << 17)
    draw = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "ties": lambda rows: draw.integers(-1, 2, (rows, dim)).astype(np.float32),
        "halves": lambda rows: (draw.integers(-3, 4, (rows, dim)) / 7).astype(np.float16),
        "unit": lambda rows: unit(draw, rows, dim),
        "same": lambda rows: np.repeat(unit(draw, 1, dim), rows, axis=0),
        "zero": lambda rows: np.zeros((rows, dim), np.float32),
        # Products that float32 holds exactly, and bfloat16 rounds to every second or fourth integer.
        "beyond bfloat16": lambda rows: draw.integers(10, 20, (rows, dim)).astype(np.float32),
        "negative": lambda rows: -np.abs(unit(draw, rows, dim)) * 1000,
    }
    queries, vectors = made["unit"](n) if kind == "negative" else made[kind](n), made[kind](documents)
    indices = draw.permutation(documents)
    restriction = None
    if groups:
        asked = draw.integers(-1, 4, n) if groups == "both" else None
        restriction = Restriction(draw.integers(-1, 3, max(1, documents)), asked)
    cuts = [0, *sorted(draw.integers(0, documents + 1, 3)), documents]
    blocks = [(indices[a:b], vectors[a:b]) for a, b in pairwise(cuts)]
    found = top_k(queries, iter(blocks), k, restriction=restriction, half=half)
    assert same(found, brute_force(queries, vectors, k, indices, restriction))


def test_many_near_ties_at_the_last_place() -> None:
    """Scores that differ by less than the rule tells apart, at both sides of k."""
    draw = np.random.default_rng(0)
    queries = unit(draw, 4, 64)
    vectors = np.repeat(unit(draw, 3, 64), 100, axis=0) + draw.uniform(-2e-7, 2e-7, (300, 64)).astype(np.float32)
    for half in (True, False):
        found = top_k(queries, [(0, vectors)], 30, half=half)
        assert same(found, brute_force(queries, vectors, 30))
    assert len(np.unique(found.scores[0])) < 30


def test_better_documents_last_and_small_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    queries = unit(draw, 50, 16)
    vectors = unit(draw, 3000, 16)
    vectors = vectors[np.argsort(vectors @ queries[0])]
    wanted = brute_force(queries, vectors, 20)
    for half in (True, False):
        assert same(top_k(queries, [(0, vectors)], 20, half=half), wanted)
    monkeypatch.setattr(topk, "_DOCUMENTS", 100)
    monkeypatch.setattr(topk, "_FLOAT_DOCUMENTS", 700)
    monkeypatch.setattr(float_scores, "TILE", 100)
    for half in (True, False):
        assert same(top_k(queries, [(0, vectors)], 20, half=half), wanted)


def test_mapped_float16_documents_and_queries(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    queries, vectors = unit(draw, 70, 24).astype(np.float16), unit(draw, 900, 24).astype(np.float16)
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "d.npy", vectors)
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    blocks = ((start, mapped[start : start + 250]) for start in range(0, 900, 250))
    found = top_k(np.load(tmp_path / "q.npy", mmap_mode="r"), blocks, 10)
    assert same(found, brute_force(queries, vectors, 10))


def test_a_ranking_says_how_many_it_found() -> None:
    found = top_k(np.eye(3, dtype=np.float32), [(0, np.eye(3, dtype=np.float32)[:2])], 5)
    assert found.found().tolist() == [2, 2, 2]
    assert found.indices[0].tolist() == [0, 1, -1, -1, -1]
    assert found.scores[0].tolist() == [1.0, 0.0, -np.inf, -np.inf, -np.inf]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_vectors_are_counted_and_named(value: float) -> None:
    good, bad = np.ones((6, 4), np.float32), np.ones((6, 4), np.float32)
    bad[[2, 5], 1] = value
    with pytest.raises(UserError, match=r"2 of 6 document vectors .*the first at 12, 15\)"):
        top_k(good, [(10, bad)], 2)
    with pytest.raises(UserError, match=r"2 of 6 query vectors .*the first at 2, 5\)"):
        top_k(bad, [(0, good)], 2)


def test_another_dimension_is_refused() -> None:
    with pytest.raises(UserError, match="queries have 4 dimensions"):
        top_k(np.ones((2, 4), np.float32), [(0, np.ones((2, 5), np.float32))], 1)


def test_a_limit_too_low_to_work_in_says_what_is_needed() -> None:
    with pytest.raises(UserError, match=r"needs \d+ MB to work in and may use 1 MB"):
        top_k(np.ones((5000, 64), np.float32), [], 50, memory_limit=1_000_000)


_CAPPED = """
import sys
import numpy as np, torch
from builders.retrieval.topk import top_k
folder, limit = sys.argv[1], int(sys.argv[2])
torch.ones(8, 8).bfloat16() @ torch.ones(8, 8).bfloat16()
def status(name):
    return int(next(l for l in open("/proc/self/status") if l.startswith(name)).split()[1]) * 1024
before = status("VmRSS")
def blocks():
    for start in range(0, 60000, 5000):
        yield start, np.load(folder + "/d.npy", mmap_mode="r")[start:start + 5000]
found = top_k(np.load(folder + "/q.npy"), blocks(), 10, memory_limit=limit)
np.save(folder + "/found.npy", found.indices)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cap_below_the_vectors_is_kept_and_changes_nothing(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    queries, vectors = unit(draw, 100, 256), unit(draw, 60_000, 256)  # 61 MB
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "d.npy", vectors)
    command = [sys.executable, "-c", _CAPPED, str(tmp_path), str(16 << 20)]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert peak < vectors.nbytes * 0.75
    whole: Ranking = top_k(queries, [(0, vectors)], 10)
    assert (np.load(tmp_path / "found.npy") == whole.indices).all()


def test_nearly_all_candidates_are_thrown_out_before_they_are_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    queries, vectors = unit(draw, 64, 32), unit(draw, 20_000, 32)
    block = float_scores.FloatBlock(vectors, 1.001)
    found = list(block.candidates(queries, np.full((64, 10), -np.inf, np.float32), 10))
    assert len(found) == 1 and 640 <= len(found[0][0]) < 660


@given(st.lists(st.floats(-1000, 1000, width=32) | st.just(-np.inf), min_size=1, max_size=9))
def test_bounds_in_bfloat16_are_never_above(values: list[float]) -> None:
    given_values = np.array(values, np.float32)
    bits = block_scores._down_to_bfloat16(given_values)
    as_float = (bits.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    assert (as_float <= given_values).all()
    finite = np.isfinite(given_values)
    assert given_values[finite] == pytest.approx(as_float[finite], abs=8)
    exact = given_values.view(np.uint32) & np.uint32(0xFFFF) == 0
    assert (as_float[exact] == given_values[exact]).all()
