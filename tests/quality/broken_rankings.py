"""Ways in which a row of triplets has other ids, ranks or scores than the ranking that it names."""

from collections.abc import Callable

from tests.quality.breaking import World
from tests.quality.broken import TRIPLETS, at, put


def other_ranking(world: World) -> str:
    """A ranking that is there, and ranks other queries."""
    row, other = (world.train_row("triplets", method) for method in ("sent", "qgen"))
    return world.change("triplets", "sent", row["triplet_id"], ranking=other["ranking"])


def first_of_retriever(world: World) -> str:
    """The retriever's first as the positive, where the judge's first belongs."""
    row = world.train_row("triplets", "rerank")
    judged = next(one for one in world.rows("preferences") if one["query_id"] == row["query_id"])
    place = judged["retriever_ranks"].index(1)
    values = {"positive_ids": judged["chunk_ids"][place], "positive_scores": judged["retriever_scores"][place]}
    return world.change("triplets", "rerank", row["triplet_id"], **{name: [one] for name, one in values.items()})


def ranked_otherwise(world: World) -> str:
    """The retriever gives the first negative's place to another chunk."""
    row = world.train_row("triplets", "sent")
    chunk = world.other_chunk(row)
    world.change("candidates", "sent", row["query_id"], chunk_ids=at(row["negative_ranks"][0] - 1, chunk))
    return str(row["triplet_id"])


RANKING_WAYS: list[tuple[str, Callable[[World], str]]] = [
    ("triplets_agree_with_rankings", way)
    for way in (
        TRIPLETS(negative_ids=lambda ids: ids[::-1]),
        TRIPLETS(negative_ranks=lambda ranks: [rank + 1 for rank in ranks]),
        TRIPLETS(negative_scores=lambda scores: [score - 1e-6 for score in scores]),
        TRIPLETS(negative_scores=at(2, None)),
        TRIPLETS(negative_ranks=at(-1, 999)),
        TRIPLETS(positive_ranks=at(0, 7)),
        TRIPLETS(positive_ranks=at(0, None)),
        TRIPLETS(positive_ids=lambda ids: ids[::-1]),
        TRIPLETS(ranking="candidates/0123456789ab"),
        TRIPLETS(ranking=None),
        other_ranking,
        TRIPLETS(retriever="other@1"),
        TRIPLETS(retriever=None),
        put("triplets", "supervised", positive_ranks=at(0, 1)),
        first_of_retriever,
        put("triplets", "rerank", positive_scores=at(0, 2.0)),
        ranked_otherwise,
    )
]
