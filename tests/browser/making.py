"""A small release whose texts are of many scripts and some of them hostile, written as the stages write it."""

from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.store.building import ShardResult, build
from builders.store.plans import Plan
from builders.store.versions import Version

METHODS = ("sent", "qgen", "supervised")
LONG = 1_048_576
# {language: (query, text)}
TEXTS = {
    "en": (
        "How do I write a résumé for the first job",
        "The curriculum  vitae\nof an ELF engineer, naïve coöperation.",
    ),
    "de": ("Wie lang ist die Straße", "Die STRASSE am Fluß ist zwei Kilometer lang."),
    "el": ("Πού είναι η ΟΔΟΣ", "Η οδός είναι κοντά στο λιμάνι."),
    "ar": ("كَيْفَ أُثَبِّتُ النِّظَامَ", "ثبّت النظام من القرص ثم أعد التشغيل."),
    "zh": ("如何安装系统", "从光盘安装系统，然后重新启动。"),
    "ja": ("ｶﾀｶﾅの検索はどうする", "カタカナの検索は、ガイドを見てください。"),
    "ko": ("각 파일을 어떻게 찾나요", "가게의 파일을 찾는 방법입니다."),
    "th": ("ติดตั้งระบบอย่างไร", "ติดตั้งระบบจากแผ่นซีดี"),
}
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)><b>bold</b> & &amp;",
    "closing": "</script><script>document.title='taken'</script> </style> <!-- <script> -->",
    "bidi": "admin\u202egpj.exe \u2066 isolated \u2069 \u200fmark",
    "separators": "one\u2028two\u2029three \x00nul \x1b[31mred \ufeffmark {{script}} <!-- data -->",
}


def release(data: Path) -> list[Version]:
    """Two versions of triplets: 120 rows of METHODS over TEXTS and HOSTILE, and those of qgen once more, reranked."""
    chunks, queries, judgements, candidates = [], [], [], []
    rows = []
    for number in range(120):
        method = METHODS[number % 3]
        language, query, text = _texts(number)
        source = "notes" if number % 5 else "guide"
        document = f"{source}/{number:03d}"
        chunks.append(one_chunk(document, source, language, text, "heldout" if number % 7 == 0 else "train"))
        chunk = chunks[-1]
        queries.append(one_query(chunk, method, query))
        rows.append((chunk, queries[-1]))
    documents = [_document(chunk) for chunk in chunks]
    for number, (chunk, query) in enumerate(rows):
        near = [chunks[(number + step * 11) % 120]["chunk_id"] for step in range(1, 9)]
        scores = [round(0.9 - 0.01 * number % 0.4 - 0.05 * step, 6) for step in range(9)]
        candidates.append(_candidates(query, [chunk["chunk_id"], *near], scores))
        if query["method"] == "supervised":
            judgements.append(_judgement(query, chunk["chunk_id"], 2))
            judgements.append(_judgement(query, near[1], 0))
    made = partial(write, data)
    d = made("documents", "document", documents, ())
    c = made("chunks", "chunk", chunks, (d,))
    q = made("queries", "query", queries, (c,))
    j = made("judgements", "judgement", judgements, (q, c))
    k = made("candidates", "candidates", candidates, (q, c))
    p = made("preferences", "preference", [_preference(row) for row in candidates if row["method"] == "qgen"], (k,))
    by_rank = [one_triplet(row, str(k)) for row in candidates]
    by_judge = [one_triplet(row, str(p), "rerank") for row in candidates if row["method"] == "qgen"]
    return [
        made("triplets", "triplet", by_rank, (j, k, q, c)),
        made("triplets", "triplet", by_judge, (p, q, c)),
    ]


def _texts(number: int) -> tuple[str, str, str]:
    """(language, query, text); the first rows are the hostile ones."""
    if number < len(HOSTILE):
        return "en", list(HOSTILE.values())[number], f"A chunk says: {list(HOSTILE.values())[number]}"
    if number == len(HOSTILE):
        return "en", "a long one", "long " * (LONG // 5) + "x"
    languages = list(TEXTS)
    language = languages[number % len(languages)]
    query, text = TEXTS[language]
    return language, f"{query} {number}", f"{text} {number} " + "word " * (number % 9)


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def one_chunk(document: str, source: str, language: str, text: str, split: str) -> dict[str, Any]:
    chunk_id = f"{document}#0000"
    return {"chunk_id": chunk_id, "document_id": document, "source": source, "title": f"On {document}", "text": text, "start": 0,
            "end": len(text), "sentence_starts": [0], "tokens": len(text.split()), "language": language, "language_confidence": 1.0,
            "licence": "CC0-1.0", "text_hash": _hash(text), "normalised_text_hash": _hash(text), "cluster_id": chunk_id, "split": split}  # fmt: skip


def _document(chunk: dict[str, Any]) -> dict[str, Any]:
    return {name: chunk[name] for name in ("document_id", "source", "title", "text", "language", "licence")} | {
        "place": "notes.jsonl, row 1"
    }


def one_query(chunk: dict[str, Any], method: str, text: str) -> dict[str, Any]:
    written = method == "qgen"
    reply = f'{{"query": "{text}"}} and <script>alert(3)</script>'
    return {"query_id": f"{chunk['chunk_id']}~{method}0", "chunk_id": chunk["chunk_id"], "document_id": chunk["document_id"],
            "source": chunk["source"], "method": method, "text": text, "language": chunk["language"], "split": chunk["split"],
            "start": 2 if method == "sent" else None, "end": 7 if method == "sent" else None, "task": "Find the text." if written else None,
            "stated_language": "English" if written else None, "model": "writer@1" if written else None,
            "prompt_version": "synthetic_query-abc" if written else None, "parse": "complete" if written else None,
            "reply": reply if written else None, "licence": "CC0-1.0", "text_hash": _hash(text), "normalised_text_hash": _hash(text),
            "chunk_text_hash": chunk["text_hash"]}  # fmt: skip


SHARED = ("query_id", "chunk_id", "document_id", "source", "method", "language", "split", "normalised_text_hash")


def _candidates(query: dict[str, Any], chunk_ids: list[str], scores: list[float]) -> dict[str, Any]:
    return {name: query[name] for name in SHARED} | {
        "retriever": "finder@1",
        "own_rank": 1,
        "chunk_ids": chunk_ids,
        "scores": scores,
    }


def _judgement(query: dict[str, Any], chunk_id: str, relevance: int) -> dict[str, Any]:
    return {"judgement_id": f"{query['query_id']}={chunk_id}", "query_id": query["query_id"], "chunk_id": chunk_id,
            "document_id": chunk_id[:-5], "relevance": relevance}  # fmt: skip


def _preference(row: dict[str, Any]) -> dict[str, Any]:
    order = [1, 0, 2, 3, 4]
    return {name: row[name] for name in SHARED} | {
        "retriever": row["retriever"], "own_rank": 2, "preference_method": "listwise", "model": "judge@2", "prompt_version": "rank-def",
        "parse": "complete", "chunk_ids": [row["chunk_ids"][at] for at in order], "judge_scores": None,
        "retriever_ranks": [at + 1 for at in order], "retriever_scores": [row["scores"][at] for at in order],
        "rank_agreement": 0.8, "first_agreement": 1.0, "replies": ["[2] > [1] > [3] > [4] > [5]", "<b>[2]</b> > [1] > [3] > [4] > [5]"],
    }  # fmt: skip


def one_triplet(row: dict[str, Any], ranking: str, method: str | None = None) -> dict[str, Any]:
    order = [1, 0, 2, 3, 4] if method else list(range(9))
    ids, scores = [row["chunk_ids"][at] for at in order], [row["scores"][at] for at in order]
    return {name: row[name] for name in SHARED} | {
        "triplet_id": f"{row['query_id']}+{method or row['method']}", "method": method or row["method"], "retriever": row["retriever"],
        "judge": "listwise judge@2 rank-def" if method else None, "ranking": ranking, "positive_ids": ids[:1], "positive_ranks": [1],
        "positive_scores": scores[:1], "negative_ids": ids[2:], "negative_ranks": list(range(3, len(order) + 1)), "negative_scores": scores[2:],
    }  # fmt: skip


def write(data: Path, table: str, record: str, rows: list[dict[str, Any]], inputs: tuple[Version, ...]) -> Version:
    def work(building: Any) -> tuple[int, dict[str, Any]]:
        building.write(0, ShardResult(rows, rows_in=len(rows)), 0.0)
        return 1, {}

    return build(Plan(table, record, "tests", 1, {}, inputs=inputs), data, work)
