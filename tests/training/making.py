"""Steps small enough to be computed twice: a tiny Llama, batches of unequal texts, the plain gradient of all of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drama_train.training.cached import Batch, Compute
from drama_train.training.encoder import encode, padded
from drama_train.training.known import Identity, Known, excluded
from drama_train.training.loss import Masks, Objective, contrastive_loss, spread_out_loss

NEGATIVES = 2


def tiny_model(seed: int = 0, *, dropout: float = 0.0, dtype: torch.dtype = torch.float64) -> Any:
    """Two layers, grouped queries, attention both ways; in float64 the norms are too, which are float32 in the stock one."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=64,
        attention_dropout=dropout,
    )
    config.is_causal = False
    model = LlamaModel(config).to(dtype).train()
    return with_wide_norms(model) if dtype == torch.float64 else model


def with_wide_norms(model: Any) -> Any:
    """The same model, whose norms compute in its own kind of number, and not in float32."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    for module in model.modules():
        if isinstance(module, LlamaRMSNorm):
            module.forward = partial(_norm, module)  # type: ignore[method-assign]
    return model


def _norm(module: Any, states: Tensor) -> Tensor:
    scale = torch.rsqrt(states.square().mean(-1, keepdim=True) + module.variance_epsilon)
    normed: Tensor = module.weight * states * scale
    return normed


def make_batch(queries: int, seed: int) -> Batch:
    """Texts of 1 to 12 tokens; some stand in it twice, some documents are twins of known positives of other queries."""
    draw = torch.Generator().manual_seed(seed)

    def number(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=draw))

    def text() -> list[int]:
        return [3 + number(50) for _ in range(1 + number(12))]

    columns = queries * (1 + NEGATIVES)
    texts = [text() for _ in range(columns)]
    texts[4] = texts[1]  # a negative of two queries
    texts[columns - 1] = texts[0]  # the first query's positive, as another's negative
    hashes = torch.tensor([hash(tuple(one)) % (2**62) for one in texts])  # of integers: the same in every process
    identity = Identity(torch.arange(columns) + 1000 * seed, hashes, torch.tensor([number(6) for _ in range(columns)]))
    first = torch.arange(queries) * (1 + NEGATIVES)
    known = Known(torch.arange(queries), *(one[first] for one in identity.fields()))
    teacher = torch.rand(queries, 1 + NEGATIVES, generator=draw, dtype=torch.float64)
    return Batch([text() for _ in range(queries)], texts, identity, known, teacher)


def joined(batches: Sequence[Batch]) -> Batch:
    """The batches of all processes as one."""
    return Batch(
        [row for b in batches for row in b.query_tokens],
        [row for b in batches for row in b.document_tokens],
        Identity(*(torch.cat(parts) for parts in zip(*(b.identity.fields() for b in batches), strict=True))),
        _joined_known(batches),
        torch.cat([b.teacher for b in batches if b.teacher is not None]),
    )


def _joined_known(batches: Sequence[Batch]) -> Known:
    """Queries are numbered on from those of the batches before."""
    starts = [sum(len(b.query_tokens) for b in batches[:at]) for at in range(len(batches))]
    numbered = [replace(b.known, query=b.known.query + start) for b, start in zip(batches, starts, strict=True)]
    return Known(*(torch.cat(parts) for parts in zip(*(known.fields() for known in numbered), strict=True)))


def plain_step(model: Any, batch: Batch, objective: Objective, compute: Compute) -> float:
    """The same loss by one forward pass over all texts in the order given, and autograd."""
    ids, mask = padded(batch.query_tokens + batch.document_tokens, 0)
    vectors = encode(model, ids, mask, compute.pooling)
    count = len(batch.query_tokens)
    own = torch.arange(len(batch.document_tokens)).view(count, -1)
    masks = Masks(own, excluded(batch.known, batch.identity, own, repeats=compute.repeats), batch.teacher)
    loss = contrastive_loss(vectors[:count], vectors[count:], masks, objective) / count
    if objective.spread_out:
        loss = loss + spread_out_loss(vectors[count:], objective)
    loss.backward()
    return float(loss.detach())


def gradients(model: Any) -> dict[str, Tensor]:
    """Every parameter's gradient; there is one, and it is not zero."""
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert len(found) == 20
    assert all(float(one.abs().max()) > 0 for one in found.values())
    return found
