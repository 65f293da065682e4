"""The page's data: JSON, compressed and spelled in base64, within a given number of bytes."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from builders.cards.page_rows import PageRows

TEXTS = 4_000  # texts of a block: a page shows its rows before the last block is read


@dataclass(frozen=True)
class Block:
    """One element of data: its name, and the JSON as base64 of gzip."""

    name: str
    content: str

    def html(self) -> str:
        return f'<script type="application/octet-stream" data-name="{self.name}">{self.content}</script>\n'

    def __len__(self) -> int:
        return len(self.html())


def block(name: str, value: Any) -> Block:
    """Lone surrogates, which UTF-8 cannot hold, become JSON's own escapes; the same value is the same block."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    packed = gzip.compress(text.encode("utf-8", "backslashreplace"), compresslevel=6, mtime=0)
    return Block(name, base64.b64encode(packed).decode("ascii"))


def first_blocks(rows: PageRows) -> list[Block]:
    """What the list of rows and the detail of each need at least: the queries, their own chunks and positives."""
    blocks = [block("queries", part) for part in _parts(rows.query_texts())]
    blocks += [block("chunks", part) for part in _parts(list(rows.chunk_texts(0)))]
    replies = rows.replies()
    if any(reply is not None for reply in replies):
        blocks.append(block("replies", replies))
    return blocks


def negative_blocks(rows: PageRows, room: int) -> Iterator[tuple[int, Block]]:
    """(level, block) of the negatives' texts, first negatives first: whole levels, as many as there is room for."""
    for level in rows.levels():
        if level == 0:
            continue
        blocks = [block("chunks", part) for part in _parts(list(rows.chunk_texts(level)))]
        room -= sum(map(len, blocks))
        if room < 0:
            return
        yield from ((level, one) for one in blocks)


def _parts(texts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield from (texts[at : at + TEXTS] for at in range(0, len(texts), TEXTS))
