"""Rows of candidates, shard by shard of the queries: each is a pure function of its queries and all chunks."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.retrieval.rankings import NO_DOCUMENT, Ranking
from builders.retrieval.reach import Reach, reach_of
from builders.retrieval.retrievers import Approximate, Batch, Dense, Fused, Retriever, Words
from builders.retrieval.vectors import Vectors, document_order, encode_shards, encode_version
from builders.store.building import Building, TableResult, rejection
from builders.store.schemas import arrow_schema, columns
from builders.store.versions import Version, read_table
from builders.text.queries import Sample

if TYPE_CHECKING:
    import pyarrow as pa

    from builders.candidates import Candidates
    from builders.retrieval.approximate import Recall
    from builders.retrieval.encoders import Encoder

# Queries that are searched in one pass over the chunks: small shards together, so that each pass is worth reading them.
AT_ONCE = 16_384
# Groups whose recall is told one by one.
_WORST = 3
_FROM_QUERY = ["query_id", "chunk_id", "document_id", "source", "method", "language", "split", "normalised_text_hash"]


@dataclass
class Mining:
    """What is searched for what, and how."""

    config: "Candidates"
    queries: Version
    chunks: Version
    sample: Sample
    encoder: "Encoder | None"
    retriever_name: str
    usage: dict[str, Any] = field(default_factory=dict)

    def write(self, made: Building) -> tuple[int, dict[str, Any]]:
        """Encode what has no vector yet, search for every shard that is not there yet, write it."""
        ids, numbers = document_order(self.chunks)
        reach = reach_of(self.chunks, numbers, self.config.within)
        vectors = self._query_vectors()
        retriever = self._retriever(numbers, reach)
        shards = len(self.queries.shards())
        missing = [shard for shard in range(shards) if not made.is_done(shard)]
        total = min(self.queries.manifest["rows"]["out"], self.config.limit or sys.maxsize)
        with Progress("candidates", total, unit="queries") as progress:
            progress.skip(sum(len(self._chosen(shard)) for shard in range(shards) if made.is_done(shard)))
            for group in self._groups(missing):
                start = time.perf_counter()
                own = np.concatenate([_own_numbers(rows, ids) for _, rows in group])
                ranking = self._search(retriever, reach, group, vectors, own)
                share = (time.perf_counter() - start) / len(group)
                first = 0
                for shard, rows in group:
                    part = slice(first, first + len(rows))
                    made.write(shard, self._rows(rows, ranking, part, own[part], ids), share)
                    first = part.stop
                    progress.step(len(rows))
        return shards, self.usage

    def _groups(self, shards: list[int]) -> "Iterator[list[tuple[int, pa.Table]]]":
        group: list[tuple[int, pa.Table]] = []
        most = float("inf") if self.config.ann else AT_ONCE  # an index is built for each group
        for shard in shards:
            group.append((shard, self._chosen(shard)))
            if sum(len(rows) for _, rows in group) >= most:
                yield group
                group = []
        if group:
            yield group

    def _chosen(self, shard: int) -> "pa.Table":
        table = read_table(self.queries.shards()[shard], [*_FROM_QUERY, "text"])
        ids: list[Any] = table.column("query_id").to_pylist()
        chosen = [query_id in self.sample for query_id in ids]
        return table if all(chosen) else table.filter(chosen)

    def _search(
        self,
        retriever: Retriever,
        reach: Reach,
        group: "list[tuple[int, pa.Table]]",
        vectors: Vectors | None,
        own: NDArray[np.int64],
    ) -> Ranking:
        import pyarrow as pa

        table = pa.concat_tables([rows for _, rows in group])
        stored = None if vectors is None else _joined(vectors, [shard for shard, rows in group if len(rows)])
        texts: list[Any] = table.column("text").to_pylist()
        batch = Batch(texts, stored)
        k = self.config.k
        scores = np.full((len(table), k), -np.inf, np.float32)
        indices = np.full((len(table), k), NO_DOCUMENT)
        is_train = np.asarray(table.column("split").to_pylist(), dtype=object) == "train"
        for rows, restriction in reach.parts(is_train, own):
            found = retriever.search(batch.rows(rows), k, restriction)
            scores[rows], indices[rows] = found.scores, found.indices
        return Ranking(scores, indices)

    def _rows(
        self, queries: "pa.Table", ranking: Ranking, part: slice, own: NDArray[np.int64], ids: "pa.Array[Any]"
    ) -> TableResult:
        import pyarrow as pa

        indices, scores = ranking.indices[part], ranking.scores[part].astype(np.float64).round(6)
        hit = indices == own[:, None]
        own_rank = pa.array(hit.argmax(axis=1) + 1, mask=~hit.any(axis=1), type=pa.int32())
        there = indices != NO_DOCUMENT
        ends = pa.array(np.concatenate([[0], there.sum(axis=1).cumsum()]), pa.int32())
        table = queries.select(_FROM_QUERY)
        table = table.append_column("retriever", pa.repeat(self.retriever_name, len(queries)))
        table = table.append_column("own_rank", own_rank)
        table = table.append_column("chunk_ids", pa.ListArray.from_arrays(ends, ids.take(pa.array(indices[there]))))
        table = table.append_column("scores", pa.ListArray.from_arrays(ends, pa.array(scores[there])))
        found = there.any(axis=1)
        rejected = _rejected(queries.filter(pa.array(~found)))
        counts = Counter(in_reach_of_fewer=int((there.sum(axis=1) < self.config.k).sum()))
        kept = table.filter(pa.array(found)).select(columns("candidates"))
        return TableResult(kept, rejected, counts, len(queries))

    def _query_vectors(self) -> Vectors | None:
        if self.encoder is None:
            return None
        if self.config.limit is None:
            return self._counted("queries", encode_version(self.encoder, "query", self.config.data, self.queries))

        def read(shard: int) -> tuple[list[str], list[str]]:
            rows = self._chosen(shard).to_pylist()
            return [row["query_id"] for row in rows], [row["text"] for row in rows]

        name = f"{self.queries.table}-{self.queries.name}-text-{self.config.limit}-of-seed-{self.config.seed}"
        shards = len(self.queries.shards())
        return self._counted("queries", encode_shards(self.encoder, "query", self.config.data, name, shards, read))

    def _retriever(self, numbers: NDArray[np.int64], reach: Reach) -> Retriever:
        parts: list[Retriever] = []
        if self.encoder is not None:
            fields = ("title", "text") if self.config.titles else ("text",)
            documents = encode_version(self.encoder, "document", self.config.data, self.chunks, fields)
            parts.append(self._dense(self._counted("chunks", documents), numbers, reach))
            self.encoder.close()  # its memory is free for the search
        if self.config.retriever != "dense":
            parts.append(self._words(numbers))
        return parts[0] if len(parts) == 1 else Fused(tuple(parts))

    def _dense(self, documents: Vectors, numbers: NDArray[np.int64], reach: Reach) -> Retriever:
        limit = int(self.config.memory * 1e9)
        if self.config.ann:
            measured = partial(self._measured, reach)
            return Approximate(documents, numbers, self.config.ann, self.config.effort, limit, measured)
        return Dense(documents, numbers, limit, _device())

    def _words(self, numbers: NDArray[np.int64]) -> Retriever:
        from builders.retrieval.bm25 import BM25

        say(f"bm25: indexing {len(numbers):,} chunks")
        fields = ["title", "text"] if self.config.titles else ["text"]

        def texts() -> Iterator[str]:
            for shard in self.chunks.shards():
                for row in read_table(shard, fields).to_pylist():
                    yield "\n".join(row[field] for field in fields if row[field])

        return Words(BM25(texts(), numbers))

    def _measured(self, reach: Reach, recall: "Recall") -> None:
        """Says it, the worst groups by name, and keeps the lowest."""
        self.usage["recall"] = round(min(self.usage.get("recall", 1.0), recall.recall), 6)
        worst = sorted(recall.by_group.items(), key=lambda item: item[1])[:_WORST] if self.config.within else []
        named = (
            "; lowest in " + ", ".join(f"{reach.names[group]} {share:.4f}" for group, share in worst) if worst else ""
        )
        say(f"ann: recall {recall.recall:.4f} of the exact top {recall.k} on {recall.queries:,} queries{named}")

    def _counted(self, what: str, vectors: Vectors) -> Vectors:
        self.usage |= {f"{what}_encoded": vectors.encoded, f"{what}_truncated": vectors.truncated}
        assert self.encoder is not None
        if vectors.truncated:
            longer = f"{vectors.truncated:,} of {vectors.encoded:,} {what}"
            say(f"Warning: {longer} are longer than {self.encoder.model.id} reads, and were cut.")
        return vectors


def _joined(vectors: Vectors, shards: list[int]) -> NDArray[Any]:
    """(n, dim): a shard without a text has no dimension of its own."""
    return np.concatenate([np.empty((0, vectors.dim), np.float16), *(vectors.shard(shard) for shard in shards)])


def _own_numbers(queries: "pa.Table", ids: "pa.Array[Any]") -> NDArray[np.int64]:
    import pyarrow.compute as pc

    places: Any = pc.index_in(queries.column("chunk_id"), value_set=ids)
    if places.null_count:
        lost = queries.filter(places.is_null()).to_pylist()
        raise UserError(
            f"{len(lost)} queries are of chunks that their version of chunks does not hold (the first: "
            f"{lost[0]['query_id']}): make the queries again."
        )
    numbers: NDArray[np.int64] = places.to_numpy().astype(np.int64)
    return numbers


def _rejected(queries: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    detail = "no chunk in its reach matches it"
    rows = [rejection(row["query_id"], "no_candidates", detail, row["text"]) for row in queries.to_pylist()]
    return pa.Table.from_pylist(rows, schema=arrow_schema("rejection"))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
