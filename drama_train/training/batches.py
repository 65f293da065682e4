"""Draws of a mixture -> a batch: one positive and n hard negatives sampled, texts tokenized, identities hashed."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.text.hashes import id_number
from drama_train.retriever import Retriever
from drama_train.training.cached import Batch
from drama_train.training.known import Identity
from drama_train.training.mixture import Draw
from drama_train.training.positives import IDENTITY, Positives, hashed
from drama_train.training.streams import KindStream, Tables

if TYPE_CHECKING:
    from torch import Tensor

_COLUMNS = (
    "triplet_id",
    "query_id",
    "normalised_text_hash",
    "positive_ids",
    "positive_scores",
    "negative_ids",
    "negative_scores",
)


@dataclass(frozen=True)
class Sampled:
    """A row of a step: its positive and hard negatives as chunk ids, with the teacher's score of each (NaN: none)."""

    triplet_id: str
    query_id: str
    chunk_ids: list[str]
    scores: list[float]


def sample(row: "dict[str, Any]", negatives: int, seed: int, epoch: int) -> Sampled:
    """One of the row's positives and `negatives` different ones of its negatives, by seed, triplet and epoch alone.

    A row with fewer gives them again, and has no teacher scores then; the loss counts a text once in a batch. UserError
    where it has none.
    """
    import numpy as np

    for what in ("positive", "negative"):
        if not row[f"{what}_ids"]:
            raise UserError(f"The triplet {row['triplet_id']} has no {what}: make the release again without it.")
    draw = np.random.default_rng(id_number(seed, f"{row['triplet_id']}\0{epoch}", "sample"))
    positive = int(draw.integers(len(row["positive_ids"])))
    order = draw.permutation(len(row["negative_ids"])).tolist()
    chosen = [order[at % len(order)] for at in range(negatives)]
    scores = [row["positive_scores"][positive], *(row["negative_scores"][at] for at in chosen)]
    is_scored = len(order) >= negatives and None not in scores
    return Sampled(
        row["triplet_id"],
        row["query_id"],
        [row["positive_ids"][positive], *(row["negative_ids"][at] for at in chosen)],
        [float(score) for score in scores] if is_scored else [float("nan")] * len(scores),
    )


class BatchMaker:
    """Batches of `negatives` hard negatives a query, out of the tables of the streams."""

    def __init__(self, streams: Sequence[KindStream], retriever: Retriever, negatives: int, seed: int) -> None:
        # a tokenizer of its own: batches are made in a thread, and fast tokenizers cannot be used by two at once
        self._retriever = replace(retriever, tokenizer=deepcopy(retriever.tokenizer))
        self._streams, self._negatives, self._seed = streams, negatives, seed
        self._positives = Positives(list({id(one.tables): one.tables for one in streams}.values()))

    def triplet_ids(self, draws: Sequence[Draw]) -> list[str]:
        """The row of each draw."""
        return [str(row["triplet_id"]) for row, _ in self._rows(draws)]

    def make(self, draws: Sequence[Draw]) -> Batch:
        """The batch of these draws. UserError where a text is empty, which has no vector."""
        rows = self._rows(draws)
        sampled = [
            sample(row, self._negatives, self._seed, draw.epoch) for draw, (row, _) in zip(draws, rows, strict=True)
        ]
        queries: list[str] = [""] * len(draws)
        texts: dict[tuple[int, str], tuple[str, str, str, str]] = {}
        for tables, places in _by_tables([one for _, one in rows]).items():
            own = [sampled[at] for at in places]
            numbers = tables.queries.numbers([one.query_id for one in own])
            for at, text in zip(places, tables.queries.column("text", numbers), strict=True):
                queries[at] = text
            wanted = list(dict.fromkeys(i for one in own for i in one.chunk_ids))
            texts |= {(id(tables), i): chunk for i, chunk in zip(wanted, _chunks(tables, wanted), strict=True)}
        documents = [texts[id(t), i] for (_, t), one in zip(rows, sampled, strict=True) for i in one.chunk_ids]
        _refuse_empty(queries, [one.query_id for one in sampled])
        _refuse_empty([text for text, *_ in documents], [i for one in sampled for i in one.chunk_ids])
        return Batch(
            self._retriever.token_ids(queries, "query"),
            self._retriever.token_ids([text for text, *_ in documents], "document"),
            Identity(*(hashed([document[field] for document in documents]) for field in (1, 2, 3))),
            self._positives.of([row["normalised_text_hash"] for row, _ in rows]),
            _teacher(sampled),
        )

    def _rows(self, draws: Sequence[Draw]) -> list[tuple[dict[str, Any], Tables]]:
        """The triplet of each draw, and the tables that it is of."""
        import numpy as np

        found: dict[int, tuple[dict[str, Any], Tables]] = {}
        places: dict[int, list[int]] = {}
        for at, draw in enumerate(draws):
            places.setdefault(id(self._streams[draw.stream].tables), []).append(at)
        for own in places.values():
            tables = self._streams[draws[own[0]].stream].tables
            numbers = np.array([draws[at].row for at in own])
            columns = tables.triplets.columns(_COLUMNS, numbers)
            for place, at in enumerate(own):
                found[at] = ({name: values[place] for name, values in columns.items()}, tables)
        return [found[at] for at in range(len(draws))]


def _by_tables(tables: Sequence[Tables]) -> dict[Tables, list[int]]:
    found: dict[int, list[int]] = {}
    for at, one in enumerate(tables):
        found.setdefault(id(one), []).append(at)
    return {tables[places[0]]: places for places in found.values()}


def _chunks(tables: Tables, ids: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """(text, document, text hash, cluster) of each."""
    columns = tables.corpus.columns(("text", *IDENTITY), tables.corpus.numbers(ids))
    return list(zip(*columns.values(), strict=True))


def _refuse_empty(texts: Sequence[str], ids: Sequence[str]) -> None:
    empty = next((i for text, i in zip(texts, ids, strict=True) if not (text and text.strip())), None)
    if empty is not None:
        raise UserError(f"The text of {empty} is empty, so it has no vector: make the release again without it.")


def _teacher(sampled: Sequence[Sampled]) -> "Tensor":
    import torch

    return torch.tensor([one.scores for one in sampled])
