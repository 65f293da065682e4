"""Which documents of a batch are no negatives of a query: known positives and their twins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Identity:
    """Integers that say when two documents are the same: document, text and near-duplicate cluster, (C,) each.

    -1 stands for none, and equals nothing.
    """

    document: "Tensor"
    text: "Tensor"
    cluster: "Tensor"

    def fields(self) -> "tuple[Tensor, Tensor, Tensor]":
        return self.document, self.text, self.cluster


@dataclass(frozen=True)
class Known:
    """The known positives of queries, one after another: the number of the query, and the identity, (K,) each.

    A list and not a table, since a query that stands in thousands of rows has thousands, and most have a few.
    """

    query: "Tensor"
    document: "Tensor"
    text: "Tensor"
    cluster: "Tensor"

    def fields(self) -> "tuple[Tensor, Tensor, Tensor, Tensor]":
        return self.query, self.document, self.text, self.cluster

    def rows(self, first: int, last: int) -> "Known":
        """Those of the queries from `first` to before `last`, which are numbered from 0 then."""
        inside = (self.query >= first) & (self.query < last)
        return Known(self.query[inside] - first, self.document[inside], self.text[inside], self.cluster[inside])


def excluded(known: Known, documents: Identity, own: "Tensor", *, repeats: bool) -> "Tensor":
    """(Q, C): documents that share an identity with a known positive of the query.

    repeats: also those whose text stood in an earlier column, so that a text counts once; a query's own documents
    stay, and then it is the other copy that goes.
    """
    import torch

    found = torch.zeros((len(own), len(documents.text)), dtype=torch.bool, device=documents.text.device)
    for of_positives, of_documents in zip(known.fields()[1:], documents.fields(), strict=True):
        values, groups = torch.unique(of_documents, return_inverse=True)  # (G,) ascending, (C,)
        places = torch.searchsorted(values, of_positives).clamp(max=len(values) - 1)  # (K,)
        is_there = (values[places] == of_positives) & (of_positives >= 0)
        marked = torch.zeros((len(own), len(values)), dtype=torch.bool, device=found.device)
        marked[known.query[is_there], places[is_there]] = True
        found |= marked[:, groups]
    if repeats:
        found |= _repeated(documents.text, own)
    return found


def _repeated(text: "Tensor", own: "Tensor") -> "Tensor":
    """(Q, C): every column but one of each text; that one is the query's own where it has one, else the first."""
    import torch

    _, groups = torch.unique(text, return_inverse=True)  # (C,)
    columns = torch.arange(len(text), device=text.device)
    first = torch.full((int(groups.max()) + 1,), len(text), dtype=torch.long, device=text.device)
    first = first.scatter_reduce(0, groups, columns, "amin")  # (G,)
    kept = first.repeat(len(own), 1)  # (Q, G): the column kept of each group
    kept = kept.scatter(1, groups[own].flip(1), own.flip(1))  # own columns win, the positive over the negatives
    return (kept[:, groups] != columns) & (text >= 0)
