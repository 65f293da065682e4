"""Scores by hooks are those by hand, whatever the batches; what a model does not use scores nothing."""

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drama_train.pruning.gqa import expanded
from drama_train.pruning.importance import importance
from drama_train.pruning.masks import Scores
from tests.pruning.making import FAMILIES, HEAD_DIM, SHAPE, Family, ids_of, make_model

L, H, K, M, D = SHAPE.layers, SHAPE.heads, SHAPE.kv_heads, SHAPE.intermediate, SHAPE.hidden
NAMES = [field.name for field in fields(Scores)]


def _by_hand(model: Any, ids: Tensor, kv_heads: int) -> Scores:
    """Block by block from the states that the model tells: of attention, the heads; of the MLP, its dimensions."""
    backbone = model.model
    norms, heads, dims, turned = [], [], [], []
    position = torch.arange(ids.shape[1])[None]
    with torch.no_grad():
        told = backbone(ids, output_hidden_states=True).hidden_states
        angles = backbone.rotary_emb(told[0], position)
        for number, layer in enumerate(backbone.layers):
            states = told[number]
            read = layer.input_layernorm(states)
            norms.append(_by_text(read))
            of_heads = _heads(layer.self_attn, read, angles)
            heads.append(_by_text(of_heads))
            middle = states + of_heads @ layer.self_attn.o_proj.weight.T
            read = layer.post_attention_layernorm(middle)
            norms.append(_by_text(read))
            mlp = layer.mlp
            of_dims = functional.silu(read @ mlp.gate_proj.weight.T) * (read @ mlp.up_proj.weight.T)
            dims.append(_by_text(of_dims))
            after = middle + of_dims @ mlp.down_proj.weight.T
            if number + 1 < L:  # of the last layer the state is told after a norm
                torch.testing.assert_close(after, told[number + 1])
            cosine = (states * after).sum(-1) / states.norm(dim=-1) / after.norm(dim=-1)
            turned.append((1 - cosine).mean())
    by_head = torch.stack([one.square().sum(0).view(H, HEAD_DIM).sum(1) for one in heads])
    return Scores(
        layer=torch.stack(turned),
        hidden=torch.stack([one.square().sum(0).sqrt() for one in norms]).sum(0),
        group=by_head.view(L, kv_heads, -1).sum(2).sqrt(),
        head=by_head.sqrt(),
        intermediate=torch.stack([one.square().sum(0).sqrt() for one in dims]),
    )


def _by_text(activations: Tensor) -> Tensor:
    """(B, T, N) -> (B, N)."""
    return activations.abs().mean(1)


def _heads(attention: Any, read: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """(B, T, H * HEAD_DIM): what o_proj reads."""
    size = (*read.shape[:2], -1, HEAD_DIM)
    q, k, v = (
        (read @ getattr(attention, f"{name}_proj").weight.T).view(size).transpose(1, 2) for name in ("q", "k", "v")
    )
    if hasattr(attention, "q_norm"):
        q, k = attention.q_norm(q), attention.k_norm(k)
    cos, sin = angles

    def turned(one: Tensor) -> Tensor:
        half = HEAD_DIM // 2
        return one * cos + torch.cat([-one[..., half:], one[..., :half]], -1) * sin

    k, v = (one.repeat_interleave(q.shape[1] // one.shape[1], 1) for one in (k, v))
    scores = turned(q) @ turned(k).transpose(2, 3) / HEAD_DIM**0.5
    later = torch.ones(read.shape[1], read.shape[1]).triu(1).bool()
    found: Tensor = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
    return found.transpose(1, 2).flatten(2)


def _wide(family: Family) -> Any:
    """Every layer sees all tokens before, as by hand."""
    return make_model(family, dtype=torch.float32, sliding_window=64)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_by_hand(family: Family) -> None:
    model, ids = _wide(family), ids_of(5)
    expected, found = _by_hand(model, ids, K), importance(model, [ids], K)
    for name in NAMES:
        one, other = getattr(expected, name), getattr(found, name)
        assert one.std() > 0.01 and one.shape == other.shape
        torch.testing.assert_close(other.float(), one, atol=1e-5, rtol=1e-4)


def test_batches_are_the_whole() -> None:
    model, ids = make_model(dtype=torch.float32), ids_of(6)
    whole = importance(model, [ids], K)
    for parts in (ids.split(1), ids.split(4)):
        found = importance(model, parts, K)
        for name in NAMES:
            torch.testing.assert_close(getattr(found, name), getattr(whole, name), atol=1e-5, rtol=1e-5)


def test_groups_are_of_the_kv_heads_after_expansion() -> None:
    """And so are those of the expanded model; where each head has its own, group and head are one."""
    model, ids = make_model(dtype=torch.float32), ids_of(4)
    for kv_heads in (4, 8):
        found = importance(model, [ids], kv_heads)
        assert found.group.shape == (L, kv_heads)
        expected = found.head.square().view(L, kv_heads, -1).sum(2).sqrt()
        torch.testing.assert_close(found.group, expected)
        of_expanded = importance(expanded(model, kv_heads // K), [ids], kv_heads)
        torch.testing.assert_close(of_expanded.group, found.group, atol=1e-5, rtol=1e-5)
    assert torch.equal(found.group, found.head)


def test_what_reads_nothing_scores_nothing() -> None:
    model = make_model(dtype=torch.float32)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[[2, 5]] = 0
        model.model.layers[0].self_attn.v_proj.weight[HEAD_DIM : 2 * HEAD_DIM] = 0  # of heads 2 and 3
        model.model.layers[2].self_attn.o_proj.weight.zero_()
        model.model.layers[2].mlp.down_proj.weight.zero_()
    found = importance(model, [ids_of(4)], K)
    assert (found.intermediate[1] == 0).nonzero().flatten().tolist() == [2, 5]
    assert (found.head[0] == 0).nonzero().flatten().tolist() == [2, 3] and found.group[0, 1] == 0
    assert found.layer[2] == pytest.approx(0, abs=1e-6) and (found.layer[:2] > 0.01).all()


def test_the_model_is_as_it_was_also_after_a_fault() -> None:
    model = make_model(dtype=torch.float32).train()

    def broken() -> Any:
        yield ids_of(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        importance(model, broken(), K)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert model.training and all(one.grad is None for one in model.parameters())
    found = importance(model, [ids_of(2)], K)
    assert not any(getattr(found, name).requires_grad or getattr(found, name).is_inference() for name in NAMES)


def test_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text to score units by"):
        importance(make_model(), [], K)
