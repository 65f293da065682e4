"""Top-k on a GPU is brute force's, whatever bfloat16 loses."""

import numpy as np
import pytest

from builders.retrieval.topk import top_k
from tests.retrieval.making import brute_force, same


@pytest.mark.parametrize("kind", ["unit", "ties", "same", "beyond bfloat16"])
@pytest.mark.parametrize("half", [True, False])
def test_equals_brute_force(kind: str, half: bool) -> None:
    draw = np.random.default_rng(0)

    def made(rows: int) -> np.ndarray:
        found = {
            "unit": draw.standard_normal((rows, 48)),
            "ties": draw.integers(-1, 2, (rows, 48)),
            "same": np.repeat(draw.standard_normal((1, 48)), rows, axis=0),
            "beyond bfloat16": draw.integers(10, 20, (rows, 48)),
        }[kind].astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True) if kind in ("unit", "same") else found

    queries, documents = made(30), made(700)
    blocks = [(start, documents[start : start + 256]) for start in range(0, 700, 256)]
    assert same(top_k(queries, blocks, 20, device="cuda", half=half), brute_force(queries, documents, 20))
