"""Texts of known documents: given as they are, or cut into the chunks of a release."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from builders.store.parquet import write_parquet
from builders.text.hashes import normalise, text_hash
from drama_train.pretraining.texts import TextDocument, Texts
from tests.release_making import manifest_of, write_manifest
from tests.training.small_release import WORDS, write_small_release


def documents(count: int, *, seed: int = 0, languages: Sequence[str] = ("en", "de")) -> list[TextDocument]:
    """Of 20 to 60 words in sentences and paragraphs; the languages take turns, unevenly."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        sentences = [f"{' '.join(draw.choices(WORDS, k=draw.randrange(4, 9)))} {number}." for _ in range(5)]
        text = "".join(sentence + draw.choice([" ", " ", "\n\n"]) for sentence in sentences).strip()
        language = languages[0 if number % 3 else (number // 3) % len(languages)]
        made.append(TextDocument(f"notes/{number:03}", language, text))
    return made


def as_texts(given: Sequence[TextDocument], *, name: str = "notes", content_hash: str = "") -> Texts:
    return Texts(name, name, content_hash or text_hash(repr(given)), lambda: iter(given))


def stopping(given: Sequence[TextDocument], after: int) -> Texts:
    """The same texts, of which a run reads so many and is stopped."""

    def read() -> Iterator[TextDocument]:
        yield from given[:after]
        raise KeyboardInterrupt

    return Texts("notes", "notes", text_hash(repr(given)), read)


def write_chunked(folder: Path, given: Sequence[TextDocument], *, without: Sequence[str] = ()) -> Path:
    """A release whose train corpus is these documents cut into their sentences, without the chunks of those ids."""
    write_small_release(folder)
    rows: list[dict[str, Any]] = []
    for document in given:
        spans = [found.span() for found in re.finditer(r"\S[^.]*\.", document.text)]
        rows += [_chunk(document, number, start, end) for number, (start, end) in enumerate(spans)]
    path = "corpus/train/00000.parquet"
    (folder / path).unlink()
    kept = [row for row in rows if row["chunk_id"] not in without]
    assert len(kept) == len(rows) - len(without)
    manifest = manifest_of(folder)
    files = [{"path": path} | write_parquet(folder / path, kept, "chunk")]
    manifest["configs"]["corpus"]["splits"]["train"] = {"rows": len(kept), "files": files}
    write_manifest(folder, "small", "v1.0.0", manifest["configs"])
    return folder


def write_beir(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _chunk(document: TextDocument, number: int, start: int, end: int) -> dict[str, Any]:
    text = document.text[start:end]
    return {
        "chunk_id": f"{document.document_id}#{number:04}",
        "document_id": document.document_id,
        "source": "notes",
        "title": "",
        "text": text,
        "start": start,
        "end": end,
        "sentence_starts": [0],
        "tokens": len(text.split()),
        "language": document.language,
        "language_confidence": 1.0,
        "licence": None,
        "text_hash": text_hash(text),
        "normalised_text_hash": text_hash(normalise(text)),
        "cluster_id": f"{document.document_id}#0000",
        "split": "train",
    }
