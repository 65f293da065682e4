"""Opening of files, compressed or not, and the hash of what they hold."""

import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Row = TypeVar("Row")

# What a file that is cut short or damaged raises while it is read.
DAMAGE = (EOFError, OSError)

# Part of every fingerprint: raise it when a reader comes to yield other documents for the same bytes.
READERS_REVISION = 1

BLOCK = 1 << 20  # bytes
COMPRESSED_BLOCK = 1 << 15  # bytes; of deflate they become 32 MB at most
COMPRESSIONS = (".gz", ".zst")


def ending(path: Path) -> str:
    """The ending that tells the format, in lower case and without that of a compression: ".jsonl" of "A.JSONL.gz"."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def open_bytes(path: Path) -> BinaryIO:
    """The decompressed bytes of `path`. Reading raises one of DAMAGE where the file is cut short or damaged."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        gzip_header = 16 + zlib.MAX_WBITS
        return io.BufferedReader(_Decompressed(path, lambda: zlib.decompressobj(gzip_header), zlib.error), BLOCK)
    if suffix == ".zst":
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        return io.BufferedReader(_Decompressed(path, decompressor.decompressobj, zstandard.ZstdError), BLOCK)
    return path.open("rb")


def undamaged(file: Path, rows: Iterator[Row]) -> Iterator[Row]:
    """All of `rows`, which are read from `file`. Raises UserError where it is cut short or damaged."""
    whole = 0
    try:
        for row in rows:
            yield row
            whole += 1
    except DAMAGE as error:
        raise UserError(
            f"{file} is cut short or damaged ({error}) after {whole} whole rows: fetch it, or compress it, again."
        ) from error


def refuse_utf16(stream: BinaryIO, place: str) -> None:
    """Raise UserError where a table starts with the mark of UTF-16, which spreadsheets write."""
    start = stream.peek(2)[:2] if isinstance(stream, io.BufferedReader) else b""
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{place} is UTF-16, not UTF-8: convert it with iconv -f UTF-16 -t UTF-8.")


def fingerprint(parts: Iterable[str]) -> str:
    """A hash of `parts` in their order, and of the revision of the readers."""
    digest = hashlib.blake2b(str(READERS_REVISION).encode(), digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """The blake2b hash of the bytes of a file, as they are on disk. Raises UserError where it may not be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it readable, or move it away.") from error


class _Decompressed(io.RawIOBase):
    """The bytes of a compressed file, frame after frame.

    Unlike gzip.open and zstandard's stream reader it hands over all that comes before the fault of a damaged file, and
    takes a frame that is cut for a fault.
    """

    def __init__(self, path: Path, new_frame: Callable[[], Any], error: type[Exception]) -> None:
        self._new_frame = new_frame
        self._error = error
        self._frame: Any = None
        self._file = path.open("rb")
        self._compressed = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._plain:
            self._compressed = self._compressed or self._file.read(COMPRESSED_BLOCK)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("it ends within its compressed data")
                return 0
            self._decompress()
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._plain))
        view[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _decompress(self) -> None:
        if self._frame is None:
            # gzip files on tapes and in blocks are padded with zeros, with which no frame begins.
            self._compressed = self._compressed.lstrip(b"\0")
            if not self._compressed:
                return
            self._frame = self._new_frame()
        try:
            self._plain = memoryview(self._frame.decompress(self._compressed))
        except self._error as error:
            raise OSError(f"its compressed data is wrong: {error}") from error
        self._compressed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None

    def close(self) -> None:
        self._file.close()
        super().close()
