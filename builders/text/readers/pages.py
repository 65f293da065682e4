"""Text, Markdown, reStructuredText and HTML files, each of which is one document."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.readers.html import declared_encoding, html_text
from builders.text.readers.markdown import markdown_text
from builders.text.readers.opening import content_hash, fingerprint
from builders.text.readers.restructured import restructured_text
from builders.text.readers.rows import undecoded_at, writable

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_pages(name: str, root: Path, files: list[Path]) -> Source:
    """One document for each of `files`, in that order, named by its path below `root`."""
    ids = [file.relative_to(root).as_posix() for file in files]
    parts = [part for id_, file in zip(ids, files, strict=True) for part in (id_, content_hash(file))]

    def read() -> Iterator[Document | BadRow]:
        for id_, file in zip(ids, files, strict=True):
            yield _page(id_, file)

    return Source("pages", name, fingerprint(["pages", *parts]), read)


def _page(id_: str, file: Path) -> Document | BadRow:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): make it readable, or move it away.") from error
    suffix = file.suffix.lower()
    try:
        text = _decoded(data, suffix in (".html", ".htm"))
    except UnicodeDecodeError as error:
        fault = f"byte 0x{data[error.start]:02x} at byte {error.start} of the file is not UTF-8"
        return BadRow(id_, "not_utf8", fault, writable(data[:2000].decode("utf-8", "backslashreplace")))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    match suffix:
        case ".html" | ".htm":
            title, text = html_text(text)
        case ".md":
            title, text = markdown_text(text)
        case ".rst":
            title, text = restructured_text(text)
        case _:
            title = ""
    if not text.strip():
        return BadRow(id_, "empty", "the file has no text", "")
    undecoded = undecoded_at(title) or undecoded_at(text)  # an HTML reference such as &#xD800;
    if undecoded:
        return BadRow(id_, "not_utf8", undecoded, writable(text))
    return Document(id_, text, id_, title)


def _decoded(data: bytes, is_html: bool) -> str:
    """The text of a file in UTF-8, in UTF-16 with its mark, or, for HTML, in the encoding that it declares."""
    if data.startswith(UTF16_MARKS):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding = declared_encoding(data) if is_html else None
        if encoding is None:
            raise
        return data.decode(encoding)
