"""A folder in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.documents import BadRow
from builders.text.judged.lines import field_lines, whole_number
from builders.text.judged.sets import JudgedRow, JudgedSet
from builders.text.readers.columns import USUAL_NAMES, Columns
from builders.text.readers.jsonl import jsonl_records
from builders.text.readers.opening import COMPRESSIONS, content_hash, fingerprint, undamaged
from builders.text.readers.rows import bad_row, undecoded_at
from builders.text.readers.tables import open_tables


def open_beir(folder: Path, name: str, columns: Columns, split: str) -> JudgedSet:
    """Corpus, queries, and the judgements of one split; `columns` are those of the corpus.

    Qrels are read in both forms that are about: query, document, relevance below a header (BEIR), and query, 0,
    document, relevance without one (TREC, MIRACL). UserError where a file is not there, with those that are.
    """
    corpus, queries, qrels = (_file(folder, name) for name in ("corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv"))
    documents = open_tables("beir", name, folder, [corpus], columns)

    def read() -> Iterator[JudgedRow | BadRow]:
        # judgements first: a rehearsal then knows which queries it needs
        yield from judgements(qrels, f"qrels/{qrels.name}")
        for number, row in undamaged(queries, jsonl_records(queries, queries.name, None)):
            yield row if isinstance(row, BadRow) else _query(row, number, queries.name)

    told = f"{corpus.name}, {queries.name} and qrels/{qrels.name}"
    parts = ["beir", qrels.name, content_hash(qrels), content_hash(queries)]
    return JudgedSet("beir", documents, fingerprint(parts), read, told)


def judgements(qrels: Path, place: str) -> Iterator[JudgedRow | BadRow]:
    """A row for each line of a qrels file."""
    for number, fields in field_lines(qrels, place):
        if isinstance(fields, BadRow):
            yield fields
            continue
        fields = fields[0].split() if len(fields) == 1 else fields  # TREC's own files have blanks between
        relevance = whole_number(fields[-1])
        if relevance is None and number == 1:
            continue  # the header
        if relevance is None or len(fields) not in (3, 4) or not all(fields):
            fault = "not a query, a document and a whole number with tabs between"
            yield bad_row(place, number, "invalid_row", fault, "\t".join(fields))
        else:
            yield JudgedRow(fields[0], None, ((fields[-2], relevance),), f"{place} row {number}")


def _query(row: Mapping[str, object], number: int, place: str) -> JudgedRow | BadRow:
    text = row.get("text", row.get("query"))
    id_ = next((row[name] for name in (*USUAL_NAMES["id"], "query_id") if name in row), None)
    language = next((row[name] for name in USUAL_NAMES["language"] if name in row), None)
    if type(id_) is int:
        id_ = str(id_)
    if not isinstance(id_, str) or not id_ or not isinstance(text, str) or not isinstance(language, str | None):
        return bad_row(place, number, "invalid_row", "a query has an _id and a text, both strings", repr(dict(row)))
    if fault := undecoded_at(id_ + text):
        return bad_row(place, number, "not_utf8", fault, text)
    return JudgedRow(id_, text, None, f"{place} row {number}", language)


def _file(folder: Path, name: str) -> Path:
    """The file of that name in the folder, compressed or not."""
    for ending in ("", *COMPRESSIONS):
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    if not name.startswith("qrels/"):
        raise UserError(f"{folder} is not a whole data set in the BEIR layout: it has no {name}.")
    there = sorted({path.name.split(".tsv")[0] for path in folder.glob("qrels/*.tsv*")})
    what = f"it has {', '.join(there)}: choose one with --qrels" if there else "it has none: put qrels/train.tsv there"
    raise UserError(f"{folder} has no {name}; {what}.", exit_code=2)
