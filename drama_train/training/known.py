"""Which documents of a batch are no negatives of a query: known positives and their twins (PEERS 2, 6, 7)."""

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
    """The identities of each query's known positives, (Q, P) each, padded with -1."""

    document: "Tensor"
    text: "Tensor"
    cluster: "Tensor"

    def rows(self, first: int, last: int) -> "Known":
        return Known(self.document[first:last], self.text[first:last], self.cluster[first:last])

    def fields(self) -> "tuple[Tensor, Tensor, Tensor]":
        return self.document, self.text, self.cluster


def excluded(known: Known, documents: Identity, own: "Tensor", *, repeats: bool) -> "Tensor":
    """(Q, C): documents that share an identity with a known positive of the query.

    repeats: also those whose text stood in an earlier column, so that a text counts once; a query's own documents
    stay, and then it is the other copy that goes. One known positive after the other: the widest array is (Q, C).
    """
    import torch

    found = torch.zeros((len(known.text), len(documents.text)), dtype=torch.bool, device=documents.text.device)
    for of_queries, of_documents in zip(known.fields(), documents.fields(), strict=True):
        for column in of_queries.T:
            found |= (column[:, None] == of_documents[None]) & (column[:, None] >= 0)
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
