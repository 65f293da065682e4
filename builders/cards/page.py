"""report.html: what a release holds and how it was made, in one file that asks nothing of a network."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from builders.cards.page_blocks import Block, block, first_blocks, negative_blocks
from builders.cards.page_rows import PageRows, collect_rows, open_tables
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.store.duck import duckdb_connection
from builders.store.parquet import write_bytes
from builders.store.version_sets import VersionSet

PARTS = Path(__file__).with_name("page")
# One script, in this order.
SCRIPTS = (
    "data",
    "text",
    "elements",
    "charts",
    "report",
    "sections",
    "distributions",
    "search",
    "detail",
    "origin",
    "rows",
    "start",
)
# What the list of rows needs stands before the script, which begins while the rest of the page is still being read.
FIRST = ("list", "queries")
SLACK = 1_000  # bytes that the statement of what was left out may need


def write_page(
    path: Path,
    facts: Mapping[str, Any],
    versions: VersionSet,
    rows: int = 10_000,
    bytes_limit: int = 20_000_000,
    *,
    memory: str = "1GB",
) -> None:
    """Write the page of a release: its facts, and at most `rows` of its triplets, in at most `bytes_limit` bytes.

    Rows are drawn per method, language and source; where the limit would be passed, texts of the last negatives are
    left out, then rows. The page says what was. UserError where the limit holds not one row.
    """
    frame = _frame(str(facts["name"]), str(facts["release"]))
    told = block("facts", dict(facts))
    room = bytes_limit - len(frame.encode()) - len(told) - SLACK
    with duckdb_connection(memory, spill=path.parent) as db:
        data = _fitting(db, versions, rows, room, bytes_limit)
    first = [one for one in data if one.name in FIRST]
    more = [one for one in data if one.name not in FIRST]
    written = _filled(_filled(frame, _DATA, [told, *first]), _MORE_DATA, more).encode()
    write_bytes(path, written)
    say(f"{path.name}: {len(written):,} bytes")


def _fitting(db: Any, versions: VersionSet, rows: int, room: int, bytes_limit: int) -> list[Block]:
    counts = open_tables(db, versions)
    asked = min(rows, sum(counts.values()))
    while True:
        page_rows = collect_rows(db, versions, counts, asked)
        first = first_blocks(page_rows)
        first += [_list_block(page_rows, 0, 0, bytes_limit), block("index", page_rows.index)]
        needed = sum(map(len, first))
        if needed <= room:
            break
        if asked <= 1 or room <= 0:
            raise UserError(
                f"A page of {bytes_limit:,} bytes holds not one row beside the facts of the release: allow more.",
                exit_code=2,
            )
        asked = max(min(int(asked * room / needed * 0.9), asked - 1), 1)
    return _with_negatives(page_rows, first, room - needed, bytes_limit)


def _with_negatives(page_rows: PageRows, first: Sequence[Block], room: int, bytes_limit: int) -> list[Block]:
    further = list(negative_blocks(page_rows, room))
    levels = page_rows.levels()
    reached = max((level for level, _ in further), default=0)
    texts = page_rows.db.execute("SELECT count(*) FROM page_chunks WHERE level <= ?", [reached]).fetchall()[0][0]
    is_whole = reached == max(levels, default=0)
    listed = _list_block(page_rows, texts, None if is_whole else reached, bytes_limit)
    return [listed, *(one for one in first if one.name != "list"), *(one for _, one in further)]


def _list_block(page_rows: PageRows, texts: int, levels: int | None, bytes_limit: int) -> Block:
    """`levels`: how many negatives of each row have their texts, None for all."""
    said = page_rows.said | {"texts": texts, "levels": levels, "bytes": bytes_limit}
    return block("list", {"said": said, "rows": page_rows.listed})


_DATA, _MORE_DATA = "<!-- data -->", "<!-- more data -->"


def _filled(page: str, place: str, blocks: Sequence[Block]) -> str:
    return page.replace(place, "".join(one.html() for one in blocks))


def _frame(name: str, release: str) -> str:
    """The page without data: styles and script in line, which its policy allows by their hashes and nothing else."""
    style = "\n" + (PARTS / "page.css").read_text("utf-8")
    script = "\n" + "\n".join((PARTS / f"{part}.js").read_text("utf-8") for part in SCRIPTS)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "title": html.escape(f"{name} {release}"),
        "policy": html.escape(policy, quote=False),
        "style": style,
        "script": script,
    }
    page = (PARTS / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
