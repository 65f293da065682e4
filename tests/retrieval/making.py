"""Small things that the tests of retrieval share: brute force, an encoder of hashes, a two-layer BERT."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.llm.requests import Model
from builders.retrieval.document_blocks import Restriction
from builders.retrieval.encoders import Role, UnusableVectors, unit_vectors
from builders.retrieval.rankings import Ranking


def brute_force(
    queries: NDArray[Any],
    documents: NDArray[Any],
    k: int,
    indices: NDArray[np.int64] | None = None,
    restriction: Restriction | None = None,
) -> Ranking:
    """Every score in float64, sorted by the rule, one query after the other."""
    numbers = np.arange(len(documents)) if indices is None else indices
    scores = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1)
    for row, query in enumerate(queries.astype(np.float64)):
        every = [
            (-float(np.float32(round(float(vector.astype(np.float64) @ query), 6) + 0.0)), int(number))
            for vector, number in zip(documents, numbers, strict=True)
            if allowed(restriction, row, int(number))
        ]
        for at, (score, number) in enumerate(sorted(every)[:k]):
            scores[row, at], found[row, at] = -score, number
    return Ranking(scores, found)


def allowed(restriction: Restriction | None, row: int, number: int) -> bool:
    if restriction is None:
        return True
    group = restriction.documents[number]
    return bool(group >= 0 and (restriction.queries is None or restriction.queries[row] == group))


def same(left: Ranking, right: Ranking) -> bool:
    return bool((left.indices == right.indices).all() and (left.scores == right.scores).all())


def vector_of(text: str, dim: int = 8) -> NDArray[np.float32]:
    seed = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


class HashEncoder:
    """Vectors drawn from each text's hash. Remembers what it was asked; may fail, or make bad vectors, on a word."""

    def __init__(self, dim: int = 8, *, revision: str = "1", fails_at: str = "", bad: str = "") -> None:
        self.model, self.truncated = Model("hash", revision), 0
        self.dim = dim
        self.asked: list[str] = []
        self._fails_at, self._bad = fails_at, bad

    def identity(self, role: Role) -> dict[str, Any]:
        return {"model": self.model.id, "revision": self.model.revision, "prompt": ""}

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        if self._fails_at and self._fails_at in texts:
            raise ConnectionError("the server went away")
        bad = [row for row, text in enumerate(texts) if self._bad and self._bad in text]
        if bad:
            raise UnusableVectors(bad)
        self.asked.extend(texts)
        self.truncated += sum(len(text) > 200 for text in texts)
        return unit_vectors(np.stack([vector_of(text, self.dim) for text in texts]))

    def close(self) -> None:
        pass


def write_tiny_bert(folder: Path) -> Path:
    """A two-layer BERT of random weights that sentence-transformers loads: 32 dimensions, 16 tokens, a query prompt."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the river stone copper bridge winter query : is cold old far".split()
    plain = folder / "plain"
    plain.mkdir(parents=True)
    (plain / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)).save_pretrained(plain)
    BertTokenizerFast(vocab=str(plain / "vocab.txt"), model_max_length=16).save_pretrained(plain)
    reader = Transformer(str(plain), max_seq_length=16)
    model = SentenceTransformer(
        modules=[reader, Pooling(32, pooling_mode="mean")], device="cpu", prompts={"query": "query : ", "document": ""}
    )
    model.save(str(folder / "model"))
    return folder / "model"
