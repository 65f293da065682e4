"""One small judged data set, written in every form that it may come in."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from builders.text.documents import Document
from builders.text.judged.sets import JudgedRow, JudgedSet

DOCUMENTS = {
    "d1": "The ferry leaves the island at seven in the morning and comes back when the fog has gone.",
    "d2": 'A lighthouse keeper wrote "no ship today" in the log, and drew a small boat beside it.',
    "d3": "Le pêcheur répare ses filets sur le quai pendant que la marée descend lentement.",
    "d4": "灯台守は毎晩ランプに火をともし、船が港に入るのを静かに待っていました。",
    "d5": "Salt is won from the sea in shallow ponds, where the sun dries the water away.",
    "d6": "Nets are mended in winter, when storms keep the boats in the harbour for weeks.",
}
QUERIES = {
    "q1": "when does the ferry leave",
    "q2": "what did the keeper's log say",
    "q3": "où le pêcheur répare-t-il ses filets",
    "q4": "灯台守は何を待っていましたか",
}
# query: positives, negatives
JUDGED = {
    "q1": (["d1"], ["d2", "d5"]),
    "q2": (["d2", "d4"], ["d1"]),
    "q3": (["d3", "d6"], ["d5"]),
    "q4": (["d4"], ["d6", "d3"]),
}
Texts = set[tuple[str, str, int]]
EXPECTED: Texts = {
    (QUERIES[q], DOCUMENTS[d], relevance)
    for q, (positives, negatives) in JUDGED.items()
    for relevance, documents in ((1, positives), (0, negatives))
    for d in documents
}


def lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def fields(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def beir(folder: Path) -> Path:
    lines(folder / "corpus.jsonl", [{"_id": d, "title": "", "text": text} for d, text in DOCUMENTS.items()])
    lines(folder / "queries.jsonl", [{"_id": q, "text": text} for q, text in QUERIES.items()])
    judged = [(q, d, 1 - i) for q, both in JUDGED.items() for i in (0, 1) for d in both[i]]
    fields(folder / "qrels" / "train.tsv", [("query-id", "corpus-id", "score"), *judged])
    return folder


def trec(folder: Path) -> Path:
    """The same with qrels of four fields and no header."""
    beir(folder)
    judged = [(q, "Q0", d, 1 - i) for q, both in JUDGED.items() for i in (0, 1) for d in both[i]]
    fields(folder / "qrels" / "train.tsv", judged)
    return folder


def triplets(folder: Path) -> Path:
    """(anchor, positive, negative) as JSON Lines."""
    return lines(
        folder / "triplets.jsonl", [dict(zip(("anchor", "positive", "negative"), t, strict=True)) for t in _triples()]
    )


def numbered(folder: Path) -> Path:
    """(query, positive, negative_1, negative_2) as CSV: a row without a second negative leaves the cell empty."""
    path = folder / "tuples.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "positive", "negative_1", "negative_2"))
        for q, (positives, negatives) in JUDGED.items():
            for d in positives:
                writer.writerow(
                    [QUERIES[q], DOCUMENTS[d], *(DOCUMENTS[n] for n in negatives)] + [""] * (2 - len(negatives))
                )
    return path


def lists(folder: Path) -> Path:
    """FlagEmbedding's (query, pos, neg)."""
    rows = [
        {
            "query": QUERIES[q],
            "pos": [DOCUMENTS[d] for d in p],
            "neg": [DOCUMENTS[d] for d in n],
            "pos_scores": [0.5] * len(p),
        }
        for q, (p, n) in JUDGED.items()
    ]
    return lines(folder / "lists.jsonl", rows)


def labelled(folder: Path) -> Path:
    """(sentence1, sentence2, label) as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"sentence1": QUERIES[q], "sentence2": DOCUMENTS[d], "label": 1 - i}
        for q, both in JUDGED.items()
        for i in (0, 1)
        for d in both[i]
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "pairs.parquet")
    return folder / "pairs.parquet"


def passages(folder: Path) -> Path:
    """MIRACL's and tevatron's lists of {docid, title, text}."""
    rows = [
        {"query_id": q, "query": QUERIES[q]}
        | {
            name: [{"docid": d, "title": "", "text": DOCUMENTS[d]} for d in chosen]
            for name, chosen in zip(("positive_passages", "negative_passages"), both, strict=True)
        }
        for q, both in JUDGED.items()
    ]
    return lines(folder / "passages.jsonl", rows)


def triples_of_texts(folder: Path) -> Path:
    return fields(folder / "triples.train.small.tsv", _triples())


def triples_of_ids(folder: Path) -> Path:
    fields(folder / "collection.tsv", DOCUMENTS.items())
    fields(folder / "queries.train.tsv", QUERIES.items())
    rows = [(q, p, n) for q, (positives, negatives) in JUDGED.items() for p in positives for n in negatives]
    fields(folder / "qidpidtriples.train.full.2.tsv", rows)
    return folder


def _triples() -> list[tuple[str, str, str]]:
    return [
        (QUERIES[q], DOCUMENTS[p], DOCUMENTS[n])
        for q, (positives, negatives) in JUDGED.items()
        for p in positives
        for n in negatives
    ]


FORMS: dict[str, Callable[[Path], Path]] = {
    "beir": beir,
    "trec": trec,
    "triplets": triplets,
    "numbered": numbered,
    "lists": lists,
    "labelled": labelled,
    "passages": passages,
    "triples of texts": triples_of_texts,
    "triples of ids": triples_of_ids,
}


def texts(judged: JudgedSet) -> Texts:
    """What the set says, by texts, whatever its ids are; it holds nothing that cannot be read."""
    documents, queries, pairs = {}, {}, []
    for item in judged.documents.read():
        assert isinstance(item, Document)
        assert item.id not in documents
        documents[item.id] = item.text
    for row in judged.read():
        assert isinstance(row, JudgedRow)
        if row.text is not None:
            queries[row.query_id] = row.text
        pairs += [(row.query_id, *pair) for pair in row.judged or ()]
    return {(queries[q], documents[d], relevance) for q, d, relevance in pairs}
