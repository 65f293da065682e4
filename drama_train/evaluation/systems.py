"""A system on a set: what it finds for each query, by the whole of its vectors and by their first dimensions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say
from drama_train.evaluation.encoders import RetrieverEncoder, TextEncoder, open_encoder
from drama_train.evaluation.search import Rankings, document_numbers, vector_rankings, word_rankings
from drama_train.evaluation.specs import Spec

if TYPE_CHECKING:
    from builders.retrieval.vectors import Vectors
    from drama_train.evaluation.sets import EvaluationSet

SHARD = 16_384  # documents encoded between two files


@dataclass
class System:
    """A spec that can be asked. work: the folder where vectors are kept. dims: further dimensions to search by."""

    spec: Spec
    work: Path
    device: str = "cpu"
    max_length: int | None = None
    dims: Sequence[int] = ()
    _encoders: dict[int | None, TextEncoder] = field(default_factory=dict)

    def identity(self, searched: "EvaluationSet") -> dict[str, Any]:
        """All that determines what is found on that set, but for the set and the dimension."""
        if self.spec.kind == "bm25":
            from builders.retrieval.bm25 import NAME

            return {"engine": NAME}
        encoder = self._encoder(searched)
        return {role: encoder.identity(role) for role in ("query", "document")}

    def revision(self) -> str:
        """Of the model's weights; of BM25, its variant and constants."""
        if self.spec.kind == "bm25":
            from builders.retrieval.bm25 import NAME

            return NAME
        return self._plain().model.revision

    def model_name(self) -> str:
        """The model's id, or the last part of its folder."""
        return self.spec.kind if self.spec.kind == "bm25" else self._plain().model.id

    def settings(self) -> dict[str, Any]:
        """{query, document: what determines the vectors} where a set asks for no other length; {} for BM25."""
        if self.spec.kind == "bm25":
            return {}
        return {role: self._plain().identity(role) for role in ("query", "document")}

    def widths(self) -> list[int | None]:
        """The dimensions that it is searched by, the whole first; [None] for BM25."""
        if self.spec.kind == "bm25":
            return [None]
        encoder = self._plain()
        trained: Sequence[int] = encoder.retriever.settings.dims if isinstance(encoder, RetrieverEncoder) else ()
        shorter = {dim for dim in self.dims or trained if dim < encoder.dim}
        return [encoder.dim, *sorted(shorter, reverse=True)]

    def not_run(self, max_length: int | None) -> str | None:
        """Why a set that must be read to `max_length` tokens would mean nothing for it, or None."""
        if max_length is None or self.spec.kind == "bm25":
            return None
        longest = self._plain().longest
        if longest is None or longest >= max_length:
            return None
        return f"reads {longest:,} tokens"

    def rankings(
        self, searched: "EvaluationSet", dims: Sequence[int | None]
    ) -> "Iterator[tuple[int | None, Rankings]]":
        """(dim, what is found by so many dimensions), for each of `dims`; texts are encoded once, vectors kept."""
        if self.spec.kind == "bm25":
            yield None, word_rankings(searched)
            return
        import numpy as np

        queries = self._vectors(searched, searched.queries, "query")
        documents = self._vectors(searched, searched.documents, "document")
        asked = np.concatenate([vectors for _, vectors in queries.blocks()])
        _, numbers = document_numbers(searched)
        for dim in dims:
            yield dim, vector_rankings(searched, asked, documents.blocks(numbers), dim, self.device)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document; of BM25, which has no tokenizer, nobody may ask."""
        return self._plain().token_counts(texts)

    def close(self) -> None:
        """Lets go of the weights."""
        for encoder in self._encoders.values():
            encoder.close()
        self._encoders.clear()

    def _plain(self) -> TextEncoder:
        return self._opened(self.max_length)

    def _encoder(self, searched: "EvaluationSet") -> TextEncoder:
        """Texts of a set that must be read whole are read as far as the model can: its tokens may be more."""
        return self._opened(self.max_length if searched.max_length is None else self._plain().longest)

    def _opened(self, max_length: int | None) -> TextEncoder:
        if max_length not in self._encoders:
            own = self._encoders.get(self.max_length)
            self._encoders[max_length] = (
                own.reading(max_length)
                if isinstance(own, RetrieverEncoder)
                else open_encoder(self.spec, device=self.device, max_length=max_length)
            )
        return self._encoders[max_length]

    def _vectors(self, searched: "EvaluationSet", texts: Mapping[str, str], role: str) -> "Vectors":
        from builders.retrieval.vectors import encode_shards

        ids = list(texts)

        def read(shard: int) -> tuple[list[str], list[str]]:
            part = ids[shard * SHARD : (shard + 1) * SHARD]
            return part, [texts[id_] for id_ in part]

        name = f"{_file_name(searched.name)}-{blake2b(searched.revision.encode(), digest_size=6).hexdigest()}-{role}"
        shards = -(-len(ids) // SHARD)
        encoder = self._encoder(searched)
        made = encode_shards(encoder, role, self.work, name, shards, read, total=len(ids))  # type: ignore[arg-type]
        if made.truncated:
            say(f"{self.spec.name} cut {made.truncated:,} of {len(ids):,} texts ({role}) at the tokens that it reads")
        return made


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60]
