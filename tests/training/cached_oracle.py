"""sentence-transformers' way to the same step: its model around a backbone, its columns of texts, its cached loss."""

from typing import Any

import torch
from torch import Tensor

from drama_train.training.cached import Batch
from drama_train.training.encoder import padded
from drama_train.training.loss import Objective


def sentence_transformer(backbone: Any, device: str = "cpu") -> Any:
    """The backbone, then its own mean pooling. Token ids are given, so that it needs no tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    return SentenceTransformer(
        modules=[_Backbone(backbone), Pooling(backbone.config.hidden_size, "mean")], device=device
    )


class _Backbone(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        ids, mask = features["input_ids"], features["attention_mask"]
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda):  # as accelerate does, and as ours
            states = self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return {**features, "token_embeddings": states}


def columns_of(batch: Batch, pad: int, device: Any = "cpu") -> list[dict[str, Tensor]]:
    """Queries, positives, first negatives, second ...: each padded to its longest, as its collator does."""
    each = len(batch.document_tokens) // len(batch.query_tokens)
    columns = [batch.query_tokens, *(batch.document_tokens[at::each] for at in range(each))]
    return [dict(zip(("input_ids", "attention_mask"), padded(column, pad, device), strict=True)) for column in columns]


def oracle_loss(model: Any, objective: Objective, **sizes: int | None) -> Any:
    """Its cached loss, in its Matryoshka loss where there are dimensions.

    Both ways sum over dimensions and average over queries. Its Matryoshka loss replaces the cached loss's
    `calculate_loss`: it cuts the vectors of the first forward, and multiplies their gradients by the weights.
    sizes: mini_batch_size, mini_batch_num_tokens.
    """
    from sentence_transformers.sentence_transformer import losses

    cached = losses.CachedMultipleNegativesRankingLoss(model, scale=1 / objective.temperature, **sizes)
    if not objective.dims:
        return cached
    return losses.MatryoshkaLoss(model, cached, objective.dims, objective.weights or None)


def oracle_step(loss: Any, batch: Batch, pad: int = 0) -> float:
    """Adds the gradients to the model's parameters, as `cached_step` does."""
    device = next(loss.parameters()).device
    value = loss(columns_of(batch, pad, device), torch.empty(0, device=device))
    value.backward()
    return float(value.detach())
