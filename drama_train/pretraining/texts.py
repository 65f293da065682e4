"""Texts to train a language model on: a release's chunks, files that builders read, or a data set of the Hub."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.store.parquet import storable
from builders.text.cleaning import clean, clean_line
from builders.text.documents import BadRow, Document, Source
from builders.text.ingest import declared_language
from builders.text.languages import language_of_document
from builders.text.readers import open_source
from drama_train.training.releases import Release, open_release

CHUNKS_AT_ONCE = 2_000
_COLUMNS = ("chunk_id", "document_id", "text", "start", "end", "language")
_HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+(?:@[^@:\s]+)?)(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?")


@dataclass(frozen=True, slots=True)
class TextDocument:
    """language: an ISO 639 code, or und where nothing tells."""

    document_id: str
    language: str
    text: str


@dataclass(frozen=True)
class Texts:
    """`documents` streams them in one fixed order and may be called again; the hash changes when any of them does.

    licence: of a release, as an SPDX expression.
    """

    place: str
    name: str
    content_hash: str
    documents: Callable[[], Iterator[TextDocument]]
    licence: str | None = None

    def told(self) -> dict[str, str]:
        """Which they are: others make other weights."""
        return {"name": self.name, "content_hash": self.content_hash}

    def recorded(self) -> dict[str, str | None]:
        """What is recorded of them beside weights that learned from them."""
        return {**self.told(), "licence": self.licence}


def open_texts(place: str) -> Texts:
    """The texts of a place, none of them read yet.

    `hf://owner/name@revision`, or a folder with a manifest.json: a release, whose chunks for training are joined to
    documents; what it holds out stays unseen. `hub:owner/name@revision:config:split`: any data set of the Hub with a
    column of texts. Anything else is what `builders.corpus` reads. Of those two the language is the declared one, where
    the text does not surely speak another. UserError where nothing that can be read is there.
    """
    if place.startswith("hf://") or (Path(place) / "manifest.json").is_file():
        return _of_release(open_release(place))
    if place.startswith("hub:"):
        named = _HUB.fullmatch(place)
        if named is None:
            raise UserError(
                f"{place} names no data set: write hub:owner/name or hub:owner/name:config:split.", exit_code=2
            )
        source = open_source(f"hf://{named['repo']}", config=named["config"] or None, split=named["split"] or "train")
    else:
        source = open_source(place)
    return Texts(place, source.name, source.fingerprint, lambda: _of_source(source))


def _of_release(release: Release) -> Texts:
    if not release.files("corpus", "train"):
        raise UserError(f"{release.place} has no chunk for training: name a release that has some.")
    licence = release.manifest["licence"]
    return Texts(release.place, release.name, release.content_hash, lambda: _joined(_chunks(release)), licence)


def _chunks(release: Release) -> Iterator[dict[str, object]]:
    import pyarrow.parquet as pq

    for path in release.files("corpus", "train"):
        for batch in pq.ParquetFile(path).iter_batches(CHUNKS_AT_ONCE, columns=list(_COLUMNS)):
            yield from batch.to_pylist()


def _joined(chunks: Iterator[dict[str, object]]) -> Iterator[TextDocument]:
    """Chunks that follow each other in their document become one text; across a gap, nobody wrote one.

    A chunk's number stands at the end of its id. Documents are clean, so that one character between two chunks, which
    is white space and not kept, is a blank or a line's end, and more of them hold an empty line.
    """
    held: list[dict[str, object]] = []
    for chunk in chunks:
        if held and not _follows(held[-1], chunk):
            yield _document(held)
            held = []
        held.append(chunk)
    if held:
        yield _document(held)


def _follows(before: dict[str, object], chunk: dict[str, object]) -> bool:
    numbers = [str(one["chunk_id"]).rpartition("#")[2] for one in (before, chunk)]
    known = before["document_id"] == chunk["document_id"] and all(one.isdecimal() for one in numbers)
    return known and int(numbers[1]) == int(numbers[0]) + 1


def _document(chunks: list[dict[str, object]]) -> TextDocument:
    """In the language of most of its characters."""
    text, end, languages = "", int(str(chunks[0]["start"])), Counter[str]()
    for chunk in chunks:
        gap = int(str(chunk["start"])) - end
        text += ("" if gap < 1 else " " if gap == 1 else "\n\n") + str(chunk["text"])
        end = int(str(chunk["end"]))
        languages[str(chunk["language"])] += len(str(chunk["text"]))
    return TextDocument(str(chunks[0]["document_id"]), languages.most_common(1)[0][0], text)


def _of_source(source: Source) -> Iterator[TextDocument]:
    """Cleaned as `builders.corpus` cleans them, each below its title. Rows that are no text are told of at the end."""
    bad: Counter[str] = Counter()
    for item in source.read():
        document = _read(source, item)
        if document is not None:
            yield document
        else:
            bad[item.reason if isinstance(item, BadRow) else "empty"] += 1
    if bad:
        told = ", ".join(f"{count:,} {reason}" for reason, count in bad.most_common())
        say(f"{source.name}: rows that are no text: {told}")


def _read(source: Source, item: Document | BadRow) -> TextDocument | None:
    if isinstance(item, BadRow):
        return None
    text, _ = clean(item.text)
    if not text:
        return None
    language = language_of_document(text, declared_language(item.language, Counter()))
    title = clean_line(item.title)
    if title and title not in text[: 2 * len(title) + 20]:  # pages begin with theirs already
        text = f"{title}\n{text}"
    return TextDocument(storable(f"{source.name}/{item.id}"), language, text)
