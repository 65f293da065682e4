"""The passages in one cell: a text, a list of texts, or a list of {docid, title, text} (MIRACL, Mr. TyDi, tevatron)."""

import math
from dataclasses import dataclass

from builders.text.hashes import text_hash
from builders.text.readers.rows import undecoded_at

ID_LENGTH = 20  # hexadecimal digits: two of 10 million texts share one with a probability of 4e-11
IDS = ("docid", "doc_id", "_id", "id", "pid", "passage_id")


@dataclass(frozen=True, slots=True)
class Passage:
    id: str
    text: str
    title: str = ""


def hashed_id(text: str, title: str = "") -> str:
    """The id of a text whose data set gives it none: the same text is the same document in every row."""
    return text_hash(f"{title}\n{text}" if title else text)[:ID_LENGTH]


def passages(cell: object) -> list[Passage]:
    """The passages that a cell holds, in its order; an empty cell, or entry of a list, holds none.

    ValueError for what is no passage, in words.
    """
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return []
    if isinstance(cell, list | tuple):
        return [passage for entry in cell for passage in passages(entry)]
    if isinstance(cell, dict):
        if isinstance(cell.get("text"), list):  # a list of objects, as Arrow keeps what was a Sequence on the Hub
            columns = {name: values for name, values in cell.items() if isinstance(values, list)}
            rows = zip(*columns.values(), strict=True)
            return [_passage(dict(zip(columns, row, strict=True))) for row in rows]
        return [_passage(cell)]
    return [_passage({"text": cell})]


def _passage(entry: dict[str, object]) -> Passage:
    text, title = entry.get("text"), entry.get("title") or ""
    id_ = next((entry[name] for name in IDS if entry.get(name) is not None), None)
    if not isinstance(text, str) or not isinstance(title, str):
        raise ValueError(f"a passage is a text, or has a text and a title, and this is {repr(entry)[:200]}")
    if id_ is not None and type(id_) is not int and not (isinstance(id_, str) and id_):
        raise ValueError(f"the id {id_!r} of a passage is neither a word nor a number")
    if fault := undecoded_at(f"{title}{text}"):
        raise ValueError(f"{fault} of a passage")
    return Passage(hashed_id(text, title) if id_ is None else str(id_), text, title)
