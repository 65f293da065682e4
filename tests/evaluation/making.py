"""Evaluation sets of vectors: languages of their own pools, planted answers, several grades."""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drama_train.evaluation.sets import EvaluationSet

LANGUAGES = ("de", "en", "th")


def make_set(seed: int = 0, *, queries: int = 12, documents: int = 240, pools: bool = True) -> EvaluationSet:
    """Ids do not follow the order of the set; every query has one to three relevant documents in its language."""
    draw = random.Random(seed)
    ids = [f"d{number:04}" for number in draw.sample(range(10_000), documents)]
    spoken = {document: LANGUAGES[at % 3] for at, document in enumerate(ids)}
    asked = {f"q{number:03}": LANGUAGES[number % 3] for number in range(queries)}
    judgements = {}
    for query, language in asked.items():
        own = [document for document in ids if not pools or spoken[document] == language]
        judgements[query] = {document: draw.choice([1, 2]) for document in draw.sample(own, draw.randint(1, 3))}
    return EvaluationSet(
        name="made",
        queries={query: f"text of {query}" for query in asked},
        documents={document: f"text of {document}" for document in ids},
        judgements=judgements,
        languages=asked,
        document_languages=spoken if pools else None,
        revision=f"seed-{seed}",
    )


def vectors(count: int, dim: int, seed: int) -> NDArray[Any]:
    """Of length 1."""
    made = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    unit: NDArray[Any] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def brute_force(
    searched: EvaluationSet, queries: NDArray[Any], documents: NDArray[Any], k: int
) -> dict[str, list[str]]:
    """Every inner product in float64, sorted by it, ties by id."""
    ids = list(searched.documents)
    found = {}
    for query, vector in zip(searched.queries, queries.astype(np.float64), strict=True):
        scores = np.round(documents.astype(np.float64) @ vector, 6)
        order = sorted(range(len(ids)), key=lambda at: (-scores[at], ids[at]))
        spoken = searched.document_languages
        mine = [ids[at] for at in order if spoken is None or spoken[ids[at]] == searched.languages[query]]
        found[query] = mine[:k]
    return found
