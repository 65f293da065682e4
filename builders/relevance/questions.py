"""What a judge is asked about: a query with the texts of its first candidates, read for one shard of candidates."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.store.versions import Version, read_rows
from builders.text.queries import Sample
from builders.text.tokens import EMBEDDED, find_tokenizer, load_tokenizer

# A passage's own [3] would look like an identifier, to the judge and in a reply that repeats it.
_OWN_MARK = re.compile(r"\[(\s*\d+\s*)\]")


@dataclass(frozen=True)
class Question:
    """A row of candidates, cut to the first k, with the query and the passages, the retriever's first first."""

    row: Mapping[str, Any]
    query: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """A version of candidates and the very versions that it was made from."""

    candidates: Version
    queries: Version
    chunks: Version

    def questions(self, shard: int, sample: Sample, k: int, passage_tokens: int) -> list[Question]:
        """The sampled rows of a shard; one with fewer than two candidates has no passages."""
        rows = [row for row in read_rows(self.candidates.shards()[shard]) if row["query_id"] in sample]
        rows = [row | {"chunk_ids": row["chunk_ids"][:k], "scores": row["scores"][:k]} for row in rows]
        judged = [row for row in rows if len(row["chunk_ids"]) > 1]
        queries = self._texts(self.queries, "query_id", (row["query_id"] for row in judged))
        chunks = self._texts(self.chunks, "chunk_id", (chunk for row in judged for chunk in row["chunk_ids"]))
        cut = {chunk_id: self._cut(text, tokens, passage_tokens) for chunk_id, (text, tokens) in chunks.items()}
        return [
            Question(row, queries[row["query_id"]][0], tuple(cut[chunk] for chunk in row["chunk_ids"]))
            if len(row["chunk_ids"]) > 1
            else Question(row, "", ())
            for row in rows
        ]

    def _texts(self, version: Version, key: str, wanted: Iterable[str]) -> dict[str, tuple[str, int]]:
        """{id: (text, tokens)}, of all ids that are wanted; 0 tokens where the table does not count them."""
        import polars as pl

        ids = sorted(set(wanted))
        if not ids:
            return {}
        tokens = pl.col("tokens") if version.table == "chunks" else pl.lit(0)
        scanned = pl.scan_parquet(version.shards(), glob=False).filter(pl.col(key).is_in(ids))
        found = scanned.select(key, "text", tokens.alias("tokens")).collect(engine="streaming")
        texts = {row_id: (text, count) for row_id, text, count in found.iter_rows()}
        if missing := [row_id for row_id in ids if row_id not in texts]:
            raise UserError(
                f"{self.candidates} names {missing[0]!r}, which {version} does not hold: build candidates again."
            )
        return texts

    def _cut(self, text: str, tokens: int, most: int) -> str:
        """The first `most` tokens of the tokenizer that counted them."""
        if tokens <= most:
            return text
        ends = load_tokenizer(self._tokenizer).encode(text, add_special_tokens=False).offsets
        return text[: ends[most - 1][1]].rstrip() if len(ends) > most else text

    @cached_property
    def _tokenizer(self) -> Path:
        """The file of the tokenizer that the chunks were counted with; UserError where it is not here."""
        name = str(self.chunks.manifest["facts"].get("tokenizer"))
        config = self.chunks.manifest["identity"]["config"]
        # One that was given as a file goes by the file's name, which says where it is in the same folder alone.
        if name == EMBEDDED or "/" in name or Path(name).exists():
            found = find_tokenizer(name)
            if found.fingerprint == config.get("tokenizer"):
                return found.file
        raise UserError(
            f"The tokenizer {name} that {self.chunks} was counted with is not here to cut passages: run this in the "
            f"folder that holds it, or give --passage-tokens {config.get('max_tokens', 'as many as the longest has')}, "
            "with which nothing is cut.",
            exit_code=2,
        )


def find_sources(candidates: Version) -> Sources:
    """The queries and chunks among the inputs of candidates; UserError where they no longer hold the same rows."""
    found = {version.table: version for version in candidates.inputs()}
    return Sources(candidates, found["queries"], found["chunks"])


def without_marks(text: str) -> str:
    """The text with (3) for its own [3]."""
    return _OWN_MARK.sub(r"(\1)", text)
