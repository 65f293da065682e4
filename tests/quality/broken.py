"""One way to break each check. A way breaks the world once, and returns the key that the check must name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from builders.store.schemas import key_column
from tests.making import rows_of
from tests.quality.breaking import Row, World

NOWHERE = "nowhere#0000"


def put(table: str, method: str | None, /, **values: Any) -> Callable[[World], str]:
    """Values into the first train row; a function of the value there gives one."""

    def change(world: World) -> str:
        version = world.version(table, method)
        key = str(world.train_row(table, method)[key_column(version.record)])
        world.change(table, method, key, **values)
        return str(values.get(key_column(version.record), key))

    return change


def at(place: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    """The list with that value at the place."""
    return lambda items: [value if number == place % len(items) else one for number, one in enumerate(items)]


def negative(tell: Callable[[World, Row], str], method: str = "sent", place: int = 0) -> Callable[[World], str]:
    """A chunk that is told from the first train row, as one of its negatives."""

    def change(world: World) -> str:
        row = world.train_row("triplets", method)
        return world.change("triplets", method, row["triplet_id"], negative_ids=at(place, tell(world, row)))

    return change


def shared(column: str) -> Callable[[World], str]:
    """The first positive's value of that column for the chunk that is the row's first negative."""

    def change(world: World) -> str:
        row = world.train_row("triplets", "sent")
        facts = {chunk["chunk_id"]: chunk for chunk in world.rows("chunks")}
        world.change("chunks", None, row["negative_ids"][0], **{column: facts[row["positive_ids"][0]][column]})
        return str(row["triplet_id"])

    return change


def same_document(world: World) -> str:
    """A negative that is another chunk of a positive's document."""
    beside: dict[str, set[str]] = {}
    for chunk in world.rows("chunks"):
        beside.setdefault(chunk["document_id"], set()).add(chunk["chunk_id"])
    for row in world.rows("triplets", "sent"):
        named = {row["chunk_id"], *row["positive_ids"], *row["negative_ids"]}
        for positive in row["positive_ids"]:
            if left := beside[positive.rpartition("#")[0]] - named:
                return world.change("triplets", "sent", row["triplet_id"], negative_ids=at(0, min(left)))
    raise AssertionError("no document of a positive has another chunk")


def same_text(world: World) -> str:
    """Two negatives of a row with the words of one."""
    row = world.train_row("triplets", "sent")
    first, second = row["negative_ids"][:2]
    facts = {chunk["chunk_id"]: chunk for chunk in world.rows("chunks")}
    world.change("chunks", None, second, normalised_text_hash=facts[first]["normalised_text_hash"])
    return str(row["triplet_id"])


def other_method(world: World) -> str:
    """A negative of Rerank that is a positive of QGen's row of the same query, and of no Rerank row's."""
    qgen = {row["query_id"]: row for row in world.rows("triplets", "qgen")}
    row = next(r for r in world.rows("triplets", "rerank") if r["query_id"] in qgen)
    world.change("triplets", "qgen", f"{row['query_id']}+qgen", positive_ids=at(0, row["negative_ids"][1]))
    return str(row["triplet_id"])


def in_two_versions(table: str) -> Callable[[World], str]:
    """A row of the first version in the last one too, with another text."""

    def change(world: World) -> str:
        row = world.train_row(table)
        last = next(v for v in reversed(world.all_of(table)))
        world.write(last, [*rows_of(last), row | {"text_hash": "0" * 32}])
        return str(next(iter(row.values())))

    return change


def heldout_twin(world: World) -> str:
    """The words of a held-out chunk in a version where all are train."""
    row = next(chunk for chunk in world.rows("chunks") if chunk["split"] == "heldout")
    last = next(v for v in reversed(world.all_of("chunks")))
    rows = rows_of(last)
    rows[0]["normalised_text_hash"] = row["normalised_text_hash"]
    world.write(last, rows)
    return str(row["chunk_id"])


def split_cluster(world: World) -> str:
    chunks = world.rows("chunks")
    train, held = (next(c for c in chunks if c["split"] == split) for split in ("train", "heldout"))
    world.change("chunks", None, held["chunk_id"], cluster_id=train["cluster_id"])
    return str(train["cluster_id"])


def query_text(method: str, tell: Callable[[str], str], **more: Any) -> Callable[[World], str]:
    """The text of the first train query, told from its chunk's."""

    def change(world: World) -> str:
        row = world.train_row("queries", method)
        chunk = next(c for c in world.rows("chunks") if c["chunk_id"] == row["chunk_id"])
        return world.change("queries", method, row["query_id"], text=tell(chunk["text"]), **more)

    return change


def lost_language(world: World) -> str:
    """Chunks of one language, and rows of another."""
    for table, method, language in (("chunks", None, "en"), ("triplets", "sent", "fi")):
        version = world.version(table, method)
        world.write(version, [row | {"language": language} for row in rows_of(version)])
    return "en"


def contaminated(world: World) -> str:
    from tests.triplet_making import write

    version = world.version("triplets", "sent")
    row = world.train_row("triplets", "sent")
    overlap = {
        "overlap_id": f"query {row['query_id']}=set query 1",
        "kind": "query",
        "row_id": row["query_id"],
        "source": row["source"],
        "language": row["language"],
        "split": "train",
        "set": "set",
        "role": "query",
        "evaluation_id": "1",
        "match": "exact",
        "share": 1.0,
        "training_text_hash": row["normalised_text_hash"],
    }
    made = write(world.data, "contamination", "overlap", [overlap], (version,))
    world.count(made, {"examined:queries": 10, "examined:positives": 10})
    return str(row["query_id"])


def held_query(world: World) -> str:
    """A chunk that is a negative of the row is given the query's sentence."""
    row = world.train_row("triplets", "sent")
    text = next(q["text"] for q in world.rows("queries", "sent") if q["query_id"] == row["query_id"])
    world.change("chunks", None, row["negative_ids"][0], text=lambda there: f"{there} {text}")
    return str(row["triplet_id"])


def judged_negative(world: World) -> str:
    """What people judged to answer a question stands, word for word, as the negative of a Sent row of that question."""
    judged, row = (world.train_row("triplets", method) for method in ("supervised", "sent"))
    facts = {chunk["chunk_id"]: chunk for chunk in world.rows("chunks")}
    world.change("triplets", "supervised", judged["triplet_id"], normalised_text_hash=row["normalised_text_hash"])
    passages = world.all_of("chunks")[-1]
    rows = rows_of(passages)
    answer = next(chunk for chunk in rows if chunk["chunk_id"] == judged["positive_ids"][0])
    answer["normalised_text_hash"] = facts[row["negative_ids"][2]]["normalised_text_hash"]
    world.write(passages, rows)
    return str(row["triplet_id"])


def other_row(world: World) -> str:
    """The positive of one row is the negative of another whose query has the same words."""
    one, other = world.rows("triplets", "sent")[:2]
    chunk = world.other_chunk(one)
    world.change("triplets", "sent", one["triplet_id"], positive_ids=at(0, chunk))
    words = one["normalised_text_hash"]
    return world.change("triplets", "sent", other["triplet_id"], normalised_text_hash=words, negative_ids=at(1, chunk))


def held_out_chunk(world: World, row: Row) -> str:
    return world.other_chunk(row, split="heldout")


TRIPLETS = partial(put, "triplets", "sent")
CANDIDATES = partial(put, "candidates", "sent")
PREFERENCES = partial(put, "preferences", "qgen")
QUERIES = partial(put, "queries", "sent")
CHUNKS = partial(put, "chunks", None)

WAYS: list[tuple[str, Callable[[World], str]]] = [
    *(
        (f"unique_{table}", partial(World.repeat, table=table))
        for table in ("documents", "chunks", "queries", "candidates", "preferences", "judgements", "triplets")
    ),
    ("same_chunks", in_two_versions("chunks")),
    ("same_queries", in_two_versions("queries")),
    ("references_chunks", CHUNKS(document_id="nowhere")),
    ("references_queries", QUERIES(chunk_id=NOWHERE)),
    ("references_candidates", CANDIDATES(chunk_ids=at(4, NOWHERE))),
    ("references_candidates", CANDIDATES(query_id=f"{NOWHERE}~sent0")),
    ("references_preferences", PREFERENCES(chunk_ids=at(4, NOWHERE))),
    ("references_judgements", put("judgements", None, chunk_id=NOWHERE)),
    ("references_judgements", put("judgements", None, query_id=NOWHERE)),
    ("references_triplets", TRIPLETS(negative_ids=at(1, NOWHERE))),
    ("references_triplets", TRIPLETS(positive_ids=at(1, NOWHERE))),
    ("references_triplets", TRIPLETS(chunk_id=NOWHERE)),
    ("references_triplets", TRIPLETS(query_id=NOWHERE)),
    ("references_triplets", TRIPLETS(document_id="nowhere")),
    ("queries_agree_with_chunks", QUERIES(chunk_text_hash="0" * 32)),
    ("queries_agree_with_chunks", QUERIES(split="heldout")),
    ("candidates_agree_with_queries", CANDIDATES(language="fi")),
    ("preferences_agree_with_queries", PREFERENCES(split="heldout")),
    ("triplets_agree_with_queries", TRIPLETS(source="elsewhere")),
    ("triplets_agree_with_queries", TRIPLETS(method="qgen")),
    ("triplets_agree_with_queries", TRIPLETS(method="rerank")),
    ("triplets_agree_with_queries", put("triplets", "rerank", method="qgen")),
    ("cropped_queries", QUERIES(start=lambda start: start + 1)),
    ("candidate_lists", CANDIDATES(scores=lambda scores: scores[1:])),
    ("preference_lists", PREFERENCES(retriever_ranks=lambda ranks: ranks[1:])),
    ("preference_lists", PREFERENCES(judge_scores=lambda scores: scores[1:])),
    ("triplet_lists", TRIPLETS(positive_scores=lambda scores: scores[1:])),
    ("triplet_lists", TRIPLETS(negative_ranks=lambda ranks: ranks[1:])),
    ("candidate_scores", CANDIDATES(scores=at(-1, float("-inf")))),
    ("preference_scores", PREFERENCES(retriever_scores=at(-1, float("nan")))),
    ("preference_scores", PREFERENCES(judge_scores=at(-1, float("-inf")))),
    ("triplet_scores", TRIPLETS(negative_scores=at(-1, float("nan")))),
    ("triplet_scores", TRIPLETS(positive_scores=at(0, float("inf")))),
    ("candidate_order", CANDIDATES(scores=lambda scores: [*scores[:3], scores[2] + 0.1, *scores[4:]])),
    ("preference_order", PREFERENCES(judge_scores=at(-1, 1.0))),
    ("preference_order", PREFERENCES(retriever_ranks=at(-1, 1))),
    ("triplet_ranks", TRIPLETS(negative_ranks=at(1, 1))),
    ("triplet_ranks", TRIPLETS(negative_ranks=at(1, None))),
    ("candidate_repeats", CANDIDATES(chunk_ids=lambda ids: [*ids[:-1], ids[0]])),
    ("preference_repeats", PREFERENCES(chunk_ids=lambda ids: [*ids[:-1], ids[0]])),
    ("candidate_own_rank", CANDIDATES(own_rank=lambda rank: 3 if rank != 3 else None)),
    ("preference_own_rank", PREFERENCES(own_rank=lambda rank: 3 if rank != 3 else None)),
    (
        "heldout_candidates",
        lambda world: world.change(
            "candidates",
            "sent",
            (row := world.train_row("candidates", "sent"))["query_id"],
            chunk_ids=at(5, world.other_chunk(row, split="heldout")),
        ),
    ),
    ("heldout_queries", TRIPLETS(split="heldout")),
    ("heldout_chunks", negative(held_out_chunk)),
    (
        "heldout_chunks",
        lambda world: world.change(
            "triplets",
            "sent",
            (row := world.train_row("triplets", "sent"))["triplet_id"],
            positive_ids=at(1, world.other_chunk(row, split="heldout")),
        ),
    ),
    ("clusters_in_one_split", split_cluster),
    ("negative_is_positive", negative(lambda world, row: row["positive_ids"][1])),
    ("negative_is_positive", negative(lambda world, row: row["chunk_id"])),
    ("negative_is_positive", negative(lambda world, row: row["chunk_id"], "rerank")),
    ("negative_is_positive", other_row),
    ("negative_has_positive_text", judged_negative),
    ("negative_has_positive_text", shared("normalised_text_hash")),
    ("negative_is_near_duplicate", shared("cluster_id")),
    ("negative_of_positive_document", same_document),
    ("negative_of_other_method", other_method),
    ("negatives_unique", negative(lambda world, row: row["negative_ids"][1])),
    ("negatives_unique", same_text),
    ("positives_unique", TRIPLETS(positive_ids=lambda ids: [ids[0], ids[0]])),
    ("negatives_as_promised", TRIPLETS(negative_ids=lambda ids: ids[:2])),
    ("negatives_as_promised", put("triplets", "supervised", negative_ids=[])),
    ("chunk_spans", CHUNKS(end=lambda end: end + 1)),
    (
        "duplicate_queries",
        lambda world: world.change(
            "queries",
            "sent",
            (rows := world.rows("queries", "sent"))[1]["query_id"],
            normalised_text_hash=rows[0]["normalised_text_hash"],
        ),
    ),
    ("copied_queries", query_text("qgen", lambda text: text[: len(text) // 2], language="en")),
    ("lexical_overlap", query_text("qgen", lambda text: " ".join(reversed(text.split()[:6])), language="en")),
    ("query_language", QUERIES(language="fi")),
    ("query_length", QUERIES(text=lambda text: text * 40)),
    ("chunk_length", CHUNKS(tokens=lambda tokens: tokens * 100)),
    ("language_balance", lost_language),
    ("negative_above_positive", TRIPLETS(negative_scores=at(0, 5.0))),
    ("negative_above_positive", TRIPLETS(positive_scores=at(0, None))),
    ("negative_holds_query", held_query),
    ("heldout_words_in_train", heldout_twin),
    ("contaminated_rows", contaminated),
]
