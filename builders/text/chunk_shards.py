"""The two passes over shards that make chunks: drafts with signatures, then rows with the merged clusters."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, rejection
from builders.store.versions import Version, read_rows
from builders.text.chunking import Chunk, chunk_text
from builders.text.duplicates import bands, minhashes, shingles, union_minhash
from builders.text.gates import not_text
from builders.text.hashes import normalise, text_hash
from builders.text.ingest import RAW_KEPT
from builders.text.languages import SURE, UNDETERMINED, identify, language_of_document
from builders.text.tokens import load_tokenizer

# Code and tables still have words in them; blobs, rulers and rows of numbers do not.
LEAST_LETTERS = 0.4
# Chunks whose shingles are held at once: about 15 kB a chunk, and a document may have thousands.
AT_ONCE = 500


@dataclass(frozen=True)
class Drafts:
    """Documents -> chunks without global facts. Called with the number of a shard of `documents`."""

    documents: Version
    tokenizer: Path
    max_tokens: int

    def __call__(self, shard: int) -> ShardResult:
        result = ShardResult([])
        rows: list[dict[str, Any]] = []
        for document in read_rows(self.documents.shards()[shard]):
            result.rows_in += 1
            rows.extend(self._chunks(document, result))
        for start in range(0, len(rows), AT_ONCE):
            block = rows[start : start + AT_ONCE]
            for row, minhash in zip(block, minhashes([shingles(row["normalised"]) for row in block]), strict=True):
                row["minhash"] = minhash
        for _, group in groupby(rows, key=lambda row: row["document_id"]):
            chunks = list(group)
            whole = bands(union_minhash([row["minhash"] for row in chunks]))
            for i, row in enumerate(chunks):
                del row["normalised"]
                row["bands"] = bands(row.pop("minhash"))
                row["document_bands"] = whole if i == 0 else None
                result.rows.append(row)
        return result

    def _chunks(self, document: dict[str, Any], result: ShardResult) -> Iterator[dict[str, Any]]:
        text = document["text"]
        if fault := not_text(text, 0.0):  # one endless word: not worth cutting, which takes a minute for 50 MB of it
            row_id = f"{document['document_id']}#0000"
            result.rejected.append(rejection(row_id, "not_text", fault, text[:RAW_KEPT]))
            return
        own = language_of_document(text, document["language"])
        chunks = chunk_text(text, own, load_tokenizer(self.tokenizer), self.max_tokens)
        result.counts["sentences"] += sum(len(c.sentence_starts) for c in chunks)
        for number, chunk in enumerate(chunks):
            row = _draft(document, number, chunk, own)
            fault = not_text(row["text"], LEAST_LETTERS) or _no_language(row["language"])
            if fault:
                result.rejected.append(rejection(row["chunk_id"], "not_text", fault, row["text"][:RAW_KEPT]))
            else:
                result.counts[f"language:{row['language']}"] += 1
                yield row


def _no_language(language: str) -> str | None:
    """What the identifier calls zxx is a certificate, a dump: no language, though it may look like letters."""
    return "it is in no language" if language == "zxx" else None


def _chunk_language(text: str, document_language: str) -> tuple[str, float]:
    """(language, probability): the chunk's own where that is sure, else the document's with probability 0."""
    language, confidence = identify(text)
    if confidence >= SURE or document_language in (language, UNDETERMINED):
        return language, confidence
    return document_language, 0.0


def _draft(document: dict[str, Any], number: int, chunk: Chunk, document_language: str) -> dict[str, Any]:
    text = document["text"][chunk.start : chunk.end]
    normalised = normalise(text)
    language, confidence = _chunk_language(text, document_language)
    return {
        "chunk_id": f"{document['document_id']}#{number:04d}",
        "document_id": document["document_id"],
        "source": document["source"],
        "title": document["title"],
        "text": text,
        "start": chunk.start,
        "end": chunk.end,
        "sentence_starts": [start - chunk.start for start in chunk.sentence_starts],
        "tokens": chunk.tokens,
        "language": language,
        "language_confidence": confidence,
        "licence": document["licence"],
        "text_hash": text_hash(text),
        "normalised_text_hash": text_hash(normalised),
        "normalised": normalised,
    }


@dataclass(frozen=True)
class Chunks:
    """Drafts and their merged clusters -> chunks. Called with the number of a shard of `signatures`."""

    signatures: Version
    clusters: Version

    def __call__(self, shard: int) -> ShardResult:
        path = self.signatures.shards()[shard]
        before = [p for p in self.signatures.rejected_shards() if p.name == path.name]
        result = ShardResult([], [row for p in before for row in read_rows(p)])
        result.rows_in = len(result.rejected)
        drafts = read_rows(path)
        clusters = read_rows(self.clusters.shards()[shard])
        for row, cluster in zip(drafts, clusters, strict=True):
            result.rows_in += 1
            if cluster["twin_in_train"]:
                detail = f"held out, and near-duplicate of a train chunk of cluster {cluster['cluster_id']}"
                result.rejected.append(rejection(row["chunk_id"], "twin_in_train", detail, row["text"][:RAW_KEPT]))
                continue
            del row["bands"], row["document_bands"]
            row["cluster_id"], row["split"] = cluster["cluster_id"], cluster["split"]
            result.rows.append(row)
            result.counts[f"language:{row['language']}"] += 1
            result.counts[f"split:{row['split']}"] += 1
        return result
