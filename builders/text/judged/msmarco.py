"""MS MARCO's triples: lines of three texts, or of three ids beside collection.tsv and queries.tsv."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.documents import BadRow, Document, Source
from builders.text.judged.columns import Row, new_documents
from builders.text.judged.lines import field_lines
from builders.text.judged.passages import Passage, hashed_id
from builders.text.judged.roles import QUERY
from builders.text.judged.sets import JudgedRow, JudgedSet
from builders.text.readers.opening import COMPRESSIONS, content_hash, fingerprint
from builders.text.readers.rows import bad_row

TRIPLES = "*triples*.tsv*"
LOOKED_AT = 20  # lines from which texts and ids are told apart


def find_triples(path: Path) -> Path | None:
    """The file of triples that a path stands for: itself, or the one in the folder. UserError for several."""
    if not path.is_dir():
        return path
    found = sorted(path.glob(TRIPLES))
    if len(found) > 1:
        raise UserError(f"{path} holds {len(found)} files of triples ({', '.join(f.name for f in found)}): name one.")
    return found[0] if found else None


def has_triples(path: Path) -> bool:
    """Whether most of the first lines are of three fields, and the first is no header that names a query."""
    lines = [fields for _, fields in islice(field_lines(path, path.name), LOOKED_AT)]
    if not lines or (isinstance(lines[0], list) and any(field.lower() in QUERY[0] for field in lines[0])):
        return False
    return sum(len(fields) == 3 for fields in lines if isinstance(fields, list)) * 2 > len(lines)


def open_msmarco(path: Path, name: str) -> JudgedSet:
    """Triples of texts where a field of the first lines holds a blank, else of ids: query, positive, negative.

    Negatives are those that the makers drew, not judged one by one, and count as judged not relevant.
    """
    triples = find_triples(path)
    if triples is None or not has_triples(triples):
        raise UserError(f"{path} holds no triples of MS MARCO: expected are lines of three texts or ids, with tabs.")
    lines = [fields for _, fields in islice(field_lines(triples, triples.name), LOOKED_AT)]
    texts = any(" " in field for fields in lines if not isinstance(fields, BadRow) for field in fields)
    return _of_texts(triples, name) if texts else _of_ids(triples, name)


def _of_texts(triples: Path, name: str) -> JudgedSet:
    mark = content_hash(triples)

    def rows() -> Iterator[Row | BadRow]:
        for where, fields in _lines(triples, 3):
            if isinstance(fields, BadRow):
                yield fields
                continue
            query, *texts = fields
            judged = tuple((Passage(hashed_id(text), text), 1 - i) for i, text in enumerate(texts) if text)
            yield Row(hashed_id(query), query, judged, None, None, where)

    def documents() -> Iterator[Document | BadRow]:
        seen: set[int] = set()
        for row in rows():
            yield from [row] if isinstance(row, BadRow) else new_documents(row, seen)

    def judged() -> Iterator[JudgedRow | BadRow]:
        for row in rows():
            if isinstance(row, BadRow):
                yield row
            else:
                yield JudgedRow(row.query_id, row.query, tuple((p.id, r) for p, r in row.judged), row.where)

    source = Source("msmarco", name, fingerprint(["triples of texts: documents", mark]), documents)
    told = f"triples of texts in {triples.name}"
    return JudgedSet("msmarco", source, fingerprint(["triples of texts", mark]), judged, told)


def _of_ids(triples: Path, name: str) -> JudgedSet:
    collection, queries = _beside(triples, "collection"), _beside(triples, "queries")

    def documents() -> Iterator[Document | BadRow]:
        for where, fields in _lines(collection, 2):
            yield fields if isinstance(fields, BadRow) else Document(fields[0], fields[1], where)

    def judged() -> Iterator[JudgedRow | BadRow]:
        for where, fields in _lines(triples, 3):
            if isinstance(fields, BadRow):
                yield fields
            else:
                yield JudgedRow(fields[0], None, ((fields[1], 1), (fields[2], 0)), where)
        for where, fields in _lines(queries, 2):
            yield fields if isinstance(fields, BadRow) else JudgedRow(fields[0], fields[1], None, where)

    source = Source("msmarco", name, fingerprint(["collection", content_hash(collection)]), documents)
    told = f"triples of ids in {triples.name}, {queries.name} and {collection.name}"
    parts = ["triples of ids", content_hash(triples), content_hash(queries)]
    return JudgedSet("msmarco", source, fingerprint(parts), judged, told)


def _lines(path: Path, count: int) -> Iterator[tuple[str, list[str] | BadRow]]:
    """(where, fields) of each line; one that has not `count` fields, or no id at its start, is a BadRow."""
    for number, fields in field_lines(path, path.name):
        where = f"{path.name} row {number}"
        if not isinstance(fields, BadRow) and (len(fields) != count or not fields[0]):
            fault = f"{len(fields)} fields, where {count} are expected, the first not empty"
            yield where, bad_row(path.name, number, "invalid_csv", fault, "\t".join(fields))
        else:
            yield where, fields


def _beside(triples: Path, what: str) -> Path:
    """collection.tsv or queries.tsv (also queries.train.tsv) in the folder of the triples, compressed or not."""
    names = [f"{what}{part}.tsv{ending}" for part in ("", ".train") for ending in ("", *COMPRESSIONS)]
    for name in names:
        if (triples.parent / name).is_file():
            return triples.parent / name
    raise UserError(f"{triples} holds ids, and there is no {what}.tsv beside it to look them up in: put it there.")
